//! What a message may ask for itself: sampling, instructions, the most probable tokens; and a mode that cannot be.

use uhlm_ffi::{
    ErrorKind, GenerationEvent, GenerationOptions, LogitBias, Mode, OfflinePolicy, Overflow, Prompt, Role,
    SamplingParams, SessionOptions, SummaryOptions, UhlmSession,
};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::served::Served;

use crate::support::{QUESTION, at_most, chat, drawing, engine, finished, greedy, reply, rest, verifier, wait};

fn device_only() -> SessionOptions {
    SessionOptions { mode: Some(Mode::DeviceOnly), ..greedy() }
}

#[test]
fn a_reply_has_a_sampling_of_its_own() {
    // One row a pass, so that logits do not depend on what shares a batch.
    let served = Served::start_with(|config| {
        let engine = EngineOptions { micro_batch: 1, ..config.engine.clone() };
        ServerConfig { engine, ..config }
    });
    let engine = engine();
    // A space is raised above all else: both models write nothing but that.
    let space = engine.tokenize(" ".to_owned()).expect("tokens")[0];
    let bias = |bias| vec![LogitBias { id: space, bias }];
    let wide = SamplingParams {
        temperature: Some(1.0),
        top_n_sigma: Some(1.0),
        logit_bias: bias(100.0),
        ..SamplingParams::default()
    };
    let texts = [Mode::Exact, Mode::RemoteOnly].map(|mode| {
        let offline = Some(OfflinePolicy::Wait { seconds: 60.0 });
        let options = SessionOptions { mode: Some(mode), offline, ..drawing() };
        let session = wait(engine.open_session(Some(verifier(&served)), options, None)).expect("valid");
        let plain = GenerationOptions { seed: Some(3), ..at_most(40) };
        let own = GenerationOptions { sampling: Some(wide.clone()), ..plain.clone() };
        let write = |options| {
            let text = finished(&reply(&session, chat(QUESTION), options)).1;
            session.reset().expect("idle");
            text
        };
        [write(plain.clone()), write(own), write(plain)]
    });
    assert_eq!(texts[0][1], texts[1][1], "both sides draw by the same chain");
    for [before, own, after] in &texts {
        assert_ne!(before, own);
        assert_eq!(before, after, "the session's holds again");
    }
    let session = wait(engine.open_session(None, device_only(), None)).expect("valid");
    let wrong = [
        SamplingParams { temperature: Some(-1.0), ..SamplingParams::default() },
        SamplingParams { logit_bias: bias(101.0), ..SamplingParams::default() },
        SamplingParams { logit_bias: [bias(1.0), bias(2.0)].concat(), ..SamplingParams::default() },
    ];
    for sampling in wrong {
        let options = GenerationOptions { sampling: Some(sampling.clone()), ..at_most(8) };
        let outcome = session.start(chat(QUESTION), options).map(|generation| rest(&generation).1);
        let error = outcome.and_then(|outcome| outcome).err().map(|error| error.kind());
        assert_eq!(error, Some(ErrorKind::InvalidOptions), "{sampling:?}");
    }
    // The demo pair's authors recommend nothing.
    assert!(engine.recommended_sampling().is_none());
}

#[test]
fn instructions_can_be_changed() {
    let options = SessionOptions { instructions: Some("Be brief.".into()), ..device_only() };
    let session = wait(engine().open_session(None, options, None)).expect("valid");
    let instructions = || {
        let messages = session.messages().expect("open");
        let system = messages.iter().filter(|message| message.role == Role::System);
        system.map(|message| message.content.clone()).collect::<Vec<_>>()
    };
    reply(&session, chat(QUESTION), at_most(8));
    assert_eq!(instructions(), ["Be brief."]);
    session.set_instructions(Some("Be exact.".into())).expect("idle");
    assert_eq!((instructions(), session.messages().expect("open").len()), (vec!["Be exact.".to_owned()], 3));
    let (_, _, longer) = finished(&reply(&session, chat(QUESTION), at_most(8)));
    session.reset().expect("idle");
    assert_eq!(instructions(), ["Be exact."]);
    session.set_instructions(None).expect("idle");
    assert!(instructions().is_empty());
    let (_, _, shorter) = finished(&reply(&session, chat(QUESTION), at_most(8)));
    assert!(longer.prompt_tokens > shorter.prompt_tokens);
}

#[test]
fn the_most_probable_tokens_are_told() {
    let session = wait(engine().open_session(None, device_only(), None)).expect("valid");
    let events = reply(&session, chat(QUESTION), GenerationOptions { top_tokens: 5, ..at_most(20) });
    let mut tokens = 0;
    for event in &events {
        let GenerationEvent::Committed { token, .. } = event else { continue };
        tokens += 1;
        assert_eq!((token.top.len(), token.top[0].id), (5, token.id), "the most probable one is written");
        assert!(token.top.windows(2).all(|pair| pair[0].log_probability >= pair[1].log_probability));
        let sum: f32 = token.top.iter().map(|top| top.log_probability.exp()).sum();
        assert!(sum > 0.0 && sum < 1.0001, "{sum}");
    }
    assert!(tokens > 3);
    let without = reply(&session, chat(QUESTION), at_most(20));
    let any =
        |event: &GenerationEvent| matches!(event, GenerationEvent::Committed { token, .. } if !token.top.is_empty());
    assert!(!without.iter().any(any));
}

#[test]
fn a_mode_that_needs_a_verifier_is_refused_without_one() {
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let refused = wait(engine().open_session(None, SessionOptions { mode: Some(mode), ..greedy() }, None));
        assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::InvalidOptions), "{mode:?}");
    }
    let session = wait(engine().open_session(None, greedy(), None)).expect("without a mode the device writes alone");
    let (_, _, statistics) = finished(&reply(&session, chat(QUESTION), at_most(8)));
    assert_eq!(statistics.origins.draft, statistics.tokens);
}

#[test]
fn raw_text_leaves_the_conversation_as_it_was() {
    let open = || wait(engine().open_session(None, device_only(), None)).expect("valid");
    let (session, other) = (open(), open());
    for session in [&session, &other] {
        reply(session, chat(QUESTION), at_most(20));
    }
    let raw = Prompt::Raw { text: "Once upon a time".into() };
    let (_, text, statistics) = finished(&reply(&session, raw.clone(), at_most(20)));
    assert!(statistics.prompt_tokens < 20, "{}", statistics.prompt_tokens);
    assert_eq!(finished(&reply(&open(), raw, at_most(20))).1, text, "nothing of the conversation is read");
    assert_eq!(session.messages().expect("open"), other.messages().expect("open"));
    let next = |session: &UhlmSession| finished(&reply(session, chat("And backwards?"), at_most(20))).1;
    assert_eq!(next(&session), next(&other));
}

#[test]
fn a_long_text_is_summarised_in_pieces() {
    let session = wait(engine().open_session(None, device_only(), None)).expect("valid");
    let text = "The train leaves at nine. It is late. ".repeat(30);
    let options = SummaryOptions { piece_tokens: Some(128), summary_tokens: Some(16), instructions: None };
    let summary = wait(session.clone().summarise(text.clone(), options.clone(), GenerationOptions::default()));
    let summary = summary.expect("open");
    let mut steps = Vec::new();
    while let Some(step) = wait(summary.next()).expect("no error") {
        steps.push(step);
    }
    assert!(steps.len() > 4, "{steps:?}");
    let last = steps.pop().expect("a step");
    assert!(last.text.is_some() && last.done == last.pieces, "{last:?}");
    assert!(steps.iter().zip(1..).all(|(step, done)| step.done == done && step.text.is_none()), "{steps:?}");
    assert!(session.messages().expect("open").is_empty());
    let summary = wait(session.clone().summarise(text.clone(), options.clone(), GenerationOptions::default()));
    let summary = summary.expect("open");
    wait(summary.next()).expect("a step");
    summary.cancel();
    assert_eq!(wait(summary.next()).err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    session.shut_down();
    let closed = wait(session.summarise(text, options, GenerationOptions::default())).err();
    assert_eq!(closed.map(|error| error.kind()), Some(ErrorKind::SessionClosed));
}

#[test]
fn a_conversation_that_is_too_long_is_summarised() {
    let overflow = Some(Overflow::Summarise { reserve: 32 });
    let options = SessionOptions { context: Some(512), overflow, ..device_only() };
    let session = wait(engine().open_session(None, options, None)).expect("valid");
    let mut dropped = 0;
    for _ in 0..24 {
        let (_, _, statistics) = finished(&reply(&session, chat(QUESTION), at_most(32)));
        dropped += statistics.dropped_messages;
    }
    assert!(dropped > 0);
    assert_eq!(session.messages().expect("open").len(), 48, "the session still has everything");
    // What was summarised counts as generations of the session.
    assert!(session.totals().expect("open").generations > 24);
}
