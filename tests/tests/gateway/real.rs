//! Real engines, by hand: `docs/engines.md` has the commands and what they gave.
//!
//! The reference asks the engine itself for whole rows, one place a request, and draws from each by the canonical
//! chain. So what is compared is everything that the gateway adds: windows, parts of rows, certainty, repeats.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use uhlm_core::{Engine, Mode};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::{Lexicon, LoadOptions};
use uhlm_net::TrustPolicy;
use uhlm_server::upstream::{EngineAddress, UpstreamOptions};
use uhlm_testing::replies::wanted_temperatures;
use uhlm_testing::{pair, patient};
use uhlm_upstream::{Ask, Settings, TokenSet, Upstream, UpstreamError};

use crate::support::{MAX_TOKENS, gateway_with, prompts, write};

fn named(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The engine alone: whole rows, and the chain.
struct Whole {
    runtime: tokio::runtime::Runtime,
    upstream: Upstream,
    lexicon: Arc<Lexicon>,
    session: u64,
}

impl Whole {
    fn new(address: EngineAddress, lexicon: Arc<Lexicon>) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let all = lexicon.vocabulary().size() + 512;
        let settings = Settings {
            engines: vec![address],
            key: None,
            trust: TrustPolicy::default(),
            probes: Vec::new(),
            top: all,
            batch_invariant: false,
        };
        let tokens = TokenSet::new(lexicon.vocabulary().size(), |id| lexicon.is_token(id));
        let upstream = runtime.block_on(Upstream::start(settings, tokens)).expect("an engine");
        Self { runtime, upstream, lexicon, session: 0 }
    }

    fn write(&mut self, prompt: &[TokenId], sampling: &SamplingParams, seed: u64) -> Vec<TokenId> {
        let chain = SamplingChain::new(sampling.clone()).expect("valid");
        let (mut text, mut place, mut scratch) = (prompt.to_vec(), Place::START, Scratch::default());
        let vocabulary = self.lexicon.vocabulary();
        while text.len() < prompt.len() + MAX_TOKENS {
            let ask = Ask {
                tokens: text.clone().into(),
                rows: text.len()..text.len() + 1,
                top: self.upstream.abilities().top,
                named: Vec::new(),
                session: self.session,
                salt: "reference".into(),
                is_warm: true,
            };
            let rows = match self.runtime.block_on(self.upstream.rows(&ask)) {
                // The engine has said how many it lists at most: from now on it is asked for no more.
                Err(UpstreamError::TopLimit { .. }) => continue,
                rows => rows.expect("a row"),
            };
            assert!(rows[0].is_whole(), "the engine lists {} tokens", rows[0].listed().len());
            let mut logits = vec![f32::NEG_INFINITY; vocabulary.size()];
            rows[0].listed().iter().for_each(|(id, value)| logits[*id as usize] = *value);
            let input = ChainInput { logits: &logits, history: &text, mask: None };
            let position = Tape::new(seed, 0).at(place);
            let winner = chain.winner(input, &mut scratch, self.lexicon.token_keys(), position).expect("finite").id;
            text.push(winner);
            if vocabulary.is_end(winner) {
                break;
            }
            place = place.after(vocabulary.piece(winner).len());
        }
        text.split_off(prompt.len())
    }
}

/// `UHLM_REAL_KIND` and `UHLM_REAL_URL` name the engine, `UHLM_REAL_VOCABULARY` a GGUF file of its model (the bundled
/// target's), `UHLM_REAL_DRAFT` a draft model of the same vocabulary (the bundled one), `UHLM_REAL_TOKENS` the tokens
/// at each way of sampling (2000), `UHLM_EQUAL_TEMPERATURE` one of the three ways.
#[test]
#[ignore = "asks a real engine, which the environment names"]
fn through_a_real_engine_the_text_is_what_its_whole_rows_give() {
    let kind = named("UHLM_REAL_KIND").expect("UHLM_REAL_KIND").parse().expect("a kind of engine");
    let address = EngineAddress::new(kind, &named("UHLM_REAL_URL").expect("UHLM_REAL_URL")).expect("a URL");
    let vocabulary = named("UHLM_REAL_VOCABULARY").map_or_else(|| pair::file("demo-target.gguf"), PathBuf::from);
    let wanted: usize = named("UHLM_REAL_TOKENS").map_or(2000, |text| text.parse().expect("a number"));
    let lexicon = Arc::new(Lexicon::load(&vocabulary).expect("a vocabulary"));
    let load = |path: String| Engine::load(path, &LoadOptions::default()).expect("the draft model that is named");
    let draft = named("UHLM_REAL_DRAFT").map_or_else(pair::draft, load);
    let served = gateway_with(UpstreamOptions::new(vec![address.clone()], vocabulary));
    let mut whole = Whole::new(address, lexicon);
    for sampling in wanted_temperatures() {
        let options = patient::options(Mode::Exact, sampling.clone(), 1);
        let session = draft.session(Some(served.verifier()), options).expect("a session");
        let (mut compared, mut passed) = (0, 0.0);
        for (i, prompt) in prompts().iter().cycle().enumerate() {
            if compared >= wanted {
                break;
            }
            let began = Instant::now();
            let found = write(&session, prompt, i as u64).expect("no failure");
            passed += began.elapsed().as_secs_f64();
            let ids = draft.model().prompt(&[Message::user(prompt.as_str())]).expect("a template");
            let expected = whole.write(&ids, &sampling, i as u64);
            assert_eq!(found, expected, "reply {i} at temperature {}", sampling.temperature);
            compared += expected.len();
        }
        let pace = compared as f64 / passed;
        println!("{kind}, temperature {}: {compared} tokens equal, {pace:.1} tokens/s", sampling.temperature);
    }
}
