//! The law of `exact` over the full path: device, HTTPS, server, real models.
//!
//! Each chi-square test judges at least 20,000 drafted tokens with at least 2,000 rejections. Given the prefix, every
//! committed token is a draw from the target's distribution there; tokens are grouped by the rank of the token in that
//! distribution, in bins of the most probable token's probability. The laws within a bin differ, which only makes the
//! statistic smaller than chi-square, so a right sampler fails a test with probability at most 1e-6.

#![allow(clippy::print_stdout, reason = "the figures of a statistical test are worth reading")]

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::event::Event;
use uhlm_core::link::LinkConfig;
use uhlm_core::metrics::Statistics;
use uhlm_core::mode::Mode;
use uhlm_core::options::{DraftAhead, GenerationOptions, OfflinePolicy, Prompt, SessionOptions};
use uhlm_core::origin::Origin;
use uhlm_core::privacy::Consent;
use uhlm_core::verifier::{Answer, Call, ContinueReply, Reply, Verifier, VerifierError};
use uhlm_law::chat::{DraftModel, Message, Special};
use uhlm_law::model::Sequence as _;
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, Info, OpenRequest, OpenResponse, VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_law::speculative::Outcome;
use uhlm_llama::ContextOptions;
use uhlm_testing::goodness::{Fit, Goodness};
use uhlm_testing::pair;
use uhlm_testing::served::Served;

const JUDGED: u64 = 20_000;
const REJECTED: u64 = 2_000;
const FALSE_ALARM: f64 = 1e-6;
const RANKS: usize = 12;

/// The target alone, as the reference: distributions after a prefix, one decode a token.
struct Reference {
    sequence: uhlm_llama::LlamaSequence,
    chain: SamplingChain,
    scratch: Scratch,
    history: Vec<TokenId>,
}

impl Reference {
    fn new(sampling: SamplingParams) -> Self {
        let sequence = pair::target()
            .new_sequence(&ContextOptions { threads: 1, ..ContextOptions::default() })
            .expect("a context");
        Self {
            sequence,
            chain: SamplingChain::new(sampling).expect("valid"),
            scratch: Scratch::default(),
            history: Vec::new(),
        }
    }

    fn start(&mut self, prompt: &[TokenId]) {
        self.sequence.truncate(0).expect("rolls back");
        self.history.clear();
        self.feed(prompt);
    }

    fn feed(&mut self, tokens: &[TokenId]) {
        self.sequence.decode(tokens, &|| false).expect("fits");
        self.history.extend_from_slice(tokens);
    }

    fn law(&mut self) -> Distribution {
        let input = ChainInput { logits: self.sequence.logits(), history: &self.history, mask: None };
        self.chain.distribution(input, &mut self.scratch).expect("finite logits")
    }
}

/// A distribution over ranks, so that positions with different candidates can be compared: the cell of a token is its
/// rank, the context the bin of the largest probability.
fn by_rank(law: &Distribution, token: TokenId) -> (u64, TokenId, Distribution) {
    let mut entries: Vec<_> = law.iter().collect();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let rank = entries.iter().position(|e| e.0 == token).unwrap_or(RANKS).min(RANKS);
    let ranked = entries.iter().enumerate().map(|(i, e)| (i.min(RANKS) as TokenId, f64::from(e.1)));
    let mut sums = [0.0; RANKS + 1];
    ranked.for_each(|(rank, p)| sums[rank as usize] += p);
    let law = Distribution::from_weights(sums.iter().enumerate().map(|(i, &p)| (i as TokenId, p))).expect("mass");
    ((f64::from(entries[0].1) * 20.0) as u64, rank as TokenId, law)
}

fn generate(
    verifier: Arc<dyn Verifier>,
    options: SessionOptions,
    is_enough: impl Fn(&Statistics) -> bool,
) -> (Fit, Statistics) {
    let sampling = options.sampling.clone();
    let mut reference = Reference::new(sampling);
    let (mut fit, mut total) = (Goodness::default(), Statistics::default());
    let engine = pair::draft();
    let session = engine.session(Some(verifier), options).expect("a session");
    // Free text: where the target itself has a choice, the draft model is rejected most.
    let prompts = pair::questions("prompts_free");
    for prompt in prompts.iter().cycle() {
        if is_enough(&total) {
            break;
        }
        session.reset().expect("idle");
        let rendered = engine.model().render(&[Message::user(prompt.clone())], true).expect("a template");
        reference.start(&engine.model().tokenize(&rendered, Special::ParseWithBos));
        let options = GenerationOptions { max_tokens: 160, ..GenerationOptions::default() };
        let mut generation = session.generate(Prompt::Chat(prompt.clone()), options).expect("idle");
        while let Some(event) = generation.blocking_next() {
            match event.expect("no failure") {
                Event::Committed { token, origin } => {
                    assert_ne!(origin, Origin::Unverified);
                    let (context, rank, law) = by_rank(&reference.law(), token.id);
                    fit.observe(context, rank, &law);
                    reference.feed(&[token.id]);
                }
                Event::Finished { statistics, .. } => {
                    total.add(&statistics);
                    break;
                }
                _ => {}
            }
        }
    }
    (fit.fit(), total)
}

/// A machine under load answers late; that is no matter of the law.
fn exact(sampling: SamplingParams, draft_ahead: DraftAhead) -> SessionOptions {
    let link = LinkConfig {
        min_deadline: Duration::from_secs(60),
        max_deadline: Duration::from_secs(60),
        ..LinkConfig::default()
    };
    SessionOptions {
        mode: Mode::Exact,
        sampling,
        draft_ahead,
        offline: OfflinePolicy::Fail,
        link,
        threads: 1,
        seed: Some(11),
        consent: Consent::Conversation,
        ..SessionOptions::default()
    }
}

fn assert_exact(sampling: SamplingParams, draft_ahead: DraftAhead) {
    let served = Served::start();
    let (fit, total) = generate(served.verifier(), exact(sampling, draft_ahead), |total| {
        total.judged >= JUDGED && total.rejected >= REJECTED
    });
    println!(
        "{fit:?}, judged {}, rejected {}, passes per token {:.3}",
        total.judged,
        total.rejected,
        total.target_passes_per_token()
    );
    assert!(total.judged >= JUDGED && total.rejected >= REJECTED);
    assert!(fit.p_value > FALSE_ALARM, "{fit:?}");
}

fn truncating() -> SamplingParams {
    SamplingParams { temperature: 0.7, top_k: 40, top_p: 0.95, ..SamplingParams::default() }
}

#[test]
fn at_temperature_1_without_draft_ahead() {
    assert_exact(SamplingParams::default(), DraftAhead::Off);
}

#[test]
fn at_temperature_1_with_draft_ahead() {
    assert_exact(SamplingParams::default(), DraftAhead::WhileWaiting);
}

#[test]
fn at_temperature_1_with_windows_in_flight() {
    assert_exact(SamplingParams::default(), DraftAhead::Pipelined(2));
}

#[test]
fn at_temperature_07_with_top_k_and_top_p_without_draft_ahead() {
    assert_exact(truncating(), DraftAhead::Off);
}

#[test]
fn at_temperature_07_with_top_k_and_top_p_with_draft_ahead() {
    assert_exact(truncating(), DraftAhead::WhileWaiting);
}

/// A verifier that is told smaller acceptance levels than were drawn, `w = U q / 10`, and hides it in the probabilities
/// that it reports: the rule broken on purpose.
struct Lenient(Arc<dyn Verifier>);

impl Verifier for Lenient {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.0.info(deadline, reply)
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        self.0.open(request, deadline, reply)
    }

    fn verify(
        &self,
        session: &str,
        mut request: VerifyRequest,
        deadline: Duration,
        reply: Reply<VerifyResponse>,
    ) -> Call {
        let levels = request.levels.clone();
        request.levels.iter_mut().for_each(|w| *w *= 0.1);
        let hiding = move |result: Result<Answer<VerifyResponse>, VerifierError>| {
            reply(result.map(|mut answer| {
                let rejected = matches!(answer.value.outcome, Outcome::Rejected { .. });
                let accepted = answer.value.probs.len() - usize::from(rejected);
                answer.value.probs[..accepted].iter_mut().zip(levels).for_each(|(p, w)| *p = p.max(w));
                answer
            }));
        };
        self.0.verify(session, request, deadline, Box::new(hiding))
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        self.0.draws(session, request, deadline, reply)
    }

    fn continuation(&self, session: &str, request: ContinueRequest, deadline: Duration, reply: ContinueReply) -> Call {
        self.0.continuation(session, request, deadline, reply)
    }

    fn close(&self, session: &str) {
        self.0.close(session);
    }
}

#[test]
fn the_same_test_fails_when_the_acceptance_rule_is_broken_on_purpose() {
    let served = Served::start();
    let options = exact(SamplingParams::default(), DraftAhead::WhileWaiting);
    let (fit, total) = generate(Arc::new(Lenient(served.verifier())), options, |total| total.judged >= 2 * JUDGED);
    println!("broken: {fit:?}, judged {}, rejected {}", total.judged, total.rejected);
    assert!(fit.p_value < FALSE_ALARM, "{fit:?}");
}

#[test]
fn greedy_exact_output_equals_the_targets_greedy_output_token_by_token_on_200_prompts() {
    let served = Served::start();
    let engine = pair::draft();
    let options = SessionOptions {
        mode: Mode::Exact,
        sampling: SamplingParams::greedy(),
        threads: 1,
        consent: Consent::Conversation,
        ..SessionOptions::default()
    };
    let session = engine.session(Some(served.verifier()), options).expect("a session");
    let mut reference = Reference::new(SamplingParams::greedy());
    let mut tokens = 0;
    for question in pair::questions("heldout").iter().take(200) {
        session.reset().expect("idle");
        let rendered = engine.model().render(&[Message::user(question.clone())], true).expect("a template");
        reference.start(&engine.model().tokenize(&rendered, Special::ParseWithBos));
        let options = GenerationOptions { max_tokens: 120, ..GenerationOptions::default() };
        let mut generation = session.generate(Prompt::Chat(question.clone()), options).expect("idle");
        while let Some(event) = generation.blocking_next() {
            if let Event::Committed { token, .. } = event.expect("no failure") {
                assert_eq!(token.id, reference.law().mode().0, "token {tokens}, after {:?}", token.text);
                reference.feed(&[token.id]);
                tokens += 1;
            }
        }
    }
    println!("{tokens} tokens equal");
    assert!(tokens > 200 * 5);
}
