//! Pairs whose vocabularies differ in what no text ever has: rows without a token, and which tokens end a reply.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{Engine, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, Session, SessionOptions};
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_law::window::CloseRule;
use uhlm_llama::{LoadOptions, Model};
use uhlm_server::{EngineOptions, ServerConfig};
use uhlm_testing::faulty::{Fate, Faulty};
use uhlm_testing::padded_gguf::{self, Changes, Mark};
use uhlm_testing::pair;
use uhlm_testing::served::Served;

use crate::support::{MAX_TOKENS, Plain, options, prompts, session, temperatures, write};

/// Number of tokens of the bundled models.
const TOKENS: TokenId = 1024;
/// Number of replies that are compared at each temperature.
const REPLIES: usize = 8;
/// Tokens that end a reply of the bundled models, and one that does not.
const END: TokenId = 2;
const END_OF_TEXT: TokenId = 0;
const OTHER_MARK: TokenId = 1;

/// Models made for a test, in a folder that goes with it.
struct Made(TempDir);

impl Made {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Writes a bundled model with changes; returns its path.
    fn file(&self, name: &str, changes: &Changes) -> PathBuf {
        let path = self.0.path().join(name);
        padded_gguf::write(&pair::file(name), &path, changes).expect("a bundled model");
        path
    }

    fn draft(&self, changes: &Changes) -> Engine {
        Engine::load(self.file("demo-draft.gguf", changes), &LoadOptions::default()).expect("a model that loads")
    }
}

fn load(path: &Path) -> Arc<Model> {
    Model::load(path, &LoadOptions::default()).expect("a model that loads")
}

/// Starts a server with this target, one row per pass.
fn served(model: PathBuf) -> Served {
    let engine = EngineOptions { threads: 1, micro_batch: 1, ..EngineOptions::default() };
    Served::start_with(|config| ServerConfig { engine, model, ..config })
}

fn on(draft: &Engine, served: &Served, options: SessionOptions) -> Session {
    draft.session(Some(served.verifier()), options).expect("a session")
}

/// Returns the tokens of " the", of a full stop and of the end, which are written often.
fn loud() -> Vec<TokenId> {
    let token = |text: &str| {
        let ids = pair::target().tokenize(text, Special::Plain).expect("tokens");
        assert_eq!(ids.len(), 1, "{text}");
        ids[0]
    };
    vec![token(" the"), token("."), END]
}

/// Asserts that every reply of these sessions is the one that `plain` writes.
fn assert_writes(plain: &mut Plain, sessions: &[Session], sampling: &SamplingParams) {
    let mut compared = 0;
    for (i, prompt) in prompts().iter().take(REPLIES).enumerate() {
        let expected = plain.write(prompt, i as u64);
        for session in sessions {
            let written = write(session, prompt, i as u64);
            assert_eq!(written, expected, "reply {i} at temperature {}", sampling.temperature);
        }
        compared += expected.len();
    }
    assert!(compared > 100, "{compared} tokens");
}

#[test]
fn a_target_with_rows_without_a_token_writes_its_text_with_a_draft_model_that_has_none() {
    let made = Made::new();
    let target = made.file("demo-target.gguf", &Changes { after: loud(), ..Changes::default() });
    let served = served(target);
    for sampling in temperatures() {
        let sessions =
            [Mode::Exact, Mode::RemoteOnly].map(|mode| session(served.verifier(), options(mode, &sampling, 1)));
        // The plain loop runs the bundled target, which has no such rows.
        assert_writes(&mut Plain::new(&sampling), &sessions, &sampling);
    }
}

#[test]
fn a_draft_model_with_rows_without_a_token_drafts_for_a_target_that_has_none_and_never_drafts_them() {
    let made = Made::new();
    let served = served(pair::file("demo-target.gguf"));
    for mark in [Mark::Unused, Mark::UserDefined] {
        let draft = made.draft(&Changes { mark, after: loud(), ..Changes::default() });
        assert_eq!((draft.model().tokens(), draft.model().vocabulary_rows()), (TOKENS as usize, TOKENS as usize + 3));
        for sampling in temperatures() {
            let session = on(&draft, &served, options(Mode::Exact, &sampling, 1));
            assert_writes(&mut Plain::new(&sampling), &[session], &sampling);
        }
    }
}

#[test]
fn rows_without_a_token_would_be_written_if_they_were_not_left_out() {
    let made = Made::new();
    let changes = Changes { mark: Mark::Normal, after: loud(), ..Changes::default() };
    let mut plain = Plain::of(load(&made.file("demo-target.gguf", &changes)), &SamplingParams::greedy());
    let written: Vec<_> = prompts().iter().take(REPLIES).flat_map(|prompt| plain.write(prompt, 0)).collect();
    assert!(written.iter().any(|&id| id >= TOKENS), "{written:?}");
}

#[test]
fn holes_between_tokens_are_never_written_and_another_vocabulary_is_bridged() {
    let made = Made::new();
    let holes: Vec<_> = [1000, 1010].into_iter().zip(loud()).collect();
    let changes = Changes { holes, ..Changes::default() };
    let (draft, target) = (made.draft(&changes), made.file("demo-target.gguf", &changes));
    assert_eq!(draft.model().tokens(), TOKENS as usize - 2);
    let served = served(target.clone());
    for sampling in temperatures() {
        let sessions = [Mode::Exact, Mode::RemoteOnly, Mode::DeviceOnly]
            .map(|mode| on(&draft, &served, options(mode, &sampling, 1)));
        let mut plain = Plain::of(load(&target), &sampling);
        assert_writes(&mut plain, &sessions[..2], &sampling);
        for prompt in prompts().iter().take(REPLIES) {
            let written = write(&sessions[2], prompt, 1);
            assert!(!written.contains(&1000) && !written.contains(&1010), "{written:?}");
        }
    }
    // A draft model without the holes has other tokens, and proposes across a bridge.
    let other = session(served.verifier(), options(Mode::Exact, &SamplingParams::greedy(), 1));
    assert_writes(&mut Plain::of(load(&target), &SamplingParams::greedy()), &[other], &SamplingParams::greedy());
}

#[test]
fn the_name_of_a_row_without_a_token_is_text_to_the_tokenizer() {
    let made = Made::new();
    let text = "a [PAD1024] and a [PAD1025]";
    for mark in [Mark::Unused, Mark::UserDefined] {
        let draft = made.draft(&Changes { mark, after: vec![END, END], ..Changes::default() });
        for special in [Special::Plain, Special::Parse] {
            let ids = draft.model().tokenize(text, special).expect("tokens");
            assert!(ids.iter().all(|&id| id < TOKENS), "{ids:?}");
            assert_eq!(draft.model().detokenize(&ids), text.as_bytes());
        }
    }
}

/// Makes a draft model whose replies end with another mark, and a target whose replies end as they did.
fn ends_apart(made: &Made) -> (Engine, PathBuf) {
    let draft = made.draft(&Changes { end: Some(OTHER_MARK), rename_end: true, ..Changes::default() });
    let target = made.file("demo-target.gguf", &Changes { rename_end: true, ..Changes::default() });
    assert_eq!(draft.model().vocabulary().ends(), [OTHER_MARK, END_OF_TEXT]);
    assert_eq!(load(&target).vocabulary().ends(), [END, END_OF_TEXT]);
    (draft, target)
}

#[test]
fn replies_end_where_the_target_ends_them_whatever_ends_those_of_the_draft_model() {
    let made = Made::new();
    let (draft, target) = ends_apart(&made);
    let served = served(target);
    for sampling in temperatures() {
        let sessions = [Mode::Exact, Mode::RemoteOnly].map(|mode| on(&draft, &served, options(mode, &sampling, 1)));
        assert_writes(&mut Plain::new(&sampling), &sessions, &sampling);
    }
    // The draft model draws with the target's keys, so it is as often right as one with the same ends.
    let rejected = |draft: &Engine| {
        let options = options(Mode::Exact, &SamplingParams::default(), 1);
        let session = on(draft, &served, SessionOptions { close: CloseRule::Fixed(4), ..options });
        let options = GenerationOptions { max_tokens: MAX_TOKENS, seed: Some(3), ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompts()[0].clone()), options).expect("idle");
        generation.blocking_finish().expect("no failure").1.rejected
    };
    let same_ends = made.draft(&Changes { rename_end: true, ..Changes::default() });
    assert_eq!(rejected(&draft), rejected(&same_ends));
}

#[test]
fn text_that_nobody_verified_ends_on_an_end_of_either_model() {
    let made = Made::new();
    let (draft, target) = ends_apart(&made);
    let served = served(target);
    let config = HttpConfig::new(served.url()).with_trust(served.trust());
    let verifier = Faulty::new(HttpVerifier::new(config).expect("a client"));
    let options = options(Mode::Exact, &SamplingParams::greedy(), 1);
    // Attempts to reach the verifier again follow each other closely, so that the test is short.
    let (back_off, max_back_off) = (Duration::from_millis(5), Duration::from_millis(10));
    let link = LinkConfig { back_off, max_back_off, ..options.link };
    let options = SessionOptions { offline: OfflinePolicy::GoOn, link, ..options };
    let session = draft.session(Some(Arc::clone(&verifier) as _), options).expect("a session");
    let reply = |session: &Session| {
        session.reset().expect("idle");
        let limits = GenerationOptions { max_tokens: MAX_TOKENS, seed: Some(1), ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompts()[1].clone()), limits).expect("idle");
        generation.blocking_finish().expect("the device goes on").1.origins
    };
    assert_eq!(reply(&session).unverified, 0);
    verifier.set(|_| Fate::Fail(VerifierError::Unreachable { reason: "no route".into() }));
    // Alone, the draft model writes the end that it was trained to write, which is the target's and not its own.
    let alone = reply(&session);
    assert!(alone.unverified > 0 && alone.total() < MAX_TOKENS as u64, "{alone:?}");
    // A session that has never heard of the target does not know it.
    let options =
        SessionOptions { mode: Mode::DeviceOnly, sampling: SamplingParams::greedy(), ..SessionOptions::default() };
    let own = draft.session(None, options).expect("a session");
    let own = reply(&own).total();
    assert!(own > alone.total(), "{own}");
}
