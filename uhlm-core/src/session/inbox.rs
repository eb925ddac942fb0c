//! The messages to the session's thread: jobs, answers, and reasons to look around.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;
use uhlm_law::advance;

use super::unread::Part;
use crate::error::GenerationError;
use crate::generation::EventSink;
use crate::options::{GenerationOptions, Prompt};
use crate::saved_session::SavedSessionError;
use crate::verifier::{Answer, Verifier, VerifierError, VerifierExt as _};

/// A generation to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) prompt: Prompt,
    pub(crate) options: GenerationOptions,
    pub(crate) sink: EventSink,
}

/// The requests to a session that came while a generation ran.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Generations that were requested while a cancelled one had not ended yet.
    pub(super) jobs: VecDeque<Job>,
    /// Work that waits until no generation runs.
    pub(super) tasks: VecDeque<Task>,
    /// Whether the session was dropped.
    pub(super) closed: bool,
}

/// Work for the session's thread beside generations. Nobody may wait for its outcome any more.
#[derive(Debug)]
pub(crate) enum Task {
    /// To save the session to a file.
    Save { path: PathBuf, done: oneshot::Sender<Result<(), SavedSessionError>> },
    /// To read ahead of a message that begins so, and to open the session on the verifier if it may be asked.
    Warm { beginning: String, asks: bool, done: oneshot::Sender<Result<usize, GenerationError>> },
}

/// The number of the answer that a frame belongs to; no two answers of a session have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(super) u64);

/// A message to the session's thread.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// A generation to run.
    Job(Box<Job>),
    /// Work beside generations.
    Task(Task),
    /// The answer to an attempt to open a session on the verifier.
    Opened(Result<Opened, VerifierError>),
    /// A part of the answer to a request, or its failure.
    Frame { tag: Tag, part: Part },
    /// A reason to look at the cancel signal and at what else changed.
    Wake,
    /// The conversation was forgotten.
    Reset,
    /// The session was dropped.
    Close,
}

/// A session that was opened on the verifier. It is closed again unless somebody keeps it, wherever the message that
/// brings it ends: the generation that asked for it may be over, or the device's session gone.
pub(crate) struct Opened {
    answer: Option<Answer<advance::Opened>>,
    verifier: Arc<dyn Verifier>,
}

impl Opened {
    pub(super) fn new(answer: Answer<advance::Opened>, verifier: Arc<dyn Verifier>) -> Self {
        Self { answer: Some(answer), verifier }
    }

    /// Keeps the session open and returns the answer.
    pub(super) fn keep(mut self) -> Option<Answer<advance::Opened>> {
        self.answer.take()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(answer) = &self.answer {
            self.verifier.close(answer.value.session);
        }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Opened").field(&self.answer).finish()
    }
}
