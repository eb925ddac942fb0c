//! A seed brings its text again, whatever the device does meanwhile.
//!
//! The verifier computes one row of a pass at a time, so that its logits do not depend on what shares a batch: then two
//! runs with one seed are equal to the bit, and no chance is left in these tests on any one machine.

use uhlm_ffi::{
    CloseRule, DraftAhead, ErrorKind, FinishReason, GenerationOptions, LinkOptions, Mode, OfflinePolicy, Pace, Prompt,
    SessionOptions, Statistics,
};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::pair;
use uhlm_testing::served::Served;

use crate::support::{at_most, chat, drawing, engine, finished, reply, rest, verifier, wait};

const SEED: u64 = 42;

/// Beginnings after which the target is sure of little, so that each seed writes a text of its own. Its answers to
/// questions hardly depend on the seed.
const BEGINNINGS: [&str; 4] = ["Once upon a time", "The answer is", "The step is", "Hello"];

fn prompts() -> Vec<Prompt> {
    let beginnings = BEGINNINGS.map(|text| Prompt::Raw { text: text.to_owned() });
    beginnings.into_iter().chain(pair::questions("heldout").iter().take(2).map(|question| chat(question))).collect()
}

/// Returns options that wait for the verifier however slow the machine is: a token that nobody judged could be another
/// one.
fn patient(mode: Mode) -> SessionOptions {
    let seconds = Some(120.0);
    let link = LinkOptions { min_deadline_seconds: seconds, max_deadline_seconds: seconds, ..LinkOptions::default() };
    SessionOptions { mode: Some(mode), offline: Some(OfflinePolicy::Wait { seconds: 120.0 }), link, ..drawing() }
}

fn seeded(seed: u64) -> GenerationOptions {
    GenerationOptions { seed: Some(seed), ..at_most(60) }
}

/// Starts a server whose logits do not depend on what else is in a pass.
fn one_row_a_pass() -> Served {
    Served::start_with(|config| {
        let engine = EngineOptions { micro_batch: 1, ..config.engine.clone() };
        ServerConfig { engine, ..config }
    })
}

#[test]
fn every_pace_writes_the_same_text() {
    let served = one_row_a_pass();
    let verifier = verifier(&served);
    let prompts = prompts();
    let write = |options: SessionOptions| {
        let session = wait(engine().open_session(Some(verifier.clone()), options, None)).expect("valid");
        let answer = |prompt: &Prompt| {
            let answer = finished(&reply(&session, prompt.clone(), seeded(SEED)));
            session.reset().expect("idle");
            answer
        };
        let answers: Vec<_> = prompts.iter().map(answer).collect();
        let sum = |of: fn(&Statistics) -> u64| answers.iter().map(|(_, _, statistics)| of(statistics)).sum::<u64>();
        let (passes, tokens) = (sum(|statistics| statistics.target_passes), sum(|statistics| statistics.tokens));
        (answers.into_iter().map(|(_, text, _)| text).collect::<Vec<_>>(), passes, tokens)
    };
    let (texts, ..) = write(patient(Mode::RemoteOnly));
    for pace in [Pace::Fastest, Pace::Balanced, Pace::Thrifty] {
        let (written, passes, tokens) = write(SessionOptions { pace: Some(pace), ..patient(Mode::Exact) });
        assert_eq!(written, texts, "{pace:?}");
        assert!(pace != Pace::Thrifty || passes < tokens, "{passes} passes for {tokens} tokens");
    }
    let budget = |passes| SessionOptions { max_passes_per_token: Some(passes), ..patient(Mode::Exact) };
    assert_eq!(write(budget(0.2)).0, texts, "under a budget");
    for nonsense in [0.0, -1.0, f64::NAN] {
        let refused = wait(engine().open_session(None, budget(nonsense), None));
        assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::InvalidOptions), "{nonsense}");
    }
}

#[test]
fn the_same_seed_brings_the_same_text() {
    let served = one_row_a_pass();
    let verifier = verifier(&served);
    let prompts = prompts();
    let open = |options| wait(engine().open_session(Some(verifier.clone()), options, None)).expect("valid");
    let write = |options: &SessionOptions, seed| {
        let answer = |prompt: &Prompt| finished(&reply(&open(options.clone()), prompt.clone(), seeded(seed)));
        let answers: Vec<_> = prompts.iter().map(answer).collect();
        let rollbacks: u64 = answers.iter().map(|(_, _, statistics)| statistics.rollbacks).sum();
        (answers.into_iter().map(|(_, text, _)| text).collect::<Vec<_>>(), rollbacks)
    };
    let (texts, rollbacks) = write(&patient(Mode::Exact), SEED);
    assert!(rollbacks > 0, "where both models agree on everything, this shows little");
    assert_eq!(write(&patient(Mode::RemoteOnly), SEED).0, texts, "the target alone");
    for (tokens, ahead) in
        [(1, DraftAhead::Off), (3, DraftAhead::WhileWaiting), (9, DraftAhead::Pipelined { windows: 4 })]
    {
        let (close, draft_ahead) = (Some(CloseRule::Fixed { tokens }), Some(ahead));
        // The seed of a reply comes before the session's.
        let options = SessionOptions { close, draft_ahead, seed: Some(u64::from(tokens)), ..patient(Mode::Exact) };
        assert_eq!(write(&options, SEED).0, texts, "windows of {tokens}");
    }
    let others = write(&patient(Mode::Exact), SEED + 1).0;
    for (text, other) in texts.iter().zip(&others).take(BEGINNINGS.len()) {
        assert_ne!(text, other, "another seed");
    }

    // In one session, with a generation before each reply that is cancelled in the middle.
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let session = open(patient(mode));
        for (prompt, text) in prompts.iter().zip(&texts) {
            let cancelled = session.start(prompt.clone(), seeded(SEED + 2)).expect("idle");
            wait(cancelled.next()).expect("no error");
            cancelled.cancel();
            rest(&cancelled).1.expect("cancelling is no error");
            session.reset().expect("idle");
            let (finish, again, _) = finished(&reply(&session, prompt.clone(), seeded(SEED)));
            assert_ne!(finish, FinishReason::Cancelled);
            assert_eq!(&again, text, "{mode:?}, after one that was cancelled");
            session.reset().expect("idle");
        }
    }
}

#[test]
fn a_session_with_the_same_seed_brings_the_same_replies_to_the_same_messages() {
    let talk = |seed| {
        let options = SessionOptions { seed: Some(seed), mode: Some(Mode::DeviceOnly), ..drawing() };
        let session = wait(engine().open_session(None, options, None)).expect("valid");
        prompts().into_iter().map(|prompt| finished(&reply(&session, prompt, at_most(60))).1).collect::<Vec<_>>()
    };
    let replies = talk(7);
    assert_eq!(talk(7), replies);
    assert_ne!(talk(8), replies);
    // The number of the reply is mixed in: the same beginning goes on in another way.
    let options = SessionOptions { mode: Some(Mode::DeviceOnly), ..drawing() };
    let session = wait(engine().open_session(None, options, None)).expect("valid");
    let again = || finished(&reply(&session, Prompt::Raw { text: BEGINNINGS[0].to_owned() }, at_most(60))).1;
    assert_ne!(again(), again());
}
