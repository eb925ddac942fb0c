//! What the pair and the verifier allow of a reply.

use uhlm_law::model::ModelError;

use super::remote::Remote;
use super::uncrossed::CrossError;
use super::worker::Worker;
use crate::error::GenerationError;
use crate::mode::Mode;
use crate::options::{OfflinePolicy, SessionOptions};

impl Worker {
    /// Returns the mode of a reply where a chat service may write it: the device's state does not make a reply one that
    /// is judged there, nor one that it writes of a reply that was to be judged.
    pub(super) fn mode_of_service(&self, wanted: Mode, mode: Mode) -> Result<Mode, GenerationError> {
        if !self.is_handed_off || mode == Mode::DeviceOnly {
            return Ok(mode);
        }
        if wanted.judges() { Err(CrossError::HandsOff.into_failure("")) } else { Ok(Mode::RemoteOnly) }
    }

    /// Returns other options for a reply with a grammar across a bridge, and for one of a chat service; `None` for any
    /// other. The draft model's own tokens are not masked there, so nothing stands that the target has not written or
    /// judged; and a chat service cannot go on from words that are not its own.
    pub(super) fn unbridged_alone(&self, kept: &SessionOptions) -> Option<SessionOptions> {
        let offline = match kept.offline {
            OfflinePolicy::GoOn => OfflinePolicy::Fail,
            offline => offline,
        };
        let is_strict = (self.drafter.has_grammar() && self.drafter.is_bridged()) || self.is_handed_off;
        is_strict.then(|| SessionOptions { offline, ..kept.clone() })
    }

    /// Returns how many tokens a conversation may have, as far as is known before the verifier is asked.
    pub(super) fn known_capacity(&mut self, mode: Mode) -> Result<usize, ModelError> {
        let target = self.remote.as_ref().and_then(Remote::context).unwrap_or(usize::MAX);
        match mode {
            Mode::RemoteOnly => Ok(target),
            Mode::DeviceOnly => self.drafter.capacity(),
            Mode::Exact | Mode::Opportunistic => Ok(self.drafter.capacity()?.min(target)),
        }
    }
}
