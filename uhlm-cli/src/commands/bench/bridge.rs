//! `uhlm bench bridge`: the time that the bridge between two vocabularies takes for each token of a text.
//!
//! No model runs: the text is drafted in the tokens that the draft model's tokenizer gives it, and written in those of
//! the target's. So the figures are those of texts on which the two agree.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use uhlm_eval::questions;
use uhlm_law::bridge::{Bridge, Spelling};
use uhlm_law::model::LanguageModel;
use uhlm_law::sampling::TokenId;
use uhlm_llama::Language;

use crate::failure::Failure;
use crate::output;
use crate::pair::Pair;
use crate::report::{Quantiles, percent, significant};

#[derive(Clone, Debug, Args)]
pub(super) struct BridgeArgs {
    /// Model or vocabulary of the device, a GGUF file
    #[arg(value_name = "DRAFT")]
    draft: PathBuf,
    /// Model or vocabulary of the target, a GGUF file
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Text to go through; without it the bundled questions
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Document {
    draft_tokens: usize,
    target_tokens: usize,
    /// Share of the target's tokens that are one token of the draft model's as well.
    single: f64,
    /// Times of a token that the draft model drew, which is proposed, in microseconds.
    proposing_us: Quantiles,
    /// Times of a token that the target wrote alone, which is followed, in microseconds.
    following_us: Quantiles,
    /// Time of looking at both vocabularies once, in milliseconds.
    making_ms: f64,
}

pub(super) fn run(args: &BridgeArgs) -> Result<(), Failure> {
    let load = |path: &PathBuf| Language::load(path).map_err(|error| Failure::new(error.to_string()));
    let (draft, target): (Arc<dyn LanguageModel>, Arc<dyn LanguageModel>) = (load(&args.draft)?, load(&args.target)?);
    let prompts = match &args.prompts {
        Some(file) => file.clone(),
        None => Pair::find()?.calibration_questions(),
    };
    let text: Vec<String> = questions::read(&prompts)?.into_iter().map(|question| question.question).collect();
    let text = text.join("\n");
    let began = Instant::now();
    let mut bridge: Bridge<()> = Bridge::new(Arc::clone(&draft), Arc::clone(&target));
    let making_ms = began.elapsed().as_secs_f64() * 1e3;
    let drawn = Spelling::new(Arc::clone(&draft)).spell(text.as_bytes());
    let written = Spelling::new(Arc::clone(&target)).spell(text.as_bytes());
    let document = Document {
        draft_tokens: drawn.len(),
        target_tokens: written.len(),
        single: single(&drawn, &written),
        proposing_us: proposing(&mut bridge, &drawn)?,
        following_us: following(&mut bridge, &written)?,
        making_ms,
    };
    if args.json {
        return output::json(&document);
    }
    let Document { draft_tokens, target_tokens, single, proposing_us, following_us, making_ms } = document;
    let times = |times: Quantiles| format!("p50 {} us, p99 {} us", significant(times.p50), significant(times.p99));
    output::line(format_args!("tokens       {draft_tokens} of the draft model, {target_tokens} of the target"));
    output::line(format_args!("single       {} of the target's are one of the draft model's", percent(single)));
    output::line(format_args!("proposing    {}", times(proposing_us)));
    output::line(format_args!("following    {}", times(following_us)));
    output::line(format_args!("making       {} ms, once a session", significant(making_ms)));
    Ok(())
}

/// Returns the share of the written tokens that begin and end where a drawn one does.
fn single(drawn: &[(TokenId, usize)], written: &[(TokenId, usize)]) -> f64 {
    let spans = |tokens: &[(TokenId, usize)]| -> Vec<(usize, usize)> {
        let mut end = 0;
        let span = |&(_, length): &(TokenId, usize)| {
            end += length;
            (end - length, end)
        };
        tokens.iter().map(span).collect()
    };
    let drawn: std::collections::HashSet<_> = spans(drawn).into_iter().collect();
    let common = spans(written).iter().filter(|span| drawn.contains(span)).count();
    common as f64 / written.len().max(1) as f64
}

/// Returns the times of drafting every token, all of which stand.
fn proposing(bridge: &mut Bridge<()>, drawn: &[(TokenId, usize)]) -> Result<Quantiles, Failure> {
    bridge.begin(0, Vec::new());
    let (mut conversation, mut times): (Vec<TokenId>, Vec<f64>) = (Vec::new(), Vec::new());
    for &(id, _) in drawn {
        let began = Instant::now();
        bridge.follow(&conversation);
        std::hint::black_box(bridge.place());
        bridge.drew(id, ());
        let proposal = bridge.propose(4);
        times.push(began.elapsed().as_secs_f64() * 1e6);
        conversation.truncate(conversation.len() - proposal.replaces);
        conversation.extend(proposal.tokens.iter().map(|token| token.id));
    }
    Quantiles::of(&times).ok_or_else(|| Failure::new("there is no text"))
}

/// Returns the times of reading every token that the target wrote.
fn following(bridge: &mut Bridge<()>, written: &[(TokenId, usize)]) -> Result<Quantiles, Failure> {
    bridge.begin(0, Vec::new());
    let (mut conversation, mut times): (Vec<TokenId>, Vec<f64>) = (Vec::new(), Vec::new());
    for &(id, _) in written {
        conversation.push(id);
        let began = Instant::now();
        bridge.follow(&conversation);
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Quantiles::of(&times).ok_or_else(|| Failure::new("there is no text"))
}
