//! Reading ahead changes no token: a session that drafts what repeats the conversation in batches writes what one
//! without writes, in every mode, where texts repeat and where they do not.
//!
//! The model is synthetic, so its logits do not depend on the batch, and time is counted in its passes: a batch takes
//! as long as one token, so as much is read ahead as there is any hope for, and much of it in vain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use uhlm_core::clock::Clock;
use uhlm_core::{
    Consent, ContextSize, DraftAhead, Event, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, Session,
    SessionOptions, Statistics,
};
use uhlm_eval::paced::paced;
use uhlm_law::gate::Goal;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_law::window::CloseRule;
use uhlm_testing::synthetic::SyntheticModel;

/// Number of replies of each session.
const REPLIES: u64 = 40;
/// Largest number of tokens of a reply.
const MAX_TOKENS: usize = 150;

/// A clock that only the draft model's passes move, a millisecond each.
struct Passes {
    origin: Instant,
    count: AtomicU64,
}

impl Clock for Passes {
    fn now(&self) -> Instant {
        self.origin + Duration::from_millis(self.count.load(Ordering::Acquire))
    }

    fn idle(&self, patience: Duration) -> Duration {
        patience
    }
}

/// A token with the draft model's uncertainty about it.
type Written = (TokenId, Option<f32>);

fn model() -> SyntheticModel {
    SyntheticModel { end_bias: -4.0, capacity: 4096, ..SyntheticModel::draft() }
}

/// Makes a session on a clock of passes; returns both.
fn session(options: SessionOptions) -> (Session, Arc<Passes>) {
    let clock = Arc::new(Passes { origin: Instant::now(), count: AtomicU64::new(0) });
    let counted = Arc::clone(&clock);
    let draft = paced(Arc::new(model()), move |_, pass| {
        counted.count.fetch_add(1, Ordering::AcqRel);
        pass()
    });
    let target = SyntheticModel { end_bias: -4.0, capacity: 4096, ..SyntheticModel::target() };
    let verifier = target.verifier(|config| config);
    // However slow this machine is, nothing is written unverified.
    let patience = Duration::from_secs(120);
    let link = LinkConfig { min_deadline: patience, max_deadline: patience, ..LinkConfig::default() };
    let offline = OfflinePolicy::Wait(patience);
    let options = SessionOptions { consent: Consent::Conversation, seed: Some(1), link, offline, ..options };
    let time = Arc::clone(&clock) as Arc<dyn Clock>;
    (Session::with_clock(draft, Some(Arc::new(verifier)), options, time).expect("valid options"), clock)
}

/// Returns all replies of a session, written as turns of one conversation that begins anew every tenth turn, with their
/// statistics and the number of passes they took.
fn replies(options: SessionOptions) -> (Vec<Vec<Written>>, Statistics, u64) {
    let (session, clock) = session(options);
    let (mut replies, mut total) = (Vec::new(), Statistics::default());
    for seed in 0..REPLIES {
        if seed % 10 == 0 {
            session.reset().expect("no generation runs");
        }
        let options = GenerationOptions { max_tokens: MAX_TOKENS, seed: Some(seed), ..GenerationOptions::default() };
        let letter = char::from(b'a' + (seed % 19) as u8);
        let mut generation = session.generate(Prompt::Chat(letter.into()), options).expect("idle");
        let mut written = Vec::new();
        while let Some(event) = generation.blocking_next() {
            match event.expect("no failure") {
                Event::Committed { token, .. } => written.push((token.id, token.uncertainty)),
                Event::Finished { statistics, .. } => total.add(&statistics),
                _ => {}
            }
        }
        replies.push(written);
    }
    (replies, total, clock.count.load(Ordering::Acquire))
}

fn sampling(temperature: f32) -> SamplingParams {
    SamplingParams { temperature, ..SamplingParams::default() }
}

/// Asserts that sessions with and without reading ahead write the same replies; returns the statistics of the one that
/// reads ahead, and the passes of both.
fn assert_same(options: &SessionOptions) -> (Statistics, [u64; 2]) {
    let (alone, none, passes) = replies(SessionOptions { ngrams: false, ..options.clone() });
    let (ahead, some, fewer) = replies(SessionOptions { ngrams: true, ..options.clone() });
    let ids = |replies: &[Vec<Written>]| -> Vec<Vec<TokenId>> {
        replies.iter().map(|reply| reply.iter().map(|(id, _)| *id).collect()).collect()
    };
    assert_eq!(ids(&ahead), ids(&alone));
    if options.mode == Mode::DeviceOnly {
        assert_eq!(ahead, alone, "tokens and uncertainties");
    }
    assert_eq!((none.ngram_proposed, none.ngram_accepted), (0, 0));
    assert!(some.ngram_accepted <= some.ngram_proposed, "{some:?}");
    (some, [fewer, passes])
}

#[test]
fn a_text_that_repeats_itself_is_the_same_in_far_fewer_passes() {
    let (statistics, [ahead, alone]) =
        assert_same(&SessionOptions { mode: Mode::DeviceOnly, sampling: sampling(0.0), ..SessionOptions::default() });
    assert!(statistics.ngram_accepted > statistics.drafted / 2, "{statistics:?}");
    assert!(ahead < 2 * alone / 5, "{ahead} and {alone} passes");
}

#[test]
fn a_drawn_text_is_the_same_whether_it_repeats_itself_or_not() {
    for temperature in [0.5, 1.0, 2.0] {
        let options =
            SessionOptions { mode: Mode::DeviceOnly, sampling: sampling(temperature), ..SessionOptions::default() };
        let (statistics, [ahead, alone]) = assert_same(&options);
        // A batch costs nothing more here, so every token that was right saves a pass.
        assert_eq!(ahead + statistics.ngram_accepted, alone, "at {temperature}");
        assert!(statistics.ngram_accepted > 0 || temperature > 1.0, "at {temperature}: {statistics:?}");
        let in_vain = statistics.ngram_proposed - statistics.ngram_accepted;
        assert!(in_vain > 0 || temperature > 1.0, "at {temperature}: {statistics:?}");
    }
}

#[test]
fn exact_stays_the_targets_text_through_the_rollbacks_of_what_was_drafted_ahead() {
    for (temperature, draft_ahead) in
        [(0.0, DraftAhead::Pipelined(3)), (0.7, DraftAhead::Off), (0.7, DraftAhead::Pipelined(3))]
    {
        let options = SessionOptions {
            mode: Mode::Exact,
            sampling: sampling(temperature),
            draft_ahead,
            // By what everything costs here, the target would write alone.
            close: CloseRule::Risk(0.5),
            ..SessionOptions::default()
        };
        let (statistics, _) = assert_same(&options);
        assert!(statistics.ngram_accepted > 0 && statistics.rejected > 0, "{statistics:?}");
    }
}

#[test]
fn opportunistic_with_a_fixed_threshold_skips_the_same_tokens() {
    let options = SessionOptions {
        mode: Mode::Opportunistic,
        goal: Goal::Threshold(0.4),
        sampling: sampling(0.7),
        ..SessionOptions::default()
    };
    let (statistics, _) = assert_same(&options);
    assert!(statistics.ngram_accepted > 0 && statistics.skipped > 0 && statistics.judged > 0, "{statistics:?}");
}

#[test]
fn a_reply_that_fills_the_context_or_its_limit_reads_nothing_ahead_beyond() {
    for (context, max_tokens) in [(64, MAX_TOKENS), (4096, 20), (4096, 1), (4096, 2)] {
        let write = |ngrams| {
            let options = SessionOptions {
                mode: Mode::DeviceOnly,
                sampling: sampling(0.0),
                context: ContextSize::of(context),
                ngrams,
                ..SessionOptions::default()
            };
            let (session, _) = session(options);
            let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
            let replies = (0..3).map(|_| {
                let prompt = Prompt::Raw("abcabcabc".into());
                session.generate(prompt, options.clone()).expect("idle").blocking_finish().expect("a reply")
            });
            let (texts, statistics): (Vec<_>, Vec<_>) = replies.unzip();
            (texts, statistics.iter().map(Statistics::tokens).collect::<Vec<_>>())
        };
        assert_eq!(write(true), write(false), "context {context}, {max_tokens} tokens");
    }
}
