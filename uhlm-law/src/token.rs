//! A token: an index into a vocabulary, and a kind.
//!
//! Decides the words for both; it leaves to the engine's adapter which kind a token of a file has.

/// A token's index in the vocabulary.
pub type TokenId = u32;

/// The purpose of a token, as the vocabulary's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Text that the tokenizer's training found.
    Normal,
    /// Text that was added to the vocabulary by hand.
    UserDefined,
    /// One byte, for text that no other token spells.
    Byte,
    /// A mark that is not text, such as the start of a turn.
    Control,
    /// A token in place of text that the vocabulary cannot spell.
    Unknown,
    /// A row of the model that stands for no token: vocabularies are filled up to a round number, and have holes. It is
    /// never drawn.
    Unused,
    /// The end of a turn in the model's own chat format; for a model without one, its end of text.
    EndOfTurn,
    /// Any other token that ends a reply.
    End,
}

impl TokenKind {
    /// Tells whether the token ends a reply.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::EndOfTurn | Self::End)
    }
}
