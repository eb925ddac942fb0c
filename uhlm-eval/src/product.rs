//! This SDK in virtual time: `uhlm_core`'s own session, loop, gate and window, not a re-telling of them.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::error::GenerationError;
use uhlm_core::event::Event;
use uhlm_core::link::LinkConfig;
use uhlm_core::metrics::Statistics;
use uhlm_core::mode::Mode;
use uhlm_core::options::{DraftAhead, GenerationOptions, OfflinePolicy, Prompt, SessionOptions};
use uhlm_core::privacy::Consent;
use uhlm_core::session::Session;
use uhlm_law::calibration::{Calibration, CalibrationSource};
use uhlm_law::chat::DraftModel as _;
use uhlm_law::gate::Goal;
use uhlm_law::sampling::TokenId;
use uhlm_law::window::CloseRule;

use crate::billing::Billing;
use crate::channel::{Channel, PacketChannel};
use crate::clock::VirtualClock;
use crate::error::EvalError;
use crate::paced::PacedDraft;
use crate::pair::CONTEXT;
use crate::reply::{Decisions, Reply};
use crate::stream::{Numbered, Run, Stream};
use crate::verifier::SimulatedVerifier;

/// Tokens in a window of the calibration run, as `uhlm calibrate` has it.
const CALIBRATION_WINDOW: usize = 6;
/// A link that fails is waited for: nothing goes on unjudged in an evaluation.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What of a session differs between the methods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProductMethod {
    /// How text is generated.
    pub mode: Mode,
    /// When a window closes.
    pub close: CloseRule,
    /// Whether drafting goes on while a verdict travels.
    pub draft_ahead: DraftAhead,
    /// What the gate aims at.
    pub goal: Goal,
}

impl ProductMethod {
    /// A mode with the product's defaults.
    #[must_use]
    pub fn mode(mode: Mode) -> Self {
        let SessionOptions { close, draft_ahead, goal, .. } = SessionOptions::default();
        Self { mode, close, draft_ahead, goal }
    }

    fn options(&self, stream: &Stream<'_>, calibration: Calibration) -> SessionOptions {
        SessionOptions {
            mode: self.mode,
            sampling: stream.sampling.clone(),
            estimator: calibration.estimator,
            calibration,
            goal: self.goal,
            close: self.close,
            draft_ahead: self.draft_ahead,
            // The baselines draft one by one, too.
            ngrams: false,
            offline: OfflinePolicy::Wait(PATIENCE),
            context: CONTEXT,
            threads: 1,
            seed: Some(stream.seed),
            consent: Consent::Conversation,
            link: LinkConfig { seed: stream.seed, ..LinkConfig::default() },
            ..SessionOptions::default()
        }
    }

    /// Answers the prompts of a stream, one after the other on one session, each as a conversation of its own.
    ///
    /// # Errors
    /// [`EvalError::Generation`].
    pub fn run(
        &self,
        stream: &Stream<'_>,
        channel: &Channel,
        billing: Billing,
        calibration: &Calibration,
    ) -> Result<Vec<Reply>, EvalError> {
        let answers = |labels| -> Result<Vec<Reply>, EvalError> {
            let product = Running::start(stream, channel, billing, self.options(stream, calibration.clone()))?;
            product.warm_up(stream)?;
            let ask = |prompt: &Numbered| product.answer(stream, prompt.index, &prompt.question.question, labels);
            stream.prompts.iter().map(ask).collect()
        };
        let mut replies = answers(false)?;
        if self.mode == Mode::Opportunistic {
            // What skipped tokens are worth is only known where they report it, which costs bytes that no app would
            // spend: a second pass says it, and nothing else of it counts.
            for (reply, labelled) in replies.iter_mut().zip(answers(true)?) {
                reply.decisions.skipped_labelled = labelled.decisions.skipped_labelled;
                reply.decisions.skipped_acceptable = labelled.decisions.skipped_acceptable;
            }
        }
        Ok(replies)
    }
}

/// The calibration that `uhlm calibrate` would make of these prompts.
///
/// # Errors
/// [`EvalError::Generation`], [`EvalError::Calibration`].
pub fn calibrate(run: &Run<'_>) -> Result<Calibration, EvalError> {
    let method = ProductMethod {
        close: CloseRule::Fixed(CALIBRATION_WINDOW),
        draft_ahead: DraftAhead::Off,
        ..ProductMethod::mode(Mode::Exact)
    };
    let channel = Channel::Packet(PacketChannel::steady(50.0));
    let labels = run.map(|stream| {
        let options = method.options(stream, Calibration::generic());
        let product = Running::start(stream, &channel, Billing::PAPER, options)?;
        let mut labels = Vec::new();
        for prompt in stream.prompts {
            let (_, _, statistics) = product.generate(stream, &prompt.question.question, true)?;
            labels.extend(statistics.labels.unwrap_or_default());
        }
        Ok(labels)
    })?;
    let source = CalibrationSource {
        draft: run.pair.draft.fingerprint(),
        target: run.pair.target.fingerprint(),
        estimator: Calibration::generic().estimator,
        sampling: run.sampling.clone(),
    };
    Ok(Calibration::fit(&labels.concat(), source)?)
}

/// A session with its clock and its verifier.
struct Running {
    clock: Arc<VirtualClock>,
    verifier: Arc<SimulatedVerifier>,
    session: Session,
}

impl Running {
    fn start(
        stream: &Stream<'_>,
        channel: &Channel,
        billing: Billing,
        options: SessionOptions,
    ) -> Result<Self, EvalError> {
        let clock = Arc::new(VirtualClock::default());
        let verifier = Arc::new(SimulatedVerifier::new(
            stream.pair.clone(),
            Arc::clone(&clock),
            channel,
            stream.times,
            billing,
            stream.channel_seed,
        ));
        let (charged, cost) = (Arc::clone(&clock), stream.times.draft());
        let draft = PacedDraft::new(Arc::clone(&stream.pair.draft) as _, move |rows, pass| {
            // What a batch saves depends on the device: nothing is claimed of it.
            charged.advance(cost * rows as u32);
            pass()
        });
        let session =
            Session::with_clock(Arc::new(draft), Some(Arc::clone(&verifier) as _), options, Arc::clone(&clock) as _)?;
        Ok(Self { clock, verifier, session })
    }

    /// One answer that is not counted: the session is then open and the link measured, as in any that is not the first.
    /// Every baseline's connection is warm too.
    fn warm_up(&self, stream: &Stream<'_>) -> Result<(), EvalError> {
        if let Some(prompt) = stream.prompts.first() {
            self.generate(stream, &prompt.question.question, false)?;
        }
        Ok(())
    }

    fn answer(&self, stream: &Stream<'_>, index: u64, question: &str, labels: bool) -> Result<Reply, EvalError> {
        // What was under way for the last reply belongs to it.
        let _warm_up = self.verifier.begin(index);
        let charged = self.clock.charged();
        let (tokens, text, statistics) = self.generate(stream, question, labels)?;
        let ledger = self.verifier.begin(index);
        Ok(Reply {
            text,
            tokens,
            elapsed: statistics.elapsed,
            first_token: statistics.first_token,
            device: self.clock.charged().saturating_sub(charged),
            ledger,
            decisions: Decisions {
                drafted: statistics.drafted,
                judged: statistics.judged,
                rejected: statistics.rejected,
                skipped: statistics.skipped,
                skipped_labelled: statistics.skipped_labelled,
                skipped_acceptable: statistics.skipped_matched as f64,
                rollbacks: statistics.rollbacks,
            },
        })
    }

    fn generate(
        &self,
        stream: &Stream<'_>,
        question: &str,
        collect_labels: bool,
    ) -> Result<(Vec<TokenId>, String, Statistics), EvalError> {
        self.session.reset()?;
        let options =
            GenerationOptions { max_tokens: stream.max_tokens, collect_labels, ..GenerationOptions::default() };
        let mut generation = self.session.generate(Prompt::Chat(question.to_owned()), options)?;
        let mut tokens = Vec::new();
        while let Some(event) = generation.blocking_next() {
            match event? {
                Event::Committed { token, .. } => tokens.push(token.id),
                Event::Finished { text, statistics, .. } => {
                    // Text that was held back to the end comes with its token named a second time.
                    tokens.truncate(statistics.tokens() as usize);
                    return Ok((tokens, text, *statistics));
                }
                _ => {}
            }
        }
        Err(GenerationError::SessionClosed.into())
    }
}
