//! What reaches the session's thread: jobs, answers, and reasons to look around.

use std::collections::VecDeque;
use std::sync::Arc;

use uhlm_law::advance::{self, Frame};

use crate::generation::EventSink;
use crate::options::{GenerationOptions, Prompt};
use crate::verifier::{Answer, Verifier, VerifierError, VerifierExt as _};

/// A generation to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) prompt: Prompt,
    pub(crate) options: GenerationOptions,
    pub(crate) sink: EventSink,
}

/// What was asked of a session while a generation ran.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Generations that were asked for while a cancelled one had not ended yet.
    pub(super) jobs: VecDeque<Job>,
    /// Whether the session was dropped.
    pub(super) closed: bool,
}

/// Which answer a frame belongs to; no two answers of a session have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(super) u64);

/// What the answer to one request brings, part by part.
pub(crate) type Heard = Result<Answer<Frame>, VerifierError>;

/// A message to the session's thread.
#[derive(Debug)]
pub(crate) enum Inbox {
    Job(Box<Job>),
    Opened(Result<Opened, VerifierError>),
    Frame {
        tag: Tag,
        heard: Heard,
    },
    /// Look at the cancel signal and at what else changed.
    Wake,
    Reset,
    Close,
}

/// A session that was opened. It is closed again unless somebody keeps it, wherever the message that brings it ends:
/// the generation that asked for it may be over, or the device's session gone.
pub(crate) struct Opened {
    answer: Option<Answer<advance::Opened>>,
    verifier: Arc<dyn Verifier>,
}

impl Opened {
    pub(super) fn new(answer: Answer<advance::Opened>, verifier: Arc<dyn Verifier>) -> Self {
        Self { answer: Some(answer), verifier }
    }

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
