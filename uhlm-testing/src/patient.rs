//! Options of sessions whose text is compared: everything at rest but what a test sets.

use std::time::Duration;

use uhlm_core::{Consent, LinkConfig, Mode, OfflinePolicy, SessionOptions};
use uhlm_law::sampling::SamplingParams;

/// Makes options of a session that waits a minute for each answer, and fails without it. A machine under load answers
/// late; that is no matter of the text.
#[must_use]
pub fn options(mode: Mode, sampling: SamplingParams, seed: u64) -> SessionOptions {
    let minute = Duration::from_secs(60);
    SessionOptions {
        mode,
        sampling,
        offline: OfflinePolicy::Fail,
        link: LinkConfig { min_deadline: minute, max_deadline: minute, ..LinkConfig::default() },
        threads: 1,
        seed: Some(seed),
        consent: Consent::Conversation,
        ..SessionOptions::default()
    }
}
