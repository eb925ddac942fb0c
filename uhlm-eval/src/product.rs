//! Runs this SDK in virtual time: `uhlm_core`'s own session, loop, gate and window, not a re-telling of them.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::{Consent, DraftAhead, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, SessionOptions};
use uhlm_law::calibration::{Calibration, CalibrationSource};
use uhlm_law::gate::Goal;
use uhlm_law::pace::Pace;
use uhlm_law::window::CloseRule;

use crate::bed::{Bed, Running};
use crate::billing::Billing;
use crate::channel::{Channel, PacketChannel};
use crate::costs::PassCosts;
use crate::error::EvalError;
use crate::reply::Reply;
use crate::stream::{Numbered, Run, Stream};

/// Length of a window in the calibration run, as in `uhlm calibrate`, in tokens.
const CALIBRATION_WINDOW: usize = 6;
/// Time for which a failed link is waited for, so long that nothing goes on unjudged in an evaluation.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The options of a session that differ between the methods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProductMethod {
    /// Mode in which text is generated.
    pub mode: Mode,
    /// Rule by which a window closes.
    pub close: CloseRule,
    /// Whether drafting goes on while a verdict travels.
    pub draft_ahead: DraftAhead,
    /// Goal of the gate.
    pub goal: Goal,
    /// Worth of the target's passes against time.
    pub pace: Pace,
}

impl ProductMethod {
    /// Returns a mode with the product's defaults.
    #[must_use]
    pub fn mode(mode: Mode) -> Self {
        let SessionOptions { close, draft_ahead, goal, pace, .. } = SessionOptions::default();
        Self { mode, close, draft_ahead, goal, pace }
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
            pace: self.pace,
            // The baselines draft token by token, too.
            ngrams: false,
            offline: OfflinePolicy::Wait(PATIENCE),
            context: stream.pair.context().into(),
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
        let costs = PassCosts::from(stream.times);
        let answers = |labels| -> Result<Vec<Reply>, EvalError> {
            let bed = bed(stream, channel, &costs, billing);
            let product = Running::start(&bed, self.options(stream, calibration.clone()))?;
            // One reply is not counted: after it the session is open and the link measured, as for any reply but the
            // first. Every baseline's connection is warm too.
            if let Some(prompt) = stream.prompts.first() {
                product.generate(chat(prompt), asked(stream, false))?;
            }
            let ask = |prompt: &Numbered| product.answer(prompt.index, chat(prompt), asked(stream, labels));
            stream.prompts.iter().map(|prompt| Ok(ask(prompt)?.0)).collect()
        };
        let mut replies = answers(false)?;
        if self.mode == Mode::Opportunistic {
            // The worth of skipped tokens is only known where they report it, which costs bytes that no app would
            // spend: a second pass measures it, and nothing else of that pass counts.
            for (reply, labelled) in replies.iter_mut().zip(answers(true)?) {
                reply.decisions.skipped_labelled = labelled.decisions.skipped_labelled;
                reply.decisions.skipped_acceptable = labelled.decisions.skipped_acceptable;
            }
        }
        Ok(replies)
    }
}

/// Makes the calibration that `uhlm calibrate` would make of these prompts.
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
        let costs = PassCosts::from(stream.times);
        let product = Running::start(&bed(stream, &channel, &costs, Billing::PAPER), options)?;
        let mut labels = Vec::new();
        for prompt in stream.prompts {
            let written = product.generate(chat(prompt), asked(stream, true))?;
            labels.extend(written.statistics.labels.unwrap_or_default());
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

/// Returns the bed of a stream.
fn bed<'a>(stream: &Stream<'_>, channel: &'a Channel, costs: &'a PassCosts, billing: Billing) -> Bed<'a> {
    Bed {
        draft: stream.pair.draft_model(),
        target: Arc::new(stream.pair.clone()),
        costs,
        channel,
        billing,
        channel_seed: stream.channel_seed,
    }
}

/// Returns the options of a reply.
fn asked(stream: &Stream<'_>, collect_labels: bool) -> GenerationOptions {
    GenerationOptions { max_tokens: stream.max_tokens, collect_labels, ..GenerationOptions::default() }
}

fn chat(prompt: &Numbered) -> Prompt {
    Prompt::Chat(prompt.question.question.clone())
}
