//! The state that a session's thread and its callers share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uhlm_law::calibration::Calibration;

use crate::device::DeviceState;
use crate::event::{LinkCause, LinkState};
use crate::language::Language;
use crate::options::SessionOptions;
use crate::privacy::{Conversation, SentLog};
use crate::totals::Totals;

/// The status of a session that an app shows: whether it writes, and whether its verifier answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Whether a generation is running.
    pub generating: bool,
    /// Reachability of the verifier; [`LinkState::Online`] before it was first asked.
    pub link: LinkState,
    /// Reason that the verifier does not answer; `None` where it does.
    #[serde(default)]
    pub cause: Option<LinkCause>,
}

/// The part of the context that a conversation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContextUse {
    /// Length of the conversation in tokens, what is written just now included.
    pub tokens: usize,
    /// Length in tokens that the conversation may have: that of the draft model's context, or of the target's where
    /// that is shorter or the target writes alone. `None` before the first generation.
    pub context: Option<usize>,
}

/// The state that the session's thread shows to callers.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) conversation: Mutex<Conversation>,
    /// Language of the session's tokens.
    pub(crate) language: Arc<Mutex<Language>>,
    pub(crate) calibration: Mutex<Calibration>,
    pub(crate) sent: Arc<SentLog>,
    /// Whether the generation that runs may ask the verifier.
    pub(crate) may_ask: Arc<AtomicBool>,
    pub(crate) news: News,
    pub(crate) device: Mutex<DeviceState>,
    pub(crate) context: Mutex<ContextUse>,
    /// What the generations that have ended have taken in all.
    pub(crate) totals: Mutex<Totals>,
    /// Number of generations that were asked for and have not ended; more than one only while all but the newest are
    /// cancelled.
    generations: Mutex<usize>,
    pub(crate) status: watch::Sender<SessionStatus>,
}

/// The news that the session's thread looks at when it is woken.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Whether the system reported another network.
    pub(crate) network: AtomicBool,
    /// Whether consent was withdrawn: the verifier is to forget the conversation.
    pub(crate) withdrawn: AtomicBool,
    /// Whether the session was dropped.
    pub(crate) closed: AtomicBool,
}

impl SessionState {
    /// Publishes whether the verifier answers, if that changed.
    pub(crate) fn set_link(&self, link: LinkState, cause: Option<LinkCause>) {
        self.status.send_if_modified(|status| {
            let before = (status.link, status.cause);
            (status.link, status.cause) = (link, cause);
            before != (link, cause)
        });
    }

    pub(crate) fn new(options: &SessionOptions, language: Language) -> Self {
        let mut conversation = Conversation::default();
        conversation.set_instructions(options.instructions.as_deref());
        Self {
            conversation: Mutex::new(conversation),
            language: Arc::new(Mutex::new(language)),
            calibration: Mutex::new(options.calibration.clone()),
            sent: Arc::new(SentLog::new(options.record)),
            may_ask: Arc::default(),
            news: News::default(),
            device: Mutex::default(),
            context: Mutex::default(),
            totals: Mutex::default(),
            generations: Mutex::default(),
            status: watch::Sender::default(),
        }
    }

    /// Tells whether the app is not in front.
    pub(crate) fn is_in_background(&self) -> bool {
        locked(&self.device).in_background
    }

    /// Counts one generation more, unless others have not ended and `is_free` returns `false`; returns whether it did.
    pub(crate) fn begin(&self, is_free: impl FnOnce() -> bool) -> bool {
        let mut generations = locked(&self.generations);
        if *generations > 0 && !is_free() {
            return false;
        }
        *generations += 1;
        self.set_generating(true);
        true
    }

    /// Takes note that one generation has ended.
    pub(crate) fn end(&self) {
        let mut generations = locked(&self.generations);
        *generations = generations.saturating_sub(1);
        self.set_generating(*generations > 0);
    }

    /// Takes note that no generation runs any more, because the session's thread has ended.
    pub(crate) fn end_all(&self) {
        *locked(&self.generations) = 0;
        self.set_generating(false);
    }

    fn set_generating(&self, generating: bool) {
        self.status.send_if_modified(|status| std::mem::replace(&mut status.generating, generating) != generating);
    }
}

/// Locks the mutex, also where a thread panicked while it held the lock.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
