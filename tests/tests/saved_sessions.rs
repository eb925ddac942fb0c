//! Sessions that are saved to a file and restored, and sessions that read ahead of a message: what comes of them is
//! what would have come without, sooner.

#![allow(clippy::print_stdout, reason = "how soon a conversation is back is worth reading")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uhlm_core::{
    Budget, Consent, ContextSize, Engine, Event, GenerationError, GenerationOptions, LoadOptions, Message, Mode,
    Prompt, SavedSessionError, SentKind, Session, SessionOptions, Statistics,
};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_testing::counted::Counted;
use uhlm_testing::eventually::eventually;
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::{pair, patient};

const QUESTION: &str = "Please add 7447 to 9340.";
const NEXT: &str = "Spell the word planet backwards.";

/// Returns options without n-grams: when these are read ahead depends on time, and with it the rounding of batches.
fn options(mode: Mode) -> SessionOptions {
    let sampling = SamplingParams { temperature: 0.8, ..SamplingParams::default() };
    SessionOptions { ngrams: false, ..patient::options(mode, sampling, 11) }
}

/// Returns the committed tokens of a reply of at most 40, with its statistics.
fn reply(session: &Session, message: &str) -> (Vec<TokenId>, Statistics) {
    let options = GenerationOptions { max_tokens: 40, ..GenerationOptions::default() };
    let mut generation = session.generate(Prompt::Chat(message.into()), options).expect("idle");
    let mut ids = Vec::new();
    while let Some(event) = generation.blocking_next() {
        match event.expect("no error") {
            Event::Committed { token, .. } => ids.push(token.id),
            Event::Finished { statistics, .. } => return (ids, *statistics),
            _ => {}
        }
    }
    panic!("a reply without an end")
}

fn local() -> Arc<LocalVerifier> {
    let target = pair::target();
    let config = LocalConfig::of(Arc::clone(&target) as _, 1024);
    let sequence = move || uhlm_law::model::Decoder::sequence(Arc::clone(&target), 0, 1);
    Arc::new(LocalVerifier::new(config, Box::new(sequence)).expect("a thread"))
}

/// Returns a conversation of about three thousand tokens.
fn long() -> Vec<Message> {
    let engine = pair::draft();
    let mut messages = Vec::new();
    for question in pair::questions("heldout").into_iter().cycle() {
        messages.extend([Message::user(question), Message::assistant("It is as you say.")]);
        if engine.count_tokens(&messages).expect("a template") > 2_950 {
            return messages;
        }
    }
    messages
}

#[test]
fn a_conversation_of_three_thousand_tokens_is_back_at_once_and_goes_on_as_if_it_had_never_been_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm");
    let options = || SessionOptions { context: ContextSize::of(4096), ..options(Mode::DeviceOnly) };
    let session = pair::draft().session(None, options()).expect("valid");
    session.set_messages(long()).expect("idle");
    reply(&session, QUESTION);
    session.blocking_save(&path).expect("a writable folder");
    let began = Instant::now();
    // The seed is the saved one.
    let unseeded = SessionOptions { seed: None, ..options() };
    let restored = pair::draft().restore_session(&path, None, unseeded).expect("what was saved");
    let took = began.elapsed();
    assert_eq!(restored.messages(), session.messages());
    assert_eq!(restored.context_use().tokens, session.context_use().tokens);
    let (expected, before) = reply(&session, NEXT);
    let (found, after) = reply(&restored, NEXT);
    let bytes = std::fs::metadata(&path).expect("the file").len();
    println!(
        "{} tokens, {bytes} bytes: back in {took:?}, the first token {:?} after the message",
        after.reused_tokens, after.first_token
    );
    assert_eq!(found, expected);
    assert!(found.len() > 3 && after.prompt_tokens > 3_000, "{} tokens of {}", found.len(), after.prompt_tokens);
    assert_eq!((after.prompt_tokens, after.reused_tokens), (before.prompt_tokens, before.reused_tokens));
    assert_eq!(restored.messages(), session.messages());
}

#[test]
fn a_restored_session_reads_nothing_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm");
    let counted = Counted::new(Arc::clone(pair::draft().model()), Duration::ZERO);
    let session = Session::new(counted.model(), None, options(Mode::DeviceOnly)).expect("valid");
    session.set_messages(long().into_iter().take(20).collect()).expect("idle");
    reply(&session, QUESTION);
    session.blocking_save(&path).expect("a writable folder");
    let passes = |session: &Session| {
        let before = counted.passes();
        reply(session, NEXT);
        counted.passes() - before
    };
    let restored = Session::restore(counted.model(), None, options(Mode::DeviceOnly), &path).expect("what was saved");
    let (kept, restored) = (passes(&session), passes(&restored));
    assert!(restored <= kept, "{restored} passes, and {kept} of a session that was there all along");
}

#[test]
fn the_verifier_of_a_restored_session_is_given_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm");
    // What shares a batch moves logits a little, so nothing is drawn.
    let options = |mode| SessionOptions { sampling: SamplingParams::greedy(), ..options(mode) };
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let session = pair::draft().session(Some(local()), options(mode)).expect("valid");
        reply(&session, QUESTION);
        session.blocking_save(&path).expect("a writable folder");
        let (expected, _) = reply(&session, NEXT);
        // Another verifier, which has never heard of it.
        let restored = pair::draft().restore_session(&path, Some(local()), options(mode)).expect("what was saved");
        let (found, statistics) = reply(&restored, NEXT);
        assert_eq!(found, expected, "{mode:?}");
        assert!(statistics.origins.unverified == 0 && statistics.opens == 1, "{mode:?}: {statistics:?}");
    }
}

#[test]
fn what_was_read_for_a_conversation_that_is_gone_is_not_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm");
    let session = pair::draft().session(None, options(Mode::DeviceOnly)).expect("valid");
    let restored = || {
        session.blocking_save(&path).expect("a writable folder");
        let options = SessionOptions { seed: None, ..options(Mode::DeviceOnly) };
        pair::draft().restore_session(&path, None, options).expect("what was saved")
    };
    reply(&session, QUESTION);
    let size = |path: &Path| std::fs::metadata(path).expect("the file").len();
    restored();
    let whole = size(&path);
    for starts_anew in [false, true] {
        reply(&session, QUESTION);
        if starts_anew { session.reset() } else { session.set_messages(Vec::new()) }.expect("idle");
        let restored = restored();
        assert_eq!((restored.context_use().tokens, restored.messages().len()), (0, 0));
        assert!(size(&path) < whole / 4, "{} bytes, and {whole} with the conversation", size(&path));
    }
    // A text of its own is no part of the conversation, which goes on as in the session that was there all along.
    reply(&session, QUESTION);
    let apart = Prompt::Apart(vec![Message::user(NEXT)]);
    let options = GenerationOptions { max_tokens: 8, ..GenerationOptions::default() };
    session.generate(apart, options).expect("idle").blocking_finish().expect("a reply");
    let restored = restored();
    assert_eq!(reply(&restored, NEXT).0, reply(&session, NEXT).0);
}

#[test]
fn consent_does_not_come_back_with_a_saved_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm");
    let options = || options(Mode::Exact);
    let session = pair::draft().session(Some(local()), options()).expect("valid");
    reply(&session, QUESTION);
    session.blocking_save(&path).expect("a writable folder");
    let options = SessionOptions { consent: Consent::Message, ..options() };
    let restored = pair::draft().restore_session(&path, Some(local()), options).expect("what was saved");
    let refused = restored.generate(Prompt::Chat(NEXT.into()), GenerationOptions::default()).err();
    assert!(matches!(refused, Some(GenerationError::ConsentRequired { messages: 2 })), "{refused:?}");
    assert_eq!(restored.sent().total_requests, 0);
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm");
    let restore = |engine: &Engine, context: u32| {
        let options = SessionOptions { context: ContextSize::of(context), ..options(Mode::DeviceOnly) };
        engine.restore_session(&path, None, options).err()
    };
    assert!(matches!(restore(&pair::draft(), 1024), Some(SavedSessionError::Missing { .. })));
    let session = pair::draft().session(None, options(Mode::DeviceOnly)).expect("valid");
    session.set_messages(long().into_iter().take(40).collect()).expect("idle");
    reply(&session, QUESTION);
    session.blocking_save(&path).expect("a writable folder");
    assert!(restore(&pair::draft(), 1024).is_none());
    let short = restore(&pair::draft(), 256);
    assert!(matches!(short, Some(SavedSessionError::TooLong { capacity: 256, tokens }) if tokens > 256), "{short:?}");
    let target = Engine::load(pair::file("demo-target.gguf"), &LoadOptions::default()).expect("the bundled target");
    assert!(matches!(restore(&target, 1024), Some(SavedSessionError::AnotherModel { .. })));
    // Damage anywhere is found before anything is done with the content.
    let whole = std::fs::read(&path).expect("the file");
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        std::fs::write(&path, &changed).expect("a writable folder");
        let error = restore(&pair::draft(), 1024);
        let told = matches!(error, Some(SavedSessionError::Damaged { .. } | SavedSessionError::WrongVersion { .. }));
        assert!(told, "byte {at}: {error:?}");
        std::fs::write(&path, &whole[..at]).expect("a writable folder");
        assert!(matches!(restore(&pair::draft(), 1024), Some(SavedSessionError::Damaged { .. })), "cut at {at}");
    }
    // What was never written of a file takes no room on the disk, and is not read either.
    std::fs::write(&path, &whole).expect("a writable folder");
    std::fs::File::options().write(true).open(&path).and_then(|file| file.set_len(1 << 32)).expect("a long file");
    let long = restore(&pair::draft(), 1024);
    assert!(matches!(&long, Some(SavedSessionError::Damaged { reason, .. }) if reason.contains("longer")), "{long:?}");
    // A session that is busy, or whose file cannot be written, says so and goes on.
    let slow = Counted::new(Arc::clone(pair::draft().model()), Duration::from_millis(200)).model();
    let slow = Session::new(slow, None, options(Mode::DeviceOnly)).expect("valid");
    let few = GenerationOptions { max_tokens: 4, ..GenerationOptions::default() };
    let generation = slow.generate(Prompt::Chat(NEXT.into()), few).expect("idle");
    assert!(matches!(slow.blocking_save(&path), Err(SavedSessionError::Busy)));
    generation.blocking_finish().expect("a reply");
    let nowhere = Path::new("/nowhere/at/all");
    assert!(matches!(session.blocking_save(nowhere), Err(SavedSessionError::Io { .. })));
    session.blocking_save(&path).expect("a writable folder");
    assert!(restore(&pair::draft(), 1024).is_none());
}

#[test]
fn what_is_known_of_a_message_is_read_ahead_of_it_and_shared_between_sessions() {
    let counted = Counted::new(Arc::clone(pair::draft().model()), Duration::ZERO);
    let system = vec![Message::system("Answer in one short sentence, and be exact. ".repeat(12))];
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let open = |warm: bool| {
        let session = Session::new(counted.model(), None, options(Mode::DeviceOnly)).expect("valid");
        session.set_messages(system.clone()).expect("idle");
        let tokens = if warm { runtime.block_on(session.prewarm("Please add ")).expect("a template") } else { 0 };
        let before = counted.passes();
        let (ids, statistics) = reply(&session, QUESTION);
        (ids, statistics, tokens, counted.passes() - before)
    };
    let (cold, warm) = (open(false), open(true));
    assert_eq!(warm.0, cold.0);
    // The last tokens of a beginning may go on otherwise than was taken to be known.
    let reused = warm.1.reused_tokens as usize;
    assert!(warm.2 > 100 && reused + 3 >= warm.2 && cold.1.reused_tokens == 0, "{reused} of {}", warm.2);
    assert!(warm.3 + 5 < cold.3, "{} passes, and {} without reading ahead", warm.3, cold.3);
    // Sessions of one engine read it once, and a session that is gone leaves it to others.
    let engine = pair::draft();
    let read = || {
        let session = engine.session(None, options(Mode::DeviceOnly)).expect("valid");
        session.set_messages(system.clone()).expect("idle");
        let tokens = runtime.block_on(session.prewarm("")).expect("a template");
        let (ids, _) = reply(&session, QUESTION);
        (tokens, ids)
    };
    let (first, second) = (read(), read());
    assert_eq!(first, second);
    assert_eq!(first.1, cold.0);
    // With consent the verifier's session is open when the message comes.
    let session = engine.session(Some(local()), options(Mode::Exact)).expect("valid");
    runtime.block_on(session.prewarm("")).expect("a template");
    eventually("the session is opened", || session.sent().total_requests > 0);
    let spent = SessionOptions { budget: Budget { requests: Some(0), ..Budget::default() }, ..options(Mode::Exact) };
    let without = engine.session(Some(local()), spent).expect("valid");
    runtime.block_on(without.prewarm("")).expect("a template");
    assert_eq!(without.sent().total_requests, 0, "nothing is opened on a budget that is spent");
    let (_, statistics) = reply(&session, QUESTION);
    let opened = session.sent().requests.iter().filter(|sent| sent.kind == SentKind::Open).count();
    assert!(opened == 1 && statistics.origins.unverified == 0, "{opened} times: {statistics:?}");
}
