//! The reasons why there are no rows.

use std::time::Duration;

use uhlm_law::sampling::{PartialRowError, TokenId};

/// The reason why an answer is none to what was asked. It quotes nothing of the answer but ids and counts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidAnswer {
    /// The answer has another form than the engine's documentation says.
    #[error("the answer has no readable {0}")]
    Form(&'static str),
    /// The text that the engine has read is another one.
    #[error("the engine has read {read} tokens of {asked}")]
    OtherText {
        /// Number of tokens that the engine has read.
        read: u64,
        /// Number of tokens of the question.
        asked: u64,
    },
    /// The engine names other tokens than those of the question.
    #[error("the engine has read token {id} where {asked} was asked")]
    OtherToken {
        /// Id that the engine names.
        id: TokenId,
        /// Id in the question.
        asked: TokenId,
    },
    /// A row lists fewer tokens than were asked for.
    #[error("a row lists {listed} tokens of {asked}")]
    TooFew {
        /// Number of tokens that it lists.
        listed: usize,
        /// Number of tokens that were asked for.
        asked: usize,
    },
    /// A row gives a probability to an id that is no token.
    #[error("id {id} is no token of the vocabulary, and is probable all the same")]
    NoToken {
        /// The id.
        id: TokenId,
    },
    /// A token that the row does not list is more probable than those that it lists.
    #[error("token {id} is more probable than listed ones and is not listed")]
    Contradiction {
        /// Id of the token.
        id: TokenId,
    },
    /// The numbers are no probabilities.
    #[error(transparent)]
    Row(#[from] PartialRowError),
}

/// The reason why an engine gave no rows. Messages of engines are not among it: they may quote a prompt.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UpstreamError {
    /// The engine cannot be reached, or the connection broke.
    #[error("the engine cannot be reached")]
    Unreachable,
    /// The engine did not answer in time.
    #[error("the engine did not answer in time")]
    TimedOut,
    /// The engine has no room now (429, 503).
    #[error("the engine is busy")]
    Busy {
        /// Time after which it wants to be asked again, where it says so.
        after: Option<Duration>,
    },
    /// The engine refused the question, or failed at it.
    #[error("the engine answered with status {0}")]
    Status(u16),
    /// The engine lists fewer tokens a row than were asked for.
    #[error("the engine lists at most {most} tokens a row")]
    TopLimit {
        /// Largest number that it lists.
        most: usize,
    },
    /// The answer is none to what was asked.
    #[error("the engine's answer is not usable: {0}")]
    Invalid(#[from] InvalidAnswer),
    /// The engine runs another model than it did.
    #[error("the engine runs another model")]
    OtherModel,
    /// No engine can be asked now.
    #[error("no engine can be asked at present")]
    NoEngine,
}

impl UpstreamError {
    /// Tells whether the same question may be answered later, or by another engine.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::TopLimit { .. })
    }

    /// Tells whether nothing is known any more of the engine behind the address: it may have been started anew.
    pub(crate) fn is_break(&self) -> bool {
        matches!(self, Self::Unreachable | Self::OtherModel)
    }
}
