//! What reaches the session's thread: jobs, answers, and reasons to look around.

use std::sync::Arc;

use uhlm_law::protocol::{DrawsResponse, OpenResponse, VerifyResponse};

use crate::generation::EventSink;
use crate::options::{GenerationOptions, Prompt};
use crate::verifier::{Answer, Continued, Verifier, VerifierError};

/// A generation to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) prompt: Prompt,
    pub(crate) options: GenerationOptions,
    pub(crate) sink: EventSink,
}

/// What reaches the session's thread.
#[derive(Debug)]
pub(crate) enum Inbox {
    Job(Box<Job>),
    Opened(Result<Opened, VerifierError>),
    Verdict {
        tag: Tag,
        result: Result<Answer<VerifyResponse>, VerifierError>,
    },
    Draws {
        tag: Tag,
        result: Result<Answer<DrawsResponse>, VerifierError>,
    },
    Continued {
        tag: Tag,
        result: Result<Answer<Continued>, VerifierError>,
    },
    /// Look at the cancel signal and at what else changed.
    Wake,
    Reset,
    Close,
}

/// Which request an answer belongs to. Numbers begin anew with each session, so they do not say it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(super) session: u32,
    pub(super) seq: u32,
}

/// A session that was opened. It is closed again unless somebody keeps it, wherever the message that brings it ends:
/// the generation that asked for it may be over, or the device's session gone.
pub(crate) struct Opened {
    pub(super) answer: Option<Answer<OpenResponse>>,
    pub(super) verifier: Arc<dyn Verifier>,
}

impl Opened {
    pub(super) fn keep(mut self) -> Option<Answer<OpenResponse>> {
        self.answer.take()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(answer) = &self.answer {
            self.verifier.close(&answer.value.session);
        }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Opened").field(&self.answer).finish()
    }
}
