//! The reasons why a grammar cannot be used.

/// The reason why a grammar cannot be used. Found before the first token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// The grammar is larger than is allowed, or a list of choices is empty or too long.
    #[error(
        "the grammar has {bytes} bytes, {max} are allowed, or it is a list of no choices or of more than {choices}"
    )]
    TooLarge {
        /// Size of the grammar, in bytes.
        bytes: usize,
        /// Largest size, in bytes.
        max: usize,
        /// Largest number of choices.
        choices: usize,
    },
    /// The grammar does not parse, asks for what is not supported, or allows no text at all.
    #[error("the grammar is not valid: {reason}")]
    Invalid {
        /// What is wrong, in the words of the library that reads grammars; it may quote the grammar.
        reason: String,
    },
    /// The grammar takes too long to compile.
    #[error("the grammar takes more than {milliseconds} ms to compile")]
    TooSlow {
        /// Longest time that it may take, in milliseconds.
        milliseconds: u64,
    },
    /// Too many grammars are being compiled at the same time.
    #[error("too many grammars are being compiled")]
    Busy,
    /// The vocabulary cannot be used with grammars.
    #[error("the vocabulary cannot be used with grammars: {reason}")]
    Vocabulary {
        /// What is wrong.
        reason: String,
    },
}

impl GrammarError {
    /// Describes the error without a word of the grammar, for whoever must not see or repeat it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "the grammar is too large",
            Self::Invalid { .. } => "the grammar is not valid",
            Self::TooSlow { .. } => "the grammar takes too long to compile",
            Self::Busy => "too many grammars are being compiled",
            Self::Vocabulary { .. } => "the vocabulary cannot be used with grammars",
        }
    }
}
