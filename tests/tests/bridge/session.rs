//! Sessions that meet a target with another vocabulary.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    Event, GenerationError, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, Role, Session, SessionOptions,
};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::sampling::SamplingParams;
use uhlm_llama::Language;
use uhlm_testing::faulty::{Fate, Faulty, Kind};
use uhlm_testing::pair;

use crate::support::{engine, open, options, prompts, served, write};

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_vocabulary_is_fetched_once_and_kept_under_its_hash() {
    let (folder, draft) = (tempfile::tempdir().expect("a folder"), engine(&pair::file("demo-draft.gguf")));
    let served = served(&pair::file("prose-target.gguf"), true);
    let options = SessionOptions {
        vocabulary_folder: Some(folder.path().to_path_buf()),
        ..options(Mode::Exact, &SamplingParams::greedy())
    };
    for _ in 0..2 {
        let session = open(&draft, served.verifier(), options.clone());
        assert!(write(&session, &prompts()[0], 1).1.bridged);
        assert!(write(&session, &prompts()[1], 2).1.bridged);
    }
    let text = String::from_utf8(served.metrics().render()).expect("text");
    let asked = text.lines().find(|line| line.contains("\"vocabulary\""));
    assert!(asked.is_some_and(|line| line.ends_with(" 1")), "{asked:?}");
    let [name] = &names(&folder)[..] else { panic!("one file: {:?}", names(&folder)) };
    assert!(name.starts_with("vocabulary-") && name.ends_with(".gguf"), "{name}");
    let kept = Language::load(&folder.path().join(name)).expect("a vocabulary");
    let target = Language::load(&pair::file("prose-target.gguf")).expect("a bundled model");
    assert_eq!(kept.vocabulary_hash(), target.vocabulary_hash());
}

#[test]
fn without_a_file_another_vocabulary_is_refused_before_the_first_token() {
    let served = served(&pair::file("prose-target.gguf"), false);
    let draft = engine(&pair::file("demo-draft.gguf"));
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let session = open(&draft, served.verifier(), options(mode, &SamplingParams::greedy()));
        let generation = session.generate(Prompt::Chat("Hello".into()), GenerationOptions::default()).expect("idle");
        let outcome = generation.blocking_finish();
        let Err(GenerationError::VocabularyMismatch { reason }) = &outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("offers no file"), "{reason}");
    }
}

#[test]
fn a_conversation_of_several_turns_keeps_its_caches_and_its_text() {
    let served = served(&pair::file("prose-target.gguf"), true);
    let draft = engine(&pair::file("demo-draft.gguf"));
    let session = open(&draft, served.verifier(), options(Mode::Exact, &SamplingParams::greedy()));
    for (turn, prompt) in prompts().iter().take(3).enumerate() {
        let options = GenerationOptions { max_tokens: 40, seed: Some(turn as u64), ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompt.clone()), options).expect("idle");
        let statistics = generation.blocking_finish().expect("no failure").1;
        assert!(statistics.bridged);
        assert!(turn == 0 || statistics.reused_tokens > 0, "{statistics:?}");
    }
    let roles: Vec<_> = session.messages().iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant].repeat(3));
    // What was sent is recorded in words of the target's vocabulary.
    assert!(session.context_use().tokens > 0);
}

#[test]
fn out_of_reach_the_draft_model_goes_on_in_the_targets_tokens_and_comes_back() {
    let served = served(&pair::file("prose-target.gguf"), true);
    let draft = engine(&pair::file("demo-draft.gguf"));
    let config = HttpConfig::new(served.url()).with_trust(served.trust());
    let verifier = Faulty::new(HttpVerifier::new(config).expect("a client"));
    let options = SessionOptions { offline: OfflinePolicy::GoOn, ..options(Mode::Exact, &SamplingParams::default()) };
    let session = open(&draft, Arc::clone(&verifier) as _, options);
    assert!(write(&session, &prompts()[0], 1).1.bridged);
    verifier.set(|_| Fate::Fail(VerifierError::Unreachable { reason: "no route".into() }));
    let limits = GenerationOptions { max_tokens: 30, seed: Some(2), ..GenerationOptions::default() };
    let generation = session.generate(Prompt::Chat(prompts()[1].clone()), limits).expect("idle");
    let (_, statistics) = generation.blocking_finish().expect("the device goes on");
    assert!(statistics.bridged && statistics.origins.unverified > 0, "{statistics:?}");
    verifier.set(|_| Fate::Pass);
    comes_back(&session);
}

/// Waits until a reply of the session is the target's own, across a bridge.
fn comes_back(session: &Session) {
    for seed in 0..50 {
        session.on_network_change();
        let limits = GenerationOptions { max_tokens: 30, seed: Some(seed), ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompts()[2].clone()), limits).expect("idle");
        let (_, statistics) = generation.blocking_finish().expect("no failure");
        if statistics.bridged && statistics.origins.unverified == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the verifier answers again, and nobody asks it");
}

#[test]
fn a_reply_that_the_device_began_alone_stays_in_its_tokens_and_the_next_one_is_bridged() {
    let served = served(&pair::file("prose-target.gguf"), true);
    let draft = engine(&pair::file("demo-draft.gguf"));
    let config = HttpConfig::new(served.url()).with_trust(served.trust());
    let verifier = Faulty::new(HttpVerifier::new(config).expect("a client"));
    // By then the device has written a few tokens.
    verifier.set(|seen| match (seen.kind, seen.index) {
        (Kind::Open, 0..6) => Fate::Fail(VerifierError::Unreachable { reason: "no route".into() }),
        _ => Fate::Pass,
    });
    let options = options(Mode::Exact, &SamplingParams::default());
    // Attempts follow each other closely, so that one comes while the reply is written.
    let (back_off, max_back_off) = (Duration::from_millis(2), Duration::from_millis(2));
    let link = LinkConfig { back_off, max_back_off, ..options.link };
    let session =
        open(&draft, Arc::clone(&verifier) as _, SessionOptions { offline: OfflinePolicy::GoOn, link, ..options });
    let reply = |seed| {
        let limits = GenerationOptions { max_tokens: 200, seed: Some(seed), ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompts()[0].clone()), limits).expect("idle");
        generation.blocking_finish().expect("no failure").1
    };
    let alone = reply(1);
    assert!(!alone.bridged && alone.origins.unverified == alone.origins.total(), "{alone:?}");
    comes_back(&session);
}

#[test]
fn what_is_shown_before_it_stands_is_the_text_that_comes_or_is_taken_back() {
    let served = served(&pair::file("prose-target.gguf"), true);
    let draft = engine(&pair::file("demo-draft.gguf"));
    let session = open(&draft, served.verifier(), options(Mode::Exact, &SamplingParams::default()));
    for (i, prompt) in prompts().iter().take(6).enumerate() {
        session.reset().expect("idle");
        let limits = GenerationOptions { max_tokens: 60, seed: Some(i as u64), ..GenerationOptions::default() };
        let mut generation = session.generate(Prompt::Chat(prompt.clone()), limits).expect("idle");
        let (mut stood, mut shown) = (String::new(), String::new());
        while let Some(event) = generation.blocking_next() {
            match event.expect("no failure") {
                Event::Provisional(token) => shown.push_str(&token.text),
                Event::Committed { token, .. } => {
                    stood.push_str(&token.text);
                    // What the target says instead comes after the rollback of what was shown.
                    if !shown.is_empty() {
                        let rest = shown.strip_prefix(&token.text);
                        shown = rest.unwrap_or_else(|| panic!("{:?} stands, {shown:?} was shown", token.text)).into();
                    }
                }
                Event::Rollback { .. } => shown.clear(),
                Event::Finished { text, .. } => assert_eq!(text, stood),
                _ => {}
            }
        }
        assert!(shown.is_empty(), "{shown:?} was never taken back");
    }
}
