//! The check of a verifier's answer against what the device asked.
//!
//! Decides which frames are answers at all to what was asked. A verifier is not trusted: every frame is checked here
//! once, and what lies behind relies on it.

use super::frame::{Frame, Labels, Text};
use super::request::Labelling;
use crate::sampling::TokenId;

/// The facts about one request by which its answer is checked. They are kept with the answer, and handed to
/// [`Conversation::hear`](super::Conversation::hear) with each frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub(super) generation: u32,
    pub(super) seq: u32,
    /// Number of the peer's session that the request went to.
    pub(super) session: u32,
    /// Number of tokens before the first given or drafted one. A refusal is about these.
    pub(super) base: usize,
    /// Number of tokens that the session's text begins with once it has taken the request; `None` where nothing was
    /// given.
    pub(super) stood: Option<usize>,
    /// Whether the request gave only a part of what the session lacks.
    pub(super) is_part: bool,
    /// Whether the request said how the generation begins.
    pub(super) begins: bool,
    pub(super) labels: Labelling,
    pub(super) reply_start: usize,
    /// Largest number of tokens that the sequence may have.
    pub(super) limit: usize,
    pub(super) vocabulary_size: u32,
    /// Whether the device has committed every text of this answer so far, now or earlier.
    pub(super) clean: bool,
    /// Whether the answer is complete.
    pub(super) ended: bool,
}

/// The rule that a frame breaks, so that it is no answer to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswer {
    /// A frame comes after the last one.
    #[error("a frame after the end of the answer")]
    AfterEnd,
    /// An id is not in the vocabulary.
    #[error("token {id} is outside the vocabulary")]
    UnknownToken {
        /// The unknown id.
        id: TokenId,
    },
    /// The text begins before the reply.
    #[error("text from index {pos} on, before the reply")]
    BeforeReply {
        /// Index of the first token.
        pos: u32,
    },
    /// The text is longer than what was asked for, or than the context.
    #[error("text up to index {end}, beyond the limit of {limit}")]
    TooLong {
        /// Number of tokens up to its end.
        end: u64,
        /// Largest number of tokens that the sequence may have.
        limit: u64,
    },
    /// The frame holds neither text nor labels.
    #[error("a frame without text")]
    Empty,
    /// Labels are given that were not asked for.
    #[error("labels that were not asked for")]
    LabelsNotAsked,
    /// Labels are given for tokens outside the reply.
    #[error("labels for tokens outside the reply")]
    LabelsOutside,
    /// The verifier takes back what it has told before.
    #[error("text from index {pos} on takes back what was told before")]
    TakenBack {
        /// Index of the first token.
        pos: u32,
    },
}

impl Asked {
    /// Returns the number of the request.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Returns the number of the generation that asked.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Tells whether the answer is complete.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Checks a frame against what was asked.
    pub(super) fn admit(&mut self, frame: &Frame) -> Result<(), InvalidAnswer> {
        if self.ended {
            return Err(InvalidAnswer::AfterEnd);
        }
        match frame {
            Frame::Text(text) => self.admit_text(text),
            Frame::End(_) | Frame::Failed(_) => {
                self.ended = true;
                Ok(())
            }
            Frame::Progress(_) => Ok(()),
        }
    }

    fn admit_text(&self, text: &Text) -> Result<(), InvalidAnswer> {
        let Text { pos, ref ids, ref labels, .. } = *text;
        if let Some(&id) = ids.iter().find(|id| **id >= self.vocabulary_size) {
            return Err(InvalidAnswer::UnknownToken { id });
        }
        if (pos as usize) < self.reply_start {
            return Err(InvalidAnswer::BeforeReply { pos });
        }
        let (end, limit) = (u64::from(pos) + ids.len() as u64, self.limit as u64);
        if end > limit {
            return Err(InvalidAnswer::TooLong { end, limit });
        }
        match labels {
            None if ids.is_empty() => Err(InvalidAnswer::Empty),
            None => Ok(()),
            Some(labels) => self.admit_labels(labels),
        }
    }

    fn admit_labels(&self, labels: &Labels) -> Result<(), InvalidAnswer> {
        let Labelling { matched, probabilities } = self.labels;
        let is_asked = probabilities || (matched && labels.p.is_empty());
        if !is_asked {
            return Err(InvalidAnswer::LabelsNotAsked);
        }
        let end = (labels.pos as usize).saturating_add(labels.matched.len());
        if (labels.pos as usize) < self.reply_start || end > self.limit {
            return Err(InvalidAnswer::LabelsOutside);
        }
        Ok(())
    }
}
