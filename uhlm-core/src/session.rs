//! A conversation: its options, its messages, and the thread that owns the draft model's context.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::cancel::Cancel;
use crate::chat::{DraftModel, Message, Role};
use crate::clock::{Clock, SystemClock};
use crate::error::GenerationError;
use crate::event::LinkState;
use crate::gate::{Goal, Predictor};
use crate::generation::{self, Generation, Waker};
use crate::link::LinkConfig;
use crate::round::{Device, Inbox, Job};
use crate::sampling::{SamplingError, SamplingParams};
use crate::uncertainty::Estimator;
use crate::verifier::Verifier;
use crate::window::CloseRule;

/// How text is generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The paper's rule: `u <= u_th` commits at once, `u > u_th` is judged before it is committed.
    Opportunistic,
    /// Everything is judged, in windows; the output is distributed exactly as the target's.
    #[default]
    Exact,
    /// The draft model alone. No connection is opened.
    DeviceOnly,
    /// The target alone, streamed.
    RemoteOnly,
}

impl Mode {
    /// Whether the mode asks the verifier for verdicts.
    #[must_use]
    pub fn judges(self) -> bool {
        matches!(self, Self::Opportunistic | Self::Exact)
    }
}

/// What happens while the verifier is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflinePolicy {
    /// The draft model goes on alone; its tokens are marked [`Unverified`](crate::event::Origin::Unverified).
    GoOn,
    /// The generation waits, at most this long, then fails.
    Wait(Duration),
    /// The generation fails at once.
    Fail,
}

/// Whether drafting goes on while a verdict is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftAhead {
    /// The device waits.
    Off,
    /// It guesses the bonus token and drafts on; where the guess is wrong, those tokens are rolled back.
    WhileWaiting,
    /// It drafts on likewise and sends more: up to this many windows are in flight at once, 1 to 8, each resting on the one
    /// before and, with [`SessionOptions::bonus`], on the guess of its bonus token.
    Pipelined(usize),
}

impl DraftAhead {
    pub(crate) fn windows(self) -> usize {
        match self {
            Self::Off | Self::WhileWaiting => 1,
            Self::Pipelined(n) => n.clamp(1, 8),
        }
    }
}

/// Options of a session. They hold for its life; [`GenerationOptions`] are for one reply.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// How text is generated, unless a generation says otherwise.
    pub mode: Mode,
    /// The canonical chain, for draft and target alike.
    pub sampling: SamplingParams,
    /// How the draft model's uncertainty is measured.
    pub estimator: Estimator,
    /// What is known about this pair of models.
    pub calibration: Calibration,
    /// What the gate aims at.
    pub goal: Goal,
    /// What expects a token's rejection, for windows and draft-ahead.
    pub predictor: Predictor,
    /// When an `exact` window is closed.
    pub close: CloseRule,
    /// The most tokens in a window, 1 to [`MAX_WINDOW`](crate::protocol::MAX_WINDOW).
    pub max_window: usize,
    /// Whether the target writes a bonus token after an accepted window.
    pub bonus: bool,
    /// Whether drafting goes on while a verdict is on its way.
    pub draft_ahead: DraftAhead,
    /// What happens while the verifier is out of reach.
    pub offline: OfflinePolicy,
    /// Context of the draft model in tokens; 0 for what it was trained for.
    pub context: u32,
    /// Threads of the draft model; 0 chooses by the model's size and the cores.
    pub threads: u32,
    /// Seeds all random choices of device and verifier; none takes one from the system.
    pub seed: Option<u64>,
    /// Deadlines of verdicts and pauses between attempts; the deadline follows the measured round trip within them.
    pub link: LinkConfig,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            sampling: SamplingParams::default(),
            estimator: Estimator::default(),
            calibration: Calibration::generic(),
            goal: Goal::RiskProne,
            predictor: Predictor::default(),
            close: CloseRule::CostModel,
            max_window: 16,
            bonus: true,
            draft_ahead: DraftAhead::Pipelined(2),
            offline: OfflinePolicy::GoOn,
            context: 0,
            threads: 0,
            seed: None,
            link: LinkConfig::default(),
        }
    }
}

/// Options of one generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationOptions {
    /// The most tokens to write; the end token counts.
    pub max_tokens: usize,
    /// Texts that end the reply; they are not part of it.
    pub stop: Vec<String>,
    /// Another mode than the session's.
    pub mode: Option<Mode>,
    /// Whether the statistics list a label for each token whose target probability came back, for calibration.
    pub collect_labels: bool,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self { max_tokens: 512, stop: Vec::new(), mode: None, collect_labels: false }
    }
}

/// What to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// The person's next message; the model's chat template is applied and the reply joins the conversation.
    Chat(String),
    /// Text as it is, after everything that was there is forgotten; no template.
    Raw(String),
}

/// A conversation with one draft model and, mostly, one verifier. `Send + Sync`; calls do not block.
///
/// Its decode context lives on a thread of its own, which ends when the session is dropped.
pub struct Session {
    inbox: Sender<Inbox>,
    busy: Arc<AtomicBool>,
    shared: Arc<SessionState>,
    running: Mutex<Option<Cancel>>,
}

/// What the session's thread shows to callers.
#[derive(Debug)]
pub(crate) struct SessionState {
    pub(crate) messages: Mutex<Vec<Message>>,
    pub(crate) calibration: Mutex<Calibration>,
    pub(crate) link: Mutex<LinkState>,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("busy", &self.busy).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session on a loaded model. Cheap: the context is made, and the verifier asked, when the first generation
    /// needs them.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn new(
        model: Arc<dyn DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
    ) -> Result<Self, SamplingError> {
        Self::with_clock(model, verifier, options, Arc::new(SystemClock))
    }

    /// As [`Self::new`], in another time than the real one: deadlines, back-off, measured costs and statistics follow
    /// `clock`. For evaluations.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn with_clock(
        model: Arc<dyn DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SamplingError> {
        let (sender, inbox) = channel();
        let shared = Arc::new(SessionState {
            messages: Mutex::default(),
            calibration: Mutex::new(options.calibration.clone()),
            link: Mutex::default(),
        });
        let mut device = Device::new(model, verifier, options, sender.clone(), Arc::clone(&shared), clock)?;
        let busy = Arc::new(AtomicBool::new(false));
        let idle = Arc::clone(&busy);
        let spawned = std::thread::Builder::new().name("uhlm-session".into()).spawn(move || {
            while let Ok(message) = inbox.recv() {
                match message {
                    Inbox::Job(job) => {
                        device.run(*job, &inbox, || idle.store(false, Ordering::Release));
                        if device.is_closed() {
                            break;
                        }
                    }
                    Inbox::Reset => device.reset(),
                    Inbox::Opened(result) => device.opened_late(result),
                    Inbox::Close => break,
                    // Answers to calls that were given up.
                    _ => {}
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a session");
        }
        Ok(Self { inbox: sender, busy, shared, running: Mutex::new(None) })
    }

    /// Starts a generation.
    ///
    /// # Errors
    /// [`GenerationError::Busy`] while another one runs, [`GenerationError::SessionClosed`]. Everything else comes from
    /// the stream.
    pub fn generate(&self, prompt: Prompt, options: GenerationOptions) -> Result<Generation, GenerationError> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Err(GenerationError::Busy);
        }
        let waker = self.inbox.clone();
        let (sink, generation) = generation::channel(Waker::new(move || {
            // A session that is gone needs no waking.
            let _ = waker.send(Inbox::Wake);
        }));
        *locked(&self.running) = Some(sink.cancel().clone());
        let job = Job { prompt, options, sink };
        if self.inbox.send(Inbox::Job(Box::new(job))).is_err() {
            self.busy.store(false, Ordering::Release);
            return Err(GenerationError::SessionClosed);
        }
        Ok(generation)
    }

    /// Whether a generation is running.
    #[must_use]
    pub fn is_generating(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// The conversation so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        locked(&self.shared.messages).clone()
    }

    /// Replaces the conversation: a restored one, or a new system message.
    ///
    /// # Errors
    /// [`GenerationError::Busy`].
    pub fn set_messages(&self, messages: Vec<Message>) -> Result<(), GenerationError> {
        if self.is_generating() {
            return Err(GenerationError::Busy);
        }
        *locked(&self.shared.messages) = messages;
        Ok(())
    }

    /// Forgets the conversation, except for its system messages.
    ///
    /// # Errors
    /// [`GenerationError::Busy`].
    pub fn reset(&self) -> Result<(), GenerationError> {
        if self.is_generating() {
            return Err(GenerationError::Busy);
        }
        locked(&self.shared.messages).retain(|message| message.role == Role::System);
        self.inbox.send(Inbox::Reset).map_err(|_| GenerationError::SessionClosed)
    }

    /// The calibration with what this session's verdicts have taught.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        locked(&self.shared.calibration).clone()
    }

    /// Whether the verifier answered last.
    #[must_use]
    pub fn link_state(&self) -> LinkState {
        *locked(&self.shared.link)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(cancel) = locked(&self.running).take() {
            cancel.cancel();
        }
        // The thread may have ended already.
        let _ = self.inbox.send(Inbox::Close);
    }
}
