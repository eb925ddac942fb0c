//! The grammar of a reply: what an app may ask for, its bytes on the wire, and the question that both sides ask of it.
//!
//! Decides which texts can be sent as a grammar and how large they may be. Leaves to a [`Constraint`], which is made
//! elsewhere, which tokens a grammar allows: nothing here reads a schema.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sampling::{TokenId, TokenMask};

/// Largest size of a grammar, in bytes of UTF-8, all choices of a list together.
pub const MAX_GRAMMAR_BYTES: usize = 64 << 10;
/// Largest number of choices in a list.
pub const MAX_CHOICES: usize = 1024;

/// The form that a reply is to have.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// A JSON value that a JSON schema describes; the text of the schema.
    JsonSchema(String),
    /// A text that a regular expression matches from its beginning to its end, in the syntax of Rust's `regex`.
    Regex(String),
    /// One of these texts.
    Choices(Vec<String>),
    /// A text of a context-free grammar, in the Lark syntax of llguidance, whose first rule is `start`.
    Lark(String),
}

impl Grammar {
    /// Returns the size of the grammar, in bytes of UTF-8.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::JsonSchema(text) | Self::Regex(text) | Self::Lark(text) => text.len(),
            Self::Choices(choices) => choices.iter().map(String::len).sum(),
        }
    }

    /// Returns the texts of the grammar: one, or each choice.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, choices) = match self {
            Self::JsonSchema(text) | Self::Regex(text) | Self::Lark(text) => (Some(text), &[][..]),
            Self::Choices(choices) => (None, &choices[..]),
        };
        one.into_iter().chain(choices).map(String::as_str)
    }

    /// Tells whether the grammar is within the limits on its size. Whether it means anything is not looked at.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let choices = if let Self::Choices(choices) = self { choices.len() } else { 1 };
        (1..=MAX_CHOICES).contains(&choices) && self.size() <= MAX_GRAMMAR_BYTES
    }

    /// Returns the number that stands for the kind of grammar on the wire.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::JsonSchema(_) => 0,
            Self::Regex(_) => 1,
            Self::Choices(_) => 2,
            Self::Lark(_) => 3,
        }
    }
}

/// The reason why a grammar says nothing about a place of a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// The tokens before the place are not the beginning of any text of the grammar.
    #[error("token {at} of the reply is not of its grammar")]
    NotOfGrammar {
        /// Index of the first token that the grammar does not allow, from the reply's beginning.
        at: usize,
    },
    /// The grammar takes more work at this place than is allowed.
    #[error("the grammar takes too much work at token {at} of the reply")]
    TooComplex {
        /// Index of the token that was to be decided.
        at: usize,
    },
}

/// The state of a grammar in a reply, for one vocabulary.
///
/// Every question names the tokens of the reply up to the place that it is about, so there is nothing to keep in step:
/// an implementation rolls its state back to what it has in common with them. The answers depend on the grammar, the
/// vocabulary and those tokens alone, and not on what was asked before.
pub trait Constraint: Send + fmt::Debug {
    /// Returns the tokens that may follow `reply`; at least one is allowed.
    ///
    /// # Errors
    /// [`ConstraintError`].
    fn mask(&mut self, reply: &[TokenId]) -> Result<TokenMask, ConstraintError>;

    /// Returns the token that must follow `reply` where that is known without a mask: then [`Self::mask`] allows it and
    /// no other.
    ///
    /// # Errors
    /// [`ConstraintError`].
    fn forced(&mut self, reply: &[TokenId]) -> Result<Option<TokenId>, ConstraintError>;

    /// Tells whether `reply` is a whole text of the grammar, with or without a token that ends it.
    fn is_complete(&mut self, reply: &[TokenId]) -> bool;

    /// Returns a copy with a state of its own.
    fn fork(&self) -> Box<dyn Constraint>;
}
