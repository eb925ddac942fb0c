//! Schemas on real models, by hand: `docs/structured-output.md` has the command and what it gave.

use std::path::PathBuf;
use std::time::Duration;

use uhlm_core::{Engine, FinishReason, Grammar, LoadOptions, Mode, OfflinePolicy, SessionOptions};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::served::Served;

use crate::schemas;
use crate::support::{number, options, temperatures, write};

/// What is asked for, schema by schema in the order of [`schemas::all`], each in several ways.
const SUBJECTS: [&str; 6] = [
    "Invent an example and answer in JSON.",
    "Give me one more, another one than most people would think of. JSON only.",
    "Answer in JSON for a shop in a small town.",
    "Antworte in JSON, erfinde etwas Passendes.",
    "Make up data for a test of a web page, as JSON.",
    "As JSON, please: something with large numbers and names that are not English.",
];

#[test]
#[ignore = "needs models: UHLM_REAL_DRAFT and UHLM_REAL_TARGET name GGUF files of one vocabulary"]
fn real_models_keep_to_schemas() {
    let named = |variable: &str| PathBuf::from(std::env::var(variable).unwrap_or_else(|_| panic!("{variable}?")));
    let draft = Engine::load(named("UHLM_REAL_DRAFT"), &LoadOptions::default()).expect("a draft model");
    let engine = EngineOptions { micro_batch: 1, ..EngineOptions::default() };
    let model = named("UHLM_REAL_TARGET");
    let served = Served::start_with(|config| ServerConfig { engine, model, ..config });
    let open = |mode, t: usize| {
        let offline = OfflinePolicy::Wait(Duration::from_secs(300));
        let options = SessionOptions { offline, ..options(mode, &temperatures()[t]) };
        draft.session(Some(served.verifier()), options).expect("a session")
    };
    let (exact, streamed) = ([0, 1, 2].map(|t| open(Mode::Exact, t)), [0, 1, 2].map(|t| open(Mode::RemoteOnly, t)));
    let schemas = schemas::all();
    let wanted = number("UHLM_REAL_PROMPTS", schemas.len() * SUBJECTS.len());
    let (mut tokens, mut forced, mut passes, mut compared) = (0, 0, 0, 0);
    for i in 0..wanted {
        let ((name, schema), subject) = (&schemas[i % schemas.len()], SUBJECTS[i / schemas.len() % SUBJECTS.len()]);
        let (prompt, t) = (format!("{subject} ({name})"), i % 3);
        let grammar = Grammar::JsonSchema(schema.to_string());
        let said = write(&exact[t], &prompt, i as u64, &grammar).unwrap_or_else(|error| panic!("{name}: {error}"));
        schemas::check(schema, &said.text).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(said.reason, FinishReason::EndOfReply, "{name}");
        println!("{name}, temperature {}: {}", temperatures()[t].temperature, said.text);
        tokens += said.ids.len() as u64;
        forced += said.statistics.forced;
        passes += said.statistics.target_passes;
        // Ten of sixty, spread over the schemas and the temperatures.
        if i % 7 == 0 || i == 1 {
            let target = write(&streamed[t], &prompt, i as u64, &grammar).expect("a reply");
            assert_eq!(said.ids, target.ids, "{name}, reply {i}");
            compared += 1;
        }
    }
    println!("{wanted} replies of real models, all valid; {tokens} tokens, {forced} forced, {passes} passes");
    println!("{compared} of them equal to remote_only, one row a pass");
}
