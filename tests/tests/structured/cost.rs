//! The cost of masks in a vocabulary of a real model.

use std::time::{Duration, Instant};

use uhlm_core::Grammar;
use uhlm_grammar::{Constraint, Tables};
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_llama::Language;

use crate::schemas;

/// Texts that the schemas allow, one each.
const TEXTS: [&str; 4] = [
    r#"{"name": "Mara", "age": 31}"#,
    r#"{"color": "green", "likes": true}"#,
    r#"{"who": {"name": "Ada", "at": {"street": "Ring", "house": 12}}, "since": 1999}"#,
    "[12, -7, 0, 99]",
];

fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}

/// `UHLM_VOCABULARY=model.gguf cargo test --workspace --test structured -- --ignored --nocapture cost` prints it; the
/// figure of the documentation is for the 151,665 tokens of Qwen2.5.
#[test]
#[ignore = "prints times of a model that is named"]
fn the_cost_of_a_mask_a_token() {
    let path = std::env::var_os("UHLM_VOCABULARY").expect("UHLM_VOCABULARY names a GGUF file");
    let words = Language::load(path.as_ref()).expect("a vocabulary");
    let (began, ends) = (Instant::now(), words.vocabulary().ends());
    let tables = Tables::of_language(words.clone()).expect("tables");
    println!("{} tokens; tables in {:?}", words.vocabulary().size(), began.elapsed());
    let (mut masks, mut forced, mut compiles) = (Vec::new(), 0, Vec::new());
    for ((name, schema), text) in schemas::all().iter().zip(TEXTS) {
        let began = Instant::now();
        let compiled = tables.compile(&Grammar::JsonSchema(schema.to_string())).expect("a valid schema");
        compiles.push(began.elapsed());
        for round in 0..20 {
            let ids = words.tokenize(text, Special::Plain).expect("tokens");
            let (mut matcher, mut at) = (compiled.matcher(&ends), 0);
            while at <= ids.len() {
                let began = Instant::now();
                let mask = Constraint::mask(&mut matcher, &ids[..at]);
                let mask = mask.unwrap_or_else(|error| panic!("{name}: {error}"));
                let took = began.elapsed();
                forced += usize::from(mask.count() == 1);
                if round > 0 {
                    masks.push(took);
                }
                assert!(at == ids.len() || mask.allows(ids[at]), "{name}: token {at} of {text}");
                at += 1;
            }
        }
    }
    let [median, most, worst] = [0.5, 0.99, 1.0].map(|part| quantile(&mut masks, part));
    let compile = quantile(&mut compiles, 0.5);
    println!(
        "{} masks, {forced} of one token: median {median:?}, p99 {most:?}, worst {worst:?}; compiled in {compile:?}",
        masks.len()
    );
}
