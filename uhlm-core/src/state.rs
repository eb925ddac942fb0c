//! What a session's thread and its callers share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uhlm_law::calibration::Calibration;

use crate::device::DeviceState;
use crate::event::{LinkCause, LinkState};
use crate::options::SessionOptions;
use crate::privacy::{Conversation, SentLog};

/// What an app shows of a session: whether it writes, and whether its verifier answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Whether a generation is running.
    pub generating: bool,
    /// Whether the verifier answered last; [`LinkState::Online`] before it was first asked.
    pub link: LinkState,
    /// Why it does not; `None` where it does.
    #[serde(default)]
    pub cause: Option<LinkCause>,
}

/// How much of its context a conversation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContextUse {
    /// Tokens of the conversation, what is written just now included.
    pub tokens: usize,
    /// Tokens that it may have: the draft model's context, or the target's where that is shorter or writes alone.
    /// `None` before the first generation.
    pub context: Option<usize>,
}

/// What the session's thread shows to callers.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) conversation: Mutex<Conversation>,
    pub(crate) calibration: Mutex<Calibration>,
    pub(crate) sent: Arc<SentLog>,
    /// Whether the generation that runs may ask the verifier.
    pub(crate) may_ask: Arc<AtomicBool>,
    pub(crate) news: News,
    pub(crate) device: Mutex<DeviceState>,
    pub(crate) context: Mutex<ContextUse>,
    /// Generations that were asked for and have not ended; more than one only while all but the newest are cancelled.
    generations: Mutex<usize>,
    pub(crate) status: watch::Sender<SessionStatus>,
}

/// What the session's thread is to look at when it is woken.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// The system reported another network.
    pub(crate) network: AtomicBool,
    /// Consent was withdrawn: the verifier is to forget the conversation.
    pub(crate) withdrawn: AtomicBool,
}

impl SessionState {
    pub(crate) fn set_link(&self, link: LinkState, cause: Option<LinkCause>) {
        self.status.send_if_modified(|status| {
            let before = (status.link, status.cause);
            (status.link, status.cause) = (link, cause);
            before != (link, cause)
        });
    }

    pub(crate) fn new(options: &SessionOptions) -> Self {
        Self {
            conversation: Mutex::default(),
            calibration: Mutex::new(options.calibration.clone()),
            sent: Arc::new(SentLog::new(options.record)),
            may_ask: Arc::default(),
            news: News::default(),
            device: Mutex::default(),
            context: Mutex::default(),
            generations: Mutex::default(),
            status: watch::Sender::default(),
        }
    }

    /// One generation more, unless `is_free` says no to those that have not ended.
    pub(crate) fn begin(&self, is_free: impl FnOnce() -> bool) -> bool {
        let mut generations = locked(&self.generations);
        if *generations > 0 && !is_free() {
            return false;
        }
        *generations += 1;
        self.set_generating(true);
        true
    }

    pub(crate) fn end(&self) {
        let mut generations = locked(&self.generations);
        *generations = generations.saturating_sub(1);
        self.set_generating(*generations > 0);
    }

    /// No generation runs any more, because the session's thread has ended.
    pub(crate) fn end_all(&self) {
        *locked(&self.generations) = 0;
        self.set_generating(false);
    }

    fn set_generating(&self, generating: bool) {
        self.status.send_if_modified(|status| std::mem::replace(&mut status.generating, generating) != generating);
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
