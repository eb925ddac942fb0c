//! Runs `uhlm_core`'s own session on a trace.

use std::sync::Arc;
use std::time::Duration;

use uhlm_core::{Consent, DraftAhead, GenerationOptions, LinkConfig, Mode, OfflinePolicy, Prompt, SessionOptions};
use uhlm_law::calibration::{Calibration, CalibrationSource};
use uhlm_law::window::CloseRule;

use super::{Cell, FurtherCosts, Spent};
use crate::bed::{Bed, Running};
use crate::billing::Billing;
use crate::channel::{Channel, PacketChannel};
use crate::costs::PassCosts;
use crate::error::EvalError;
use crate::replay::{RecordedTarget, Replay};
use crate::trace::Trace;

/// Length of a window in the calibration run, as in `uhlm calibrate`, in tokens.
const CALIBRATION_WINDOW: usize = 6;
/// Time for which a failed link is waited for, so long that nothing goes on unjudged in an evaluation.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A session on a trace in a cell.
#[derive(Clone, Copy, Debug)]
pub struct Bedded<'a> {
    /// The recorded replies.
    pub trace: &'a Arc<Trace>,
    /// Calibration of the pair.
    pub calibration: &'a Calibration,
    /// Speeds of the models and the link.
    pub cell: Cell,
    /// Costs beyond a pass of one token.
    pub further: &'a FurtherCosts,
}

impl Bedded<'_> {
    /// Lets a session write all replies, one after the other, and returns the costs of each. `change` sets the
    /// session's options.
    ///
    /// # Errors
    /// [`EvalError::Parted`] where a reply is not the recorded one; [`EvalError::Generation`].
    pub fn write(&self, change: impl FnOnce(&mut SessionOptions)) -> Result<Vec<Spent>, EvalError> {
        let mut options = options(self.trace, self.calibration.clone());
        change(&mut options);
        let costs = self.cell.costs(self.further);
        let channel = Channel::Packet(PacketChannel::steady(self.cell.rtt_ms));
        let played = Played::start(self.trace, &costs, &channel, options)?;
        // One reply is not counted: after it the session is open and the link measured.
        played.write(0, false)?;
        (0..self.trace.replies.len()).map(|index| Ok(played.write(index, false)?.0)).collect()
    }
}

/// Returns the calibration that `uhlm calibrate` would make of these replies, or the generic one if they say too
/// little.
///
/// # Errors
/// As [`Bedded::write`].
pub fn calibrated(trace: &Arc<Trace>) -> Result<Calibration, EvalError> {
    let generic = Calibration::generic();
    let mut options = options(trace, generic.clone());
    options.mode = Mode::Exact;
    options.close = CloseRule::Fixed(CALIBRATION_WINDOW);
    options.draft_ahead = DraftAhead::Off;
    let costs = Cell::PAPER.costs(&FurtherCosts::default());
    let channel = Channel::Packet(PacketChannel::steady(Cell::PAPER.rtt_ms));
    let played = Played::start(trace, &costs, &channel, options)?;
    let mut labels = Vec::new();
    for index in 0..trace.replies.len() {
        labels.extend(played.write(index, true)?.1);
    }
    let source = CalibrationSource {
        draft: trace.header.draft.fingerprint,
        target: trace.header.target.fingerprint,
        estimator: generic.estimator,
        sampling: trace.header.sampling.clone(),
    };
    Ok(Calibration::fit(&labels, source).unwrap_or(generic))
}

fn options(trace: &Trace, calibration: Calibration) -> SessionOptions {
    SessionOptions {
        sampling: trace.header.sampling.clone(),
        estimator: calibration.estimator,
        calibration,
        offline: OfflinePolicy::Wait(PATIENCE),
        threads: 1,
        // The saving of a batch of proposed tokens depends on the device, so none is claimed here.
        ngrams: false,
        seed: Some(trace.header.seed),
        consent: Consent::Conversation,
        link: LinkConfig { seed: trace.header.seed, ..LinkConfig::default() },
        ..SessionOptions::default()
    }
}

/// Returns the billing of a trace: its ids are billed as those of the vocabulary that it was recorded with.
pub(super) fn billing(trace: &Trace) -> Billing {
    Billing { vocabulary: trace.header.vocabulary_size.max(Billing::PAPER.vocabulary), ..Billing::PAPER }
}

/// A session that writes the replies of a trace.
struct Played {
    replay: Arc<Replay>,
    running: Running,
}

impl Played {
    fn start(
        trace: &Arc<Trace>,
        costs: &PassCosts,
        channel: &Channel,
        options: SessionOptions,
    ) -> Result<Self, EvalError> {
        let replay = Arc::new(Replay::new(Arc::clone(trace)));
        let target = Arc::new(RecordedTarget(Arc::clone(&replay)));
        let billing = billing(trace);
        let bed =
            Bed { draft: Arc::clone(&replay).into(), target, costs, channel, billing, channel_seed: trace.header.seed };
        Ok(Self { running: Running::start(&bed, options)?, replay })
    }

    /// Writes one reply; returns its costs, with its labels if they are collected.
    fn write(
        &self,
        index: usize,
        collect_labels: bool,
    ) -> Result<(Spent, Vec<uhlm_law::calibration::Label>), EvalError> {
        let (prompt, trace) = (Prompt::Raw(self.replay.select(index)), self.replay.trace());
        let Some(recorded) = trace.replies.get(index) else { return Ok(Default::default()) };
        let options = GenerationOptions {
            max_tokens: trace.header.max_tokens,
            collect_labels,
            seed: Some(recorded.seed),
            ..GenerationOptions::default()
        };
        let (reply, mut statistics) = self.running.answer(index as u64, prompt, options)?;
        if reply.tokens != recorded.tokens {
            let at = reply.tokens.iter().zip(&recorded.tokens).take_while(|(a, b)| a == b).count();
            return Err(EvalError::Parted { reply: index, at });
        }
        let spent = Spent::of_session(&reply, &statistics);
        Ok((spent, statistics.labels.take().unwrap_or_default()))
    }
}
