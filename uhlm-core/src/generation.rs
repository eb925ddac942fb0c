//! The handle of one run: pull events, cancel, cancel on drop.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use uhlm_law::cancel::Cancel;

use crate::error::GenerationError;
use crate::event::{Event, FinishReason};
use crate::metrics::Statistics;
use crate::state::locked;

/// Number of events that can wait for the consumer; when as many wait, the device pauses.
const BUFFERED_EVENTS: usize = 512;

/// The handle of one running generation.
///
/// # Cancel safety
/// [`next`](Self::next) may be dropped at any await point without losing an event. Dropping the handle, or calling
/// [`cancel`](Self::cancel), stops the draft model within one decode step and resets the request that is in flight; the
/// session is usable as soon as the last event was sent, and everything committed stays committed.
#[derive(Debug)]
pub struct Generation {
    events: mpsc::Receiver<Event>,
    last: Arc<Mutex<Option<Last>>>,
    cancel: Cancel,
    wake: Waker,
}

/// The end of the stream: [`Event::Finished`] or an error.
type Last = Result<Event, GenerationError>;

/// A function that wakes the session's thread where it waits for a verdict.
#[derive(Clone)]
pub(crate) struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// Makes a waker that calls `wake`.
    pub(crate) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(wake))
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// Time within which events reach the consumer together: a frame of a display. Waking the consumer's thread takes a
/// core from llama.cpp's threads, which all wait for each other then: with as many threads as cores, a token of 2.4 ms
/// took 3.3 ms where each event was handed over by itself. No event waits longer than this, and none waits while the
/// session's thread does.
pub(crate) const TOGETHER: Duration = Duration::from_millis(16);
/// Number of held events at which they are handed over, however little time has passed: a fast model is to notice early
/// that its consumer is behind.
const MAX_HELD: usize = 64;

/// The end of the channel that the session's thread writes to.
#[derive(Debug)]
pub(crate) struct EventSink {
    events: mpsc::Sender<Event>,
    held: RefCell<Held>,
    last: Arc<Mutex<Option<Last>>>,
    cancel: Cancel,
    /// Whether nobody is to see the events.
    is_silent: bool,
}

/// The events that were not handed over yet.
#[derive(Debug, Default)]
struct Held {
    events: VecDeque<Event>,
    /// Time of the last event that was handed over; `None` before the first.
    handed_over: Option<Instant>,
}

/// Makes the two ends of a generation; `wake` wakes the session's thread when it is cancelled.
pub(crate) fn channel(wake: Waker) -> (EventSink, Generation) {
    let (sender, receiver) = mpsc::channel(BUFFERED_EVENTS);
    let last = Arc::new(Mutex::new(None));
    let cancel = Cancel::new();
    let sink = EventSink {
        events: sender,
        held: RefCell::default(),
        last: Arc::clone(&last),
        cancel: cancel.clone(),
        is_silent: false,
    };
    (sink, Generation { events: receiver, last, cancel, wake })
}

/// A handle that cancels one generation; see [`Generation::canceller`]. It does not keep the generation alive.
#[derive(Clone, Debug)]
pub struct Canceller {
    cancel: Cancel,
    wake: Waker,
}

impl Canceller {
    /// Cancels the generation as [`Generation::cancel`] does.
    pub fn cancel(&self) {
        self.cancel.cancel();
        (self.wake.0)();
    }
}

impl EventSink {
    /// Makes a sink of a generation that nobody listens to, which `cancel` ends.
    pub(crate) fn silent(cancel: Cancel) -> Self {
        let (events, _) = mpsc::channel(1);
        Self { events, held: RefCell::default(), last: Arc::default(), cancel, is_silent: true }
    }

    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Sends an event, at once or together with those that follow within [`TOGETHER`].
    pub(crate) fn send(&self, event: Event) {
        if self.is_silent {
            return;
        }
        let due = {
            let mut held = self.held.borrow_mut();
            held.events.push_back(event);
            held.events.len() >= MAX_HELD || held.handed_over.is_none_or(|at| at.elapsed() >= TOGETHER)
        };
        if due {
            self.flush();
        }
    }

    /// Hands over the events that are held; waits while the consumer is behind, and gives the events up once the
    /// generation is cancelled or the handle is gone (the whole text is in the last event). The thread calls this
    /// before it waits for anything.
    pub(crate) fn flush(&self) {
        let mut held = self.held.borrow_mut();
        while let Some(mut event) = held.events.pop_front() {
            loop {
                match self.events.try_send(event) {
                    Ok(()) => break,
                    Err(mpsc::error::TrySendError::Closed(_)) => return self.cancel.cancel(),
                    Err(mpsc::error::TrySendError::Full(_)) if self.cancel.is_cancelled() => break,
                    Err(mpsc::error::TrySendError::Full(back)) => event = back,
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            held.handed_over = Some(Instant::now());
        }
    }

    /// Ends the stream with `last`.
    pub(crate) fn finish(self, last: Last) {
        self.flush();
        *locked(&self.last) = Some(last);
        // Dropping the sender ends the channel; the consumer then finds the last event, whether it kept up or not.
    }
}

/// Ends the stream with an error and not with silence where the generation never ran, because the session was dropped
/// first, or its thread panicked.
impl Drop for EventSink {
    fn drop(&mut self) {
        let panics = std::thread::panicking();
        let error = if panics { GenerationError::SessionFailed } else { GenerationError::SessionClosed };
        // The consumer looks here when the channel has ended, which is after this.
        locked(&self.last).get_or_insert(Err(error));
    }
}

impl Generation {
    /// Waits for the next event and returns it; `None` after [`Event::Finished`] or an error.
    ///
    /// # Errors
    /// [`GenerationError`], once, as the last item. Text committed before it stands.
    pub async fn next(&mut self) -> Option<Result<Event, GenerationError>> {
        match self.events.recv().await {
            Some(event) => Some(Ok(event)),
            None => self.take_last(),
        }
    }

    /// Blocks until the next event and returns it, as [`next`](Self::next) does, for callers without an async runtime;
    /// it must not be called inside one.
    pub fn blocking_next(&mut self) -> Option<Result<Event, GenerationError>> {
        match self.events.blocking_recv() {
            Some(event) => Some(Ok(event)),
            None => self.take_last(),
        }
    }

    fn take_last(&mut self) -> Option<Result<Event, GenerationError>> {
        locked(&self.last).take()
    }

    /// Waits for at least one event and appends all that are there, but at most `limit`, to `events`; returns how many.
    /// Returns 0 after the end, where `next` returns `None`. This is for consumers to whom each call costs something.
    ///
    /// # Errors
    /// [`GenerationError`], once, as the last item. Text committed before it stands.
    pub async fn next_many(&mut self, events: &mut Vec<Event>, limit: usize) -> Result<usize, GenerationError> {
        match self.events.recv_many(events, limit.max(1)).await {
            0 => match self.take_last() {
                Some(last) => {
                    events.push(last?);
                    Ok(1)
                }
                None => Ok(0),
            },
            count => Ok(count),
        }
    }

    /// Stops both models. The stream then ends with [`Event::Finished`] and
    /// [`FinishReason::Cancelled`](crate::event::FinishReason::Cancelled), unless it had ended already.
    pub fn cancel(&self) {
        self.canceller().cancel();
    }

    /// Returns a handle that cancels this generation from elsewhere, while [`next`](Self::next) waits.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller { cancel: self.cancel.clone(), wake: self.wake.clone() }
    }

    /// Blocks until the end and returns the whole text with the statistics.
    ///
    /// # Errors
    /// [`GenerationError`]; [`GenerationError::Incomplete`] for a reply with a grammar that was cut.
    pub fn blocking_finish(mut self) -> Result<(String, Statistics), GenerationError> {
        while let Some(event) = self.blocking_next() {
            if let Event::Finished { reason, text, statistics, .. } = event? {
                return whole(reason, text, *statistics);
            }
        }
        Err(GenerationError::SessionClosed)
    }

    /// Waits for the end and returns the whole text with the statistics.
    ///
    /// # Errors
    /// [`GenerationError`]; [`GenerationError::Incomplete`] for a reply with a grammar that was cut.
    pub async fn finish(mut self) -> Result<(String, Statistics), GenerationError> {
        while let Some(event) = self.next().await {
            if let Event::Finished { reason, text, statistics, .. } = event? {
                return whole(reason, text, *statistics);
            }
        }
        Err(GenerationError::SessionClosed)
    }
}

/// Returns a reply that has ended, unless it was to have a form and was cut before it had.
fn whole(reason: FinishReason, text: String, statistics: Statistics) -> Result<(String, Statistics), GenerationError> {
    if statistics.grammar_complete == Some(false) && reason != FinishReason::Cancelled {
        return Err(GenerationError::Incomplete { text, reason });
    }
    Ok((text, statistics))
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.cancel();
    }
}
