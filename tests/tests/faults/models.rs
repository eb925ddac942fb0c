//! Files that are damaged, contexts that are full, and text that arrives in pieces.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uhlm_core::{
    Engine, Event, FinishReason, GenerationError, GenerationOptions, Mode, OfflinePolicy, Prompt, Session,
    SessionOptions, USEFUL_REPLY,
};
use uhlm_law::chat::{DraftModel, Message};
use uhlm_law::model::{LanguageModel as _, ModelError, Sequence, Special};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_llama::memory::{self, MemoryError};
use uhlm_llama::{LoadError, LoadOptions, MemoryNeed};
use uhlm_testing::alike::Sequences;
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::pair;
use uhlm_testing::synthetic::SyntheticModel;

use crate::support::{Record, consume, endless, options};

fn load(path: &Path) -> Result<Engine, LoadError> {
    Engine::load(path, &LoadOptions::default())
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn with(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("model.gguf");
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

fn bundled() -> Vec<u8> {
    std::fs::read(pair::file("demo-draft.gguf")).expect("the bundled draft model")
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let (files, whole) = (Files::new(), bundled());
    let cuts = (4..64).chain((64..whole.len()).step_by(whole.len() / 60)).chain([whole.len() - 33, whole.len() - 1]);
    for cut in cuts {
        let error = load(&files.with(&whole[..cut])).expect_err("a cut file");
        assert!(matches!(error, LoadError::Truncated { .. }), "cut at {cut} of {}: {error}", whole.len());
    }
}

#[test]
fn files_that_are_no_models_are_told_apart() {
    let files = Files::new();
    let noise: Vec<u8> = (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for bytes in [&b""[..], b"GGU", b"GGML and more", b"FUGG\x03\0\0\0", &noise] {
        assert!(matches!(load(&files.with(bytes)), Err(LoadError::NotGguf { .. })), "{} bytes", bytes.len());
    }
    let noisy = [&b"GGUF\x03\0\0\0"[..], &noise].concat();
    assert!(matches!(load(&files.with(&noisy)), Err(LoadError::Damaged { .. } | LoadError::Truncated { .. })));
    assert!(matches!(load(&files.0.path().join("none.gguf")), Err(LoadError::Missing { .. })));
    assert!(matches!(load(files.0.path()), Err(LoadError::Unreadable { .. })), "{:?}", load(files.0.path()).err());
}

#[test]
fn absurd_counts_and_bytes_flipped_in_the_header_are_errors_and_never_a_crash() {
    let (files, whole) = (Files::new(), bundled());
    for at in [8, 16, 24] {
        for absurd in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 24] {
            let mut bytes = whole.clone();
            bytes[at..at + 8].copy_from_slice(&absurd.to_le_bytes());
            let error = load(&files.with(&bytes)).expect_err("an absurd header");
            assert!(matches!(error, LoadError::Damaged { .. } | LoadError::Truncated { .. }), "{at} {absurd}: {error}");
        }
    }
    let mut state = 1u32;
    for _ in 0..60 {
        let mut bytes = whole.clone();
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = 4 + (state >> 8) as usize % 2000;
        bytes[at] ^= 1 << (state >> 5 & 7);
        // Some flips are harmless, to a name for example; the others are errors.
        drop(load(&files.with(&bytes)));
    }
}

#[test]
fn a_load_that_is_cancelled_says_so() {
    let options = LoadOptions::default();
    options.cancel.cancel();
    assert!(matches!(Engine::load(pair::file("demo-draft.gguf"), &options), Err(LoadError::Cancelled)));
}

#[test]
fn a_device_without_the_memory_is_told_before_the_file_is_touched() {
    let path = pair::file("demo-draft.gguf");
    let load = |available| {
        let memory = Some(MemoryNeed { context: 1024, available: Some(available) });
        Engine::load(&path, &LoadOptions { memory, ..LoadOptions::default() })
    };
    let needed = memory::estimate(&path, 1024).expect("a model").total();
    assert!(load(needed).is_ok());
    let error = load(needed - 1).expect_err("one byte is missing");
    let LoadError::Memory(MemoryError::NotEnough { context: 1024, fits: Some(fits), .. }) = error else {
        panic!("{error}")
    };
    // What fits does fit.
    let memory = Some(MemoryNeed { context: fits, available: Some(needed - 1) });
    assert!(Engine::load(&path, &LoadOptions { memory, ..LoadOptions::default() }).is_ok());
}

/// Makes a synthetic session whose draft and target contexts hold so many tokens.
fn with_contexts(device: usize, target: usize, mode: Mode) -> Session {
    let draft = endless(SyntheticModel { capacity: device, ..SyntheticModel::draft() });
    let target = endless(SyntheticModel { capacity: target, ..SyntheticModel::target() }).verifier(|config| config);
    Session::new(Arc::new(draft), Some(Arc::new(target)), options(mode, OfflinePolicy::Fail)).expect("valid options")
}

fn write(session: &Session, prompt: Prompt, options: GenerationOptions) -> Record {
    consume(session.generate(prompt, options).expect("idle"))
}

#[test]
fn a_prompt_longer_than_a_context_is_refused_with_both_lengths() {
    for (device, target, mode) in [
        (64, 64, Mode::DeviceOnly),
        (64, 512, Mode::Exact),
        (512, 64, Mode::Exact),
        (512, 64, Mode::Opportunistic),
        (512, 64, Mode::RemoteOnly),
    ] {
        let session = with_contexts(device, target, mode);
        for tokens in [64 - USEFUL_REPLY + 1, 64, 200] {
            let reply = write(&session, Prompt::Raw("a".repeat(tokens)), GenerationOptions::default());
            let error = GenerationError::PromptTooLong { tokens, reply: USEFUL_REPLY, capacity: 64 };
            assert_eq!(*reply.error(), error, "{mode:?}");
        }
        let options = GenerationOptions { max_tokens: 5, ..GenerationOptions::default() };
        write(&session, Prompt::Raw("a".into()), options).complete(5);
        // Also where a verifier session is open already.
        let reply = write(&session, Prompt::Raw("a".repeat(70)), GenerationOptions::default());
        let error = GenerationError::PromptTooLong { tokens: 70, reply: USEFUL_REPLY, capacity: 64 };
        assert_eq!(*reply.error(), error, "{mode:?}");
    }
}

#[test]
fn a_context_that_fills_up_ends_the_reply_with_its_text() {
    for (device, target, mode) in [
        (64, 64, Mode::DeviceOnly),
        (64, 512, Mode::Exact),
        (512, 64, Mode::Exact),
        (64, 64, Mode::Exact),
        (512, 64, Mode::Opportunistic),
        (512, 64, Mode::RemoteOnly),
    ] {
        for prompt in [1, 40, 64 - USEFUL_REPLY] {
            let session = with_contexts(device, target, mode);
            let reply = write(&session, Prompt::Raw("a".repeat(prompt)), GenerationOptions::default());
            let (reason, statistics) = reply.finished();
            assert_eq!(reason, FinishReason::ContextFull, "{device} {target} {mode:?}");
            assert_eq!(statistics.origins.total(), 64 - prompt as u64, "{device} {target} {mode:?}");
        }
    }
}

#[test]
fn the_real_context_fills_up_too() {
    let options = SessionOptions { context: 256.into(), threads: 1, ..options(Mode::DeviceOnly, OfflinePolicy::Fail) };
    let session = pair::draft().session(None, options).expect("valid options");
    let reply = write(&session, Prompt::Raw("the ".repeat(600)), GenerationOptions::default());
    assert!(matches!(reply.error(), GenerationError::PromptTooLong { .. }), "{:?}", reply.outcome);
    // Replies of the bundled model end; one of many runs into the end of the context.
    let mut prompt = String::from("the");
    for _ in 0..400 {
        let options = GenerationOptions { max_tokens: 1000, ..GenerationOptions::default() };
        let reply = write(&session, Prompt::Raw(prompt.clone()), options);
        if matches!(reply.outcome, Err(GenerationError::PromptTooLong { .. })) {
            return;
        }
        if reply.finished().0 == FinishReason::ContextFull {
            assert!(reply.finished().1.origins.total() > 0);
            return;
        }
        prompt.push_str(" the the the");
    }
    panic!("the context never filled up");
}

#[test]
fn no_tokens_and_one_token_are_limits_like_others() {
    for mode in [Mode::DeviceOnly, Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let session = with_contexts(512, 512, mode);
        for max_tokens in [0, 1] {
            let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
            write(&session, Prompt::Raw("abc".into()), options).complete(max_tokens);
        }
        let empty = write(&session, Prompt::Raw(String::new()), GenerationOptions::default());
        assert_eq!(*empty.error(), GenerationError::EmptyPrompt);
    }
    let alone = Session::new(Arc::new(SyntheticModel::draft()), None, options(Mode::Exact, OfflinePolicy::GoOn));
    let reply = write(&alone.expect("valid"), Prompt::Raw("a".into()), GenerationOptions::default());
    assert_eq!(*reply.error(), GenerationError::NoVerifier);
}

/// Has both models say what a test wants to hear, with the bundled tokenizer.
fn say(text: &str, mode: Mode, stop: &[&str]) -> Record {
    let model = Arc::clone(pair::draft().model());
    let end =
        (0..model.vocabulary().size() as TokenId).find(|&id| model.vocabulary().is_end(id)).expect("an end token");
    let script = [&model.tokenize(text, Special::Plain).expect("tokens")[..], &[end]].concat();
    let prompt = model.tokenize("x", Special::ParseWithBos).expect("tokens").len();
    let vocabulary = model.vocabulary().size();
    let engine = ScriptedSequence { script, prompt, len: 0, logits: Vec::new(), vocabulary };
    let sequence = move || Box::new(engine.clone()) as Box<dyn Sequence>;
    let config = LocalConfig::of(Arc::clone(&model) as _, 4096);
    let factory = Box::new({
        let sequence = sequence.clone();
        move || Ok(sequence())
    });
    let verifier = Arc::new(LocalVerifier::new(config, factory).expect("a thread"));
    let model = DraftModel { decoder: Arc::new(Sequences(sequence)), ..DraftModel::from(model) };
    let options = SessionOptions { sampling: SamplingParams::greedy(), ..options(mode, OfflinePolicy::Fail) };
    let session = Session::new(model, Some(verifier), options).expect("valid options");
    let stop = stop.iter().map(ToString::to_string).collect();
    let options = GenerationOptions { max_tokens: 1000, stop, ..GenerationOptions::default() };
    write(&session, Prompt::Raw("x".into()), options)
}

#[derive(Clone)]
struct ScriptedSequence {
    script: Vec<TokenId>,
    prompt: usize,
    len: usize,
    logits: Vec<f32>,
    vocabulary: usize,
}

impl Sequence for ScriptedSequence {
    fn len(&self) -> usize {
        self.len
    }

    fn capacity(&self) -> usize {
        4096
    }

    fn decode(&mut self, tokens: &[TokenId], _: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.len += tokens.len();
        self.logits = vec![0.0; self.vocabulary];
        let next = self.len.checked_sub(self.prompt).and_then(|at| self.script.get(at)).or(self.script.last());
        next.into_iter().for_each(|&id| self.logits[id as usize] = 50.0);
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.len {
            self.len = len;
            self.logits.clear();
        }
        Ok(())
    }
}

const SPOKEN: &str = "caf\u{e9} \u{4e16}\u{754c}, \
                      \u{1f389}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} na\u{ef}ve \u{65e5}\u{672c}\u{8a9e} end";
const MODES: [Mode; 4] = [Mode::DeviceOnly, Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly];

#[test]
fn characters_that_are_split_over_tokens_arrive_whole() {
    for mode in MODES {
        let reply = say(SPOKEN, mode, &[]);
        assert_eq!(reply.finished().0, FinishReason::EndOfReply);
        assert_eq!(reply.text, SPOKEN, "{mode:?}");
        for event in &reply.events {
            if let Event::Committed { token, .. } | Event::Provisional(token) = event {
                assert!(!token.text.contains('\u{fffd}'), "{mode:?} {event:?}");
            }
        }
        let pieces = reply.events.iter().filter(|event| {
            matches!(event, Event::Committed { token, .. } if token.text.is_empty() && token.uncertainty.is_some())
        });
        assert!(mode == Mode::RemoteOnly || pieces.count() > 5, "nothing was split, so nothing was tested");
    }
}

#[test]
fn stop_sequences_across_tokens_end_the_text_before_them() {
    for mode in MODES {
        for (stop, text) in [
            (&["\u{754c}, \u{1f389}"][..], "caf\u{e9} \u{4e16}"),
            (&["ve \u{65e5}", "never"], SPOKEN.split("ve ").next().expect("a part")),
            (&["c"], ""),
            (&["\u{8a9e} end and more"], SPOKEN),
        ] {
            let reply = say(SPOKEN, mode, stop);
            assert_eq!(reply.text, text, "{mode:?} {stop:?}");
            let expected = if text == SPOKEN { FinishReason::EndOfReply } else { FinishReason::StopSequence };
            assert_eq!(reply.finished().0, expected);
        }
    }
}

#[test]
fn turns_of_a_chat_reuse_the_cache_and_a_system_message_holds() {
    let served = uhlm_testing::served::Served::start();
    let options = SessionOptions { threads: 1, ..options(Mode::Exact, OfflinePolicy::Fail) };
    let session = pair::draft().session(Some(served.verifier()), options).expect("valid options");
    session.set_messages(vec![Message::system("short answers")]).expect("idle");
    let ask = |text: &str| {
        let options = GenerationOptions { max_tokens: 12, ..GenerationOptions::default() };
        let reply = write(&session, Prompt::Chat(text.into()), options);
        let statistics = reply.finished().1;
        (statistics.prompt_tokens, statistics.reused_tokens, statistics.origins.total())
    };
    let questions = pair::questions("heldout");
    let first = ask(&questions[0]);
    assert_eq!(first.1, 0);
    let second = ask(&questions[1]);
    assert!(second.1 >= first.0, "the second turn keeps the first one's prompt: {first:?} {second:?}");
    let third = ask(&questions[2]);
    assert!(third.1 >= second.0, "{second:?} {third:?}");
    assert_eq!(session.messages().len(), 7);
    let decoded = served.metrics().snapshot().decoded_tokens;
    let written = third.0 + third.2;
    assert!(decoded < 2 * written + 40, "the server decoded {decoded} tokens for a conversation of {written}");
    session.reset().expect("idle");
    assert_eq!(session.messages(), [Message::system("short answers")]);
    let again = ask(&questions[0]);
    assert_eq!(again.0, first.0);
}

#[test]
fn sessions_of_one_engine_generate_at_the_same_time() {
    let served = uhlm_testing::served::Served::start();
    let engine = pair::draft();
    let question = &pair::questions("heldout")[3];
    let answer = |seed: u64| {
        let options = SessionOptions {
            threads: 1,
            seed: Some(seed),
            sampling: SamplingParams::greedy(),
            ..options(Mode::Exact, OfflinePolicy::Fail)
        };
        let session = engine.session(Some(served.verifier()), options).expect("valid options");
        let options = GenerationOptions { max_tokens: 60, ..GenerationOptions::default() };
        let reply = write(&session, Prompt::Chat(question.clone()), options);
        reply.finished();
        reply.text
    };
    let alone = answer(1);
    let together: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| {
                let answer = &answer;
                scope.spawn(move || answer(seed))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(together.iter().all(|text| *text == alone), "{alone:?} {together:?}");
}
