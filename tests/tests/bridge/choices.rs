//! What two choices of the bridge are worth: noise by a token's text, and the draft model's own chat template. The
//! share of judged tokens that stood with each and without, printed; `docs/bridge.md` quotes it.
//!
//! `UHLM_EQUAL_DRAFT`, `UHLM_EQUAL_TARGET` and `UHLM_CHOICE_TOKENS` name another pair and more tokens.

use std::path::Path;
use std::sync::Arc;

use uhlm_core::{CloseRule, DraftModel, LoadOptions, Mode, Session, SessionOptions, Statistics};
use uhlm_law::digest::Digest;
use uhlm_law::model::{LanguageModel, ModelError, Special, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_law::token::TokenKind;
use uhlm_llama::Model;
use uhlm_server::ServerConfig;
use uhlm_testing::served::Served;

use crate::equality::file;
use crate::support::{number, options, prompts, wanted_temperatures, write};

/// Number of tokens that are written at each temperature in each way, unless the environment says another.
const TOKENS: usize = 600;

/// A language whose tokens have keys that no other vocabulary has: its noise is its own.
struct Apart {
    language: Arc<dyn LanguageModel>,
    keys: TokenKeys,
}

impl Apart {
    fn new(language: &Arc<dyn LanguageModel>) -> Arc<Self> {
        let ids = 0..language.vocabulary().size() as TokenId;
        let names: Vec<String> = ids.map(|id| format!("{id} apart")).collect();
        let named = names.iter().map(|name| (name.as_bytes(), TokenKind::Normal));
        let keys = TokenKeys::new(named).expect("no name twice");
        Arc::new(Self { language: Arc::clone(language), keys })
    }
}

impl LanguageModel for Apart {
    fn vocabulary(&self) -> &dyn Vocabulary {
        self.language.vocabulary()
    }

    fn token_keys(&self) -> &TokenKeys {
        &self.keys
    }

    fn vocabulary_hash(&self) -> Digest {
        self.language.vocabulary_hash()
    }

    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError> {
        self.language.tokenize(text, special)
    }

    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8> {
        self.language.detokenize(tokens)
    }
}

/// Writes replies in a way, and returns the share of judged tokens that stood.
fn stood(draft: DraftModel, served: &Served, sampling: &SamplingParams) -> (f64, u64) {
    // Windows that the machine's load does not change.
    let options = SessionOptions { close: CloseRule::Fixed(4), ..options(Mode::Exact, sampling) };
    let session = Session::new(draft, Some(served.verifier()), options).expect("a session");
    let (mut written, mut all) = (0, Statistics::default());
    for (i, prompt) in prompts().iter().cycle().enumerate() {
        if written >= number("UHLM_CHOICE_TOKENS", TOKENS) {
            break;
        }
        let (reply, statistics) = write(&session, prompt, i as u64);
        assert!(statistics.bridged);
        written += reply.len();
        all.add(&statistics);
    }
    (1.0 - all.rejected as f64 / all.judged.max(1) as f64, all.judged)
}

fn load(path: &Path) -> Arc<Model> {
    Model::load(path, &LoadOptions::default()).expect("a model that loads")
}

#[test]
fn noise_by_text_makes_more_of_a_draft_stand_than_noise_of_its_own() {
    let (draft, target) = (file("UHLM_EQUAL_DRAFT", "demo-draft.gguf"), file("UHLM_EQUAL_TARGET", "prose-target.gguf"));
    let served = Served::start_with(|config| ServerConfig { model: target.clone(), ..config });
    let own = DraftModel::from(load(&draft));
    let apart = DraftModel { language: Apart::new(&own.language), ..own.clone() };
    let target_template = DraftModel { template: load(&target), ..own.clone() };
    for sampling in wanted_temperatures() {
        let temperature = sampling.temperature;
        let [shared, alone, other] =
            [&own, &apart, &target_template].map(|draft| stood(draft.clone(), &served, &sampling));
        println!(
            "temperature {temperature}: {:.3} of {} judged stood; {:.3} of {} with noise of its own, {:.3} of {} in \
             the target's template",
            shared.0, shared.1, alone.0, alone.1, other.0, other.1
        );
        if temperature > 0.0 {
            assert!(shared.0 > alone.0 + 0.02, "{} and {}", shared.0, alone.0);
        }
    }
}
