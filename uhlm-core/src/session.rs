//! A session: one conversation with its options, its messages, and the thread that owns the draft model's context.
//!
//! The thread's side is in the modules below: a `worker` keeps what lives between generations, a `run` is one of them.

mod allowing;
mod apart;
mod bridging;
mod budget;
mod calling;
mod closing;
mod crossing;
mod drafter;
mod drafting;
mod end;
mod ends;
mod explaining;
mod forced;
mod foreground;
mod hearing;
mod inbox;
mod lookahead;
mod observed;
mod offline;
mod outage;
mod pacing;
mod pipeline;
mod prompt;
mod reading;
mod remote;
mod reply;
mod run;
mod saving;
mod sending;
pub(crate) mod summarising;
mod terms;
mod text;
mod thinking;
mod token;
mod uncrossed;
mod unread;
mod verdict;
mod warming;
mod worker;

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use uhlm_law::calibration::Calibration;
use uhlm_law::cancel::Cancel;
use uhlm_law::chat::{DraftModel, Message, RenderOptions};
use uhlm_law::sampling::SamplingError;

use self::inbox::{Inbox, Job};
use self::worker::Worker;
use crate::clock::{Clock, SystemClock};
use crate::device::DeviceState;
use crate::error::GenerationError;
use crate::generation::{self, Generation, Waker};
use crate::language::Language;
use crate::mode::Mode;
use crate::options::{GenerationOptions, Prompt, SessionOptions};
use crate::privacy::{Consent, Outbox, SentRecord};
use crate::state::{ContextUse, SessionStatus};
use crate::state::{SessionState, locked};
use crate::totals::Totals;
use crate::verifier::Verifier;

/// Size of the session thread's stack, in bytes. Only what is used takes memory. Templates and llama.cpp's graphs nest
/// as deep as the model's file has them; text is split on a thread of its own where that goes deep.
const STACK: usize = 8 << 20;

/// A conversation with one draft model and, mostly, one verifier. It is `Send + Sync`, and its calls do not block.
///
/// Its decode context lives on a thread of its own, which ends when the session is dropped.
pub struct Session {
    inbox: Sender<Inbox>,
    shared: Arc<SessionState>,
    /// Cancels the newest generation.
    running: Mutex<Option<Cancel>>,
    mode: Mode,
    has_verifier: bool,
    consent: Mutex<Consent>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session on a loaded model. This is cheap: the context is made, and the verifier asked, when the first
    /// generation needs them.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn new(
        model: impl Into<DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
    ) -> Result<Self, SamplingError> {
        Self::with_clock(model, verifier, options, Arc::new(SystemClock))
    }

    /// Opens a session as [`Self::new`] does, in another time than the real one: deadlines, back-off, measured costs
    /// and statistics follow `clock`. This is for evaluations.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn with_clock(
        model: impl Into<DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SamplingError> {
        Self::begun(model.into(), verifier, options, clock, |_| Ok(()))
    }

    /// Opens a session whose thread begins when `prepare` is done with what it will own.
    pub(crate) fn begun<E: From<SamplingError>>(
        model: DraftModel,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        clock: Arc<dyn Clock>,
        prepare: impl FnOnce(&mut Worker) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (sender, inbox) = channel();
        let shared = Arc::new(SessionState::new(&options, Language::from(&model)));
        let (mode, consent, has_verifier) = (options.mode, options.consent, verifier.is_some());
        let verifier = verifier.map(|verifier| {
            let (sent, may_ask) = (Arc::clone(&shared.sent), Arc::clone(&shared.may_ask));
            Arc::new(Outbox::new(verifier, Arc::clone(&shared.language), sent, may_ask)) as Arc<dyn Verifier>
        });
        let state = Arc::clone(&shared);
        let mut worker = Worker::new(model, verifier, options, sender.clone(), Arc::clone(&shared), clock)?;
        prepare(&mut worker)?;
        let work = move || {
            // Even if a panic ends the thread, nobody is told afterwards that the session is busy for ever.
            let ended = Ended(Arc::clone(&state));
            worker.work(&inbox, || state.end());
            drop(ended);
        };
        let spawned = std::thread::Builder::new().name("uhlm-session".into()).stack_size(STACK).spawn(work);
        if let Err(error) = spawned {
            tracing::error!(%error, "no thread for a session");
        }
        let (running, consent) = (Mutex::new(None), Mutex::new(consent));
        Ok(Self { inbox: sender, shared, running, mode, has_verifier, consent })
    }

    /// Starts a generation; one that follows a cancelled one begins when that has ended, a decode step later at most.
    ///
    /// # Errors
    /// [`GenerationError::Busy`] while another one runs that is not cancelled, [`GenerationError::ConsentRequired`]
    /// if it would send what the person has not agreed to, [`GenerationError::InvalidTools`],
    /// [`GenerationError::SessionClosed`]. Everything else comes from the stream.
    pub fn generate(&self, prompt: Prompt, options: GenerationOptions) -> Result<Generation, GenerationError> {
        let mut running = locked(&self.running);
        if !self.shared.begin(|| running.as_ref().is_some_and(Cancel::is_cancelled)) {
            return Err(GenerationError::Busy);
        }
        let checked = self.check_tools(&prompt, &options).and_then(|()| self.check_consent(&prompt, &options));
        if let Err(error) = checked {
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

    /// Checks that the model can be given these tools, and that results are those that it waits for.
    fn check_tools(&self, prompt: &Prompt, options: &GenerationOptions) -> Result<(), GenerationError> {
        let invalid = |reason: String| GenerationError::InvalidTools { reason };
        uhlm_tools::check(&options.tools.definitions).map_err(|error| invalid(error.to_string()))?;
        if matches!(prompt, Prompt::Apart(_)) && !options.tools.definitions.is_empty() {
            return Err(invalid("results of tools would join a conversation that this prompt is apart from".into()));
        }
        forced::check(prompt, options)?;
        let Prompt::ToolResults(results) = prompt else { return Ok(()) };
        let open = locked(&self.shared.conversation).open_calls();
        let missing = open.iter().find(|id| !results.iter().any(|result| result.id == **id));
        let unknown = results.iter().find(|result| !open.contains(&result.id));
        match (missing, unknown) {
            _ if open.is_empty() => Err(invalid("no call waits for a result".into())),
            (Some(id), _) => Err(invalid(format!("the call '{id}' has no result"))),
            (None, Some(result)) => Err(invalid(format!("no call '{}' waits for a result", result.id))),
            (None, None) if results.len() != open.len() => {
                Err(invalid(format!("{} calls wait for {} results", open.len(), results.len())))
            }
            (None, None) => Ok(()),
        }
    }

    /// Checks that the person agreed to what a generation would send; opens the way to the verifier if so, and shuts it
    /// if not.
    fn check_consent(&self, prompt: &Prompt, options: &GenerationOptions) -> Result<(), GenerationError> {
        let asks = self.has_verifier && !options.dry_run && options.mode.unwrap_or(self.mode) != Mode::DeviceOnly;
        let consent = options.consent.unwrap_or(*locked(&self.consent));
        let mut conversation = locked(&self.shared.conversation);
        let joins = matches!(prompt, Prompt::Chat(_) | Prompt::ToolResults(_));
        // Raw text and messages apart stand alone: nothing of the conversation goes with them.
        let earlier = if joins { conversation.uncovered() } else { 0 };
        let lacking = if asks { consent.lacks(earlier) } else { None };
        self.shared.may_ask.store(asks && lacking.is_none(), Ordering::Release);
        if let Some(messages) = lacking {
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

    /// Returns the record of what was sent to the verifier so far.
    #[must_use]
    pub fn sent(&self) -> SentRecord {
        self.shared.sent.copy()
    }

    /// Forgets the requests in the record, with their texts; the totals stay.
    pub fn clear_sent(&self) {
        self.shared.sent.clear();
    }

    /// Tells the session that the system reported another network, or that the app came to the front: the verifier is
    /// asked again at once, over a new connection, whatever failed before.
    pub fn on_network_change(&self) {
        self.shared.news.network.store(true, Ordering::Release);
        self.wake();
    }

    /// Tells the session the state of the device. The session keeps to the limits that its policy sets for that from
    /// the next generation on; a cache that the policy gives up goes as soon as nothing runs. A draft model on a GPU
    /// stops at once where the app is [not in front](DeviceState::in_background), and goes on when it is again.
    pub fn set_device(&self, state: DeviceState) {
        *locked(&self.shared.device) = state;
        self.wake();
    }

    fn wake(&self) {
        // A session that is gone needs no waking.
        let _ = self.inbox.send(Inbox::Wake);
    }

    /// Tells whether a generation is running.
    #[must_use]
    pub fn is_generating(&self) -> bool {
        self.status().generating
    }

    /// Returns the conversation so far.
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
        self.count(&messages);
        locked(&self.shared.conversation).replace(messages);
        Ok(())
    }

    /// Changes the instructions: they take the place of all system messages; `None` takes these away. The conversation
    /// is read anew with the next message.
    ///
    /// # Errors
    /// [`GenerationError::Busy`].
    pub fn set_instructions(&self, instructions: Option<&str>) -> Result<(), GenerationError> {
        if self.is_generating() {
            return Err(GenerationError::Busy);
        }
        let mut conversation = locked(&self.shared.conversation);
        conversation.set_instructions(instructions);
        self.count(&conversation.messages());
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
        let mut conversation = locked(&self.shared.conversation);
        conversation.keep_system();
        self.count(&conversation.messages());
        drop(conversation);
        self.inbox.send(Inbox::Reset).map_err(|_| GenerationError::SessionClosed)
    }

    /// Returns the part of its context that the conversation takes, also while a reply is written.
    #[must_use]
    pub fn context_use(&self) -> ContextUse {
        *locked(&self.shared.context)
    }

    /// Counts the tokens of a conversation to which nothing was replied yet; one that the template refuses counts for
    /// nothing.
    fn count(&self, messages: &[Message]) {
        let options = RenderOptions { add_generation_prompt: false, ..RenderOptions::default() };
        let rendered = Some(messages).filter(|messages| !messages.is_empty());
        let Language { words, template } = locked(&self.shared.language).clone();
        let rendered = rendered.and_then(|messages| template.render(messages, &options).ok());
        let tokens = rendered.and_then(|rendered| rendered.tokens(|text, special| words.tokenize(text, special)).ok());
        locked(&self.shared.context).tokens = tokens.map_or(0, |tokens| tokens.len());
    }

    /// Returns what the session's generations have taken in all, those that have ended.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *locked(&self.shared.totals)
    }

    /// Returns the calibration with what this session's verdicts have taught.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        locked(&self.shared.calibration).clone()
    }

    /// Returns the status that an app shows of the session.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        *self.shared.status.borrow()
    }

    /// Returns the status as it changes, from the present one on. The updates keep nothing alive.
    #[must_use]
    pub fn status_updates(&self) -> StatusUpdates {
        let mut status = self.shared.status.subscribe();
        status.mark_changed();
        StatusUpdates { status }
    }
}

/// A guard that says that nothing runs any more when the session's thread ends.
struct Ended(Arc<SessionState>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end_all();
    }
}

/// The status of a session as it changes; see [`Session::status_updates`].
#[derive(Debug)]
pub struct StatusUpdates {
    status: watch::Receiver<SessionStatus>,
}

impl StatusUpdates {
    /// Waits for a status and returns it: the present one at first, then each new one; of changes that come faster than
    /// they are taken, only the last is seen. Returns `None` once the session is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<SessionStatus> {
        self.status.changed().await.ok().map(|()| *self.status.borrow_and_update())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(cancel) = locked(&self.running).take() {
            cancel.cancel();
        }
        self.shared.news.closed.store(true, Ordering::Release);
        // The thread may have ended already.
        let _ = self.inbox.send(Inbox::Close);
    }
}
