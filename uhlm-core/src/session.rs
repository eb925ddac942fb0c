//! A conversation: its options, its messages, and the thread that owns the draft model's context.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::calibration::Calibration;
use crate::cancel::Cancel;
use crate::chat::{DraftModel, Message};
use crate::clock::{Clock, SystemClock};
use crate::device::{DevicePolicy, DeviceState};
use crate::error::GenerationError;
use crate::event::LinkState;
use crate::gate::{Goal, Predictor};
use crate::generation::{self, Generation, Waker};
use crate::link::LinkConfig;
use crate::privacy::{Consent, Conversation, Outbox, RecordOptions, Redaction, SentLog, SentRecord};
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
    /// How the session reacts to [`Session::set_device`].
    pub device: DevicePolicy,
    /// What may be sent to the verifier, unless a generation says otherwise. Nothing, until the app gives consent.
    pub consent: Consent,
    /// Changes messages before a verifier could see them; `None` sends them as they are.
    pub redaction: Option<Redaction>,
    /// How much of what was sent is recorded.
    pub record: RecordOptions,
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
            device: DevicePolicy::default(),
            consent: Consent::default(),
            redaction: None,
            record: RecordOptions::default(),
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
    /// Another consent than the session's, for this message.
    pub consent: Option<Consent>,
    /// Whether the statistics list a label for each token whose target probability came back, for calibration. In the
    /// opportunistic mode skipped tokens report theirs then, which takes 8 bytes for each.
    pub collect_labels: bool,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self { max_tokens: 512, stop: Vec::new(), mode: None, consent: None, collect_labels: false }
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

impl Prompt {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Chat(text) | Self::Raw(text) => text,
        }
    }
}

/// A conversation with one draft model and, mostly, one verifier. `Send + Sync`; calls do not block.
///
/// Its decode context lives on a thread of its own, which ends when the session is dropped.
pub struct Session {
    inbox: Sender<Inbox>,
    shared: Arc<SessionState>,
    running: Mutex<Option<Cancel>>,
    mode: Mode,
    has_verifier: bool,
    consent: Mutex<Consent>,
}

/// What an app shows of a session: whether it writes, and whether its verifier answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Whether a generation is running.
    pub generating: bool,
    /// Whether the verifier answered last; [`LinkState::Online`] before it was first asked.
    pub link: LinkState,
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
    /// Generations that were asked for and have not ended; more than one only while all but the newest are cancelled.
    generations: Mutex<usize>,
    status: watch::Sender<SessionStatus>,
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
    pub(crate) fn set_link(&self, link: LinkState) {
        self.status.send_if_modified(|status| std::mem::replace(&mut status.link, link) != link);
    }

    /// One generation more, unless `is_free` says no to those that have not ended.
    fn begin(&self, is_free: impl FnOnce() -> bool) -> bool {
        let mut generations = locked(&self.generations);
        if *generations > 0 && !is_free() {
            return false;
        }
        *generations += 1;
        self.set_generating(true);
        true
    }

    fn end(&self) {
        let mut generations = locked(&self.generations);
        *generations = generations.saturating_sub(1);
        self.set_generating(*generations > 0);
    }

    fn set_generating(&self, generating: bool) {
        self.status.send_if_modified(|status| std::mem::replace(&mut status.generating, generating) != generating);
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("status", &self.status()).finish_non_exhaustive()
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
            conversation: Mutex::default(),
            calibration: Mutex::new(options.calibration.clone()),
            sent: Arc::new(SentLog::new(options.record)),
            may_ask: Arc::default(),
            news: News::default(),
            device: Mutex::default(),
            generations: Mutex::default(),
            status: watch::Sender::default(),
        });
        let (mode, consent, has_verifier) = (options.mode, options.consent, verifier.is_some());
        let verifier = verifier.map(|verifier| {
            let (sent, may_ask) = (Arc::clone(&shared.sent), Arc::clone(&shared.may_ask));
            Arc::new(Outbox::new(verifier, Arc::clone(&model), sent, may_ask)) as Arc<dyn Verifier>
        });
        let state = Arc::clone(&shared);
        let mut device = Device::new(model, verifier, options, sender.clone(), Arc::clone(&shared), clock)?;
        let spawned = std::thread::Builder::new().name("uhlm-session".into()).spawn(move || {
            while let Ok(message) = inbox.recv() {
                match message {
                    Inbox::Job(job) => {
                        device.run(*job, &inbox, || state.end());
                        if device.is_closed() {
                            break;
                        }
                    }
                    Inbox::Reset => device.reset(),
                    Inbox::Opened(result) => device.opened_late(result),
                    Inbox::Verdict { tag, result } => device.probed_late(tag, result),
                    Inbox::Wake => device.attend(),
                    Inbox::Close => break,
                    // Answers to calls that were given up.
                    _ => {}
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a session");
        }
        let (running, consent) = (Mutex::new(None), Mutex::new(consent));
        Ok(Self { inbox: sender, shared, running, mode, has_verifier, consent })
    }

    /// Starts a generation; one that follows a cancelled one begins when that has ended, a decode step later at most.
    ///
    /// # Errors
    /// [`GenerationError::Busy`] while another one runs that is not cancelled, [`GenerationError::ConsentRequired`] if it
    /// would send what the person has not agreed to, [`GenerationError::SessionClosed`]. Everything else comes from the
    /// stream.
    pub fn generate(&self, prompt: Prompt, options: GenerationOptions) -> Result<Generation, GenerationError> {
        let mut running = locked(&self.running);
        if !self.shared.begin(|| running.as_ref().is_some_and(Cancel::is_cancelled)) {
            return Err(GenerationError::Busy);
        }
        if let Err(error) = self.check_consent(&prompt, &options) {
            self.shared.end();
            return Err(error);
        }
        let waker = self.inbox.clone();
        let (sink, generation) = generation::channel(Waker::new(move || {
            // A session that is gone needs no waking.
            let _ = waker.send(Inbox::Wake);
        }));
        *running = Some(sink.cancel().clone());
        let job = Job { prompt, options, sink };
        if self.inbox.send(Inbox::Job(Box::new(job))).is_err() {
            self.shared.end();
            return Err(GenerationError::SessionClosed);
        }
        Ok(generation)
    }

    /// Whether what a generation would send is agreed to; opens the way to the verifier if so, and shuts it if not.
    fn check_consent(&self, prompt: &Prompt, options: &GenerationOptions) -> Result<(), GenerationError> {
        let asks = self.has_verifier && options.mode.unwrap_or(self.mode) != Mode::DeviceOnly;
        let consent = options.consent.unwrap_or(*locked(&self.consent));
        let mut conversation = locked(&self.shared.conversation);
        // Raw text stands alone: nothing of the conversation goes with it.
        let earlier = if matches!(prompt, Prompt::Raw(_)) { 0 } else { conversation.uncovered() };
        let required = match consent {
            _ if !asks => None,
            Consent::Conversation => None,
            Consent::Message => Some(earlier).filter(|&earlier| earlier > 0),
            Consent::Withheld => Some(earlier + 1),
        };
        self.shared.may_ask.store(asks && required.is_none(), Ordering::Release);
        if let Some(messages) = required {
            return Err(GenerationError::ConsentRequired { messages });
        }
        if asks && consent == Consent::Conversation {
            conversation.cover();
        }
        Ok(())
    }

    /// Gives or withdraws consent for the generations that follow. Withdrawn, a generation that asks the verifier is
    /// cancelled, nothing more is sent, and the verifier is told to forget the conversation; what was sent stays sent.
    pub fn set_consent(&self, consent: Consent) {
        *locked(&self.consent) = consent;
        if consent == Consent::Withheld && self.shared.may_ask.swap(false, Ordering::AcqRel) {
            if let Some(cancel) = &*locked(&self.running) {
                cancel.cancel();
            }
            self.shared.news.withdrawn.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// What was sent to the verifier so far.
    #[must_use]
    pub fn sent(&self) -> SentRecord {
        self.shared.sent.copy()
    }

    /// Forgets the requests in the record, with their texts; the totals stay.
    pub fn clear_sent(&self) {
        self.shared.sent.clear();
    }

    /// The system reported another network, or the app came to the front: the verifier is asked again at once, over a new
    /// connection, whatever failed before.
    pub fn on_network_change(&self) {
        self.shared.news.network.store(true, Ordering::Release);
        self.wake();
    }

    /// What the device is going through. The session keeps to what its policy makes of it from the next generation on; a
    /// cache that the policy gives up goes as soon as nothing runs.
    pub fn set_device(&self, state: DeviceState) {
        *locked(&self.shared.device) = state;
        self.wake();
    }

    fn wake(&self) {
        // A session that is gone needs no waking.
        let _ = self.inbox.send(Inbox::Wake);
    }

    /// Whether a generation is running.
    #[must_use]
    pub fn is_generating(&self) -> bool {
        self.status().generating
    }

    /// The conversation so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        locked(&self.shared.conversation).messages()
    }

    /// Replaces the conversation: a restored one, or a new system message.
    ///
    /// # Errors
    /// [`GenerationError::Busy`].
    pub fn set_messages(&self, messages: Vec<Message>) -> Result<(), GenerationError> {
        if self.is_generating() {
            return Err(GenerationError::Busy);
        }
        locked(&self.shared.conversation).replace(messages);
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
        locked(&self.shared.conversation).keep_system();
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
        self.status().link
    }

    /// What an app shows of it.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        *self.shared.status.borrow()
    }

    /// The status as it changes, from the present one on. Keeps nothing alive.
    #[must_use]
    pub fn status_updates(&self) -> StatusUpdates {
        let mut status = self.shared.status.subscribe();
        status.mark_changed();
        StatusUpdates { status }
    }
}

/// The status of a session as it changes; see [`Session::status_updates`].
#[derive(Debug)]
pub struct StatusUpdates {
    status: watch::Receiver<SessionStatus>,
}

impl StatusUpdates {
    /// The present status at first, then each new one; changes that come faster than they are taken are seen as the last of
    /// them. `None` once the session is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<SessionStatus> {
        self.status.changed().await.ok().map(|()| *self.status.borrow_and_update())
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
