//! The way to a target with another vocabulary: it is asked for its own, and the session's tokens are its from then on.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use uhlm_law::advance::Info;
use uhlm_law::calibration::Calibration;
use uhlm_law::cancel::Cancel;
use uhlm_law::chat::{ChatTemplate, Message, RenderOptions};

use super::pipeline::Pipeline;
use super::uncrossed::CrossError;
use super::worker::{Worker, taken};
use crate::language::Language;
use crate::metrics::Statistics;
use crate::mode::Mode;
use crate::state::locked;
use crate::verifier::{Answer, BodyBytes, Call, Verifier, VerifierError, VerifierExt as _};
use crate::vocabulary;

/// Time for which the verifier is asked what it serves.
const INFO_PATIENCE: Duration = Duration::from_secs(10);
/// Slowest link over which the file with its vocabulary is waited for, in bytes per second: a few MB, once.
const SLOWEST_LINK: f64 = 16_384.0;
/// Time between two looks at whether the generation was cancelled.
const LOOK: Duration = Duration::from_millis(20);

impl Worker {
    /// Takes the language up that the verifier's target has now; blocks until its vocabulary is there.
    ///
    /// What that takes counts against the session's budget, as does what the reply `so_far` has taken. `wanted` is the
    /// mode that the app requested: by a chat service nothing can be judged.
    pub(super) fn cross(&mut self, wanted: Mode, so_far: &Statistics, cancel: &Cancel) -> Result<(), CrossError> {
        let mut taken = taken(&self.asked.spent, &locked(&self.shared.totals));
        taken.spend(so_far);
        if self.asked.budget.is_spent(&taken) {
            return Err(CrossError::BudgetSpent);
        }
        let Some(remote) = &mut self.remote else { return Err(CrossError::NotOffered) };
        let verifier = Arc::clone(remote.verifier());
        let Answer { value: info, bytes, .. } = heard(cancel, |reply| verifier.info(INFO_PATIENCE, reply))?;
        self.spend(bytes);
        let here = self.drafter.language().words.vocabulary_hash();
        if info.vocabulary == here {
            return Err(CrossError::NotOffered);
        }
        if info.hands_off && wanted.judges() {
            return Err(CrossError::HandsOff);
        }
        self.is_handed_off = info.hands_off;
        let target = if info.vocabulary == self.drafter.model.language.vocabulary_hash() {
            None
        } else {
            Some(self.language_of(&info, verifier.as_ref(), cancel)?)
        };
        tracing::info!(model = info.model, bridged = target.is_some(), "the session takes the target's vocabulary up");
        let measured = &self.asked.calibration;
        let calibration = if target.is_none() || measured.target == info.fingerprint {
            measured.clone()
        } else {
            // It was measured on a target with the draft model's own tokens, and says nothing about this one. What the
            // gate learns from here on is this pair's, and can be kept for it.
            let (estimator, draft) = (measured.estimator, measured.draft);
            Calibration { estimator, draft, target: info.fingerprint, ..Calibration::generic() }
        };
        self.drafter.take_calibration(&calibration, self.asked.goal, self.asked.predictor);
        self.drafter.speak(target);
        *locked(&self.shared.language) = self.drafter.language().clone();
        self.pipeline = Pipeline::new(self.drafter.language().words.vocabulary().size());
        if let Some(remote) = &mut self.remote {
            remote.forget();
        }
        Ok(())
    }

    /// Adds a request that belongs to no reply to the session's totals.
    fn spend(&self, bytes: BodyBytes) {
        let mut totals = locked(&self.shared.totals);
        totals.requests += 1;
        totals.body_up += bytes.up;
        totals.body_down += bytes.down;
    }

    /// Returns the language of a target whose vocabulary the device's model does not have.
    fn language_of(&self, info: &Info, verifier: &dyn Verifier, cancel: &Cancel) -> Result<Language, CrossError> {
        let offer = info.vocabulary_file.as_ref().ok_or(CrossError::NotOffered)?;
        let folder = self.asked.vocabulary_folder.as_deref();
        let words = match vocabulary::kept(offer, info.vocabulary, folder) {
            Some(kept) => kept,
            None => {
                let patience = INFO_PATIENCE + Duration::from_secs_f64(f64::from(offer.bytes) / SLOWEST_LINK);
                let answer = heard(cancel, |reply| verifier.vocabulary(offer.sha256, patience, reply))?;
                self.spend(answer.bytes);
                vocabulary::taken(answer.value, offer, info.vocabulary, folder)?
            }
        };
        // A target without a template reads a conversation as the draft model's template writes it.
        let has_template = words.render(&[Message::user("a")], &RenderOptions::default()).is_ok();
        let own = Arc::clone(&self.drafter.model.template);
        let template: Arc<dyn ChatTemplate> = if has_template { words.clone() } else { own };
        Ok(Language { words, template })
    }
}

/// A reply that hands its answer on.
type Handed<T> = Box<dyn FnOnce(Result<Answer<T>, VerifierError>) + Send>;

/// Asks, and waits for the answer or until the generation is cancelled.
fn heard<T: Send + 'static>(cancel: &Cancel, ask: impl FnOnce(Handed<T>) -> Call) -> Result<Answer<T>, CrossError> {
    let (send, heard) = channel();
    // Nobody listens any more only where the call was dropped.
    let call = ask(Box::new(move |answer| drop(send.send(answer))));
    loop {
        match heard.recv_timeout(LOOK) {
            Ok(answer) => {
                call.detach();
                return Ok(answer?);
            }
            Err(RecvTimeoutError::Timeout) if cancel.is_cancelled() => return Err(CrossError::Cancelled),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(VerifierError::Cancelled.into()),
        }
    }
}
