//! The demands of the decision code on a language model. llama.cpp is one (`uhlm-llama`); tests use synthetic ones.

use std::sync::Arc;

use crate::digest::Digest;
use crate::noise::TokenKeys;
use crate::sampling::TokenId;

/// The reason why a model failed to process tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The sequence would outgrow the context.
    #[error("{needed} tokens do not fit the context of {capacity}")]
    ContextFull {
        /// Number of tokens that the sequence would hold.
        needed: usize,
        /// Number of tokens that it can hold.
        capacity: usize,
    },
    /// A token id lies outside the vocabulary.
    #[error("token {id} is outside the vocabulary")]
    UnknownToken {
        /// The unknown id.
        id: TokenId,
    },
    /// The text cannot be made into tokens.
    #[error("the text cannot be made into tokens: {reason}")]
    Text {
        /// The obstacle, in the tokenizer's words.
        reason: String,
    },
    /// The device has too little memory for a context.
    #[error("a context of {context} tokens takes {needed} bytes, {available} are free")]
    NotEnoughMemory {
        /// Length of the context, in tokens.
        context: u32,
        /// Memory that it takes with the model, in bytes.
        needed: u64,
        /// Memory that is free, in bytes.
        available: u64,
        /// Length of the longest context that fits, in tokens; `None` if the model does not fit at all.
        fits: Option<u32>,
    },
    /// The engine reported a failure; the sequence must be rebuilt.
    #[error("decode failed: {reason}")]
    Decode {
        /// Message of the engine.
        reason: String,
    },
    /// [`Cancel`](crate::cancel::Cancel) was raised between two chunks.
    #[error("cancelled")]
    Cancelled,
}

/// The vocabulary of a model: the text that each token stands for, and the tokens that end a reply.
pub trait Vocabulary: Send + Sync {
    /// Returns the number of ids: one more than that of the last token. Rows of the model behind it stand for no token,
    /// and no logits are given for them; rows before it that stand for none have the logit `-inf`.
    fn size(&self) -> usize;
    /// Returns the bytes of a token; empty for control tokens. A token may end in the middle of a UTF-8 character.
    fn piece(&self, id: TokenId) -> &[u8];
    /// Tells whether the token ends a reply (EOS, the end of the text, EOT, the end of a turn, and the like).
    fn is_end(&self, id: TokenId) -> bool;
    /// Returns all tokens that end a reply, in the order in which their keys are counted
    /// ([`TokenKeys`]): the end of turn first, then by id.
    fn ends(&self) -> Vec<TokenId> {
        (0..self.size() as TokenId).filter(|&id| self.is_end(id)).collect()
    }
}

/// How special tokens are treated when text is tokenised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Text is text: `<|im_end|>` written by a person is eleven characters, never a control token.
    Plain,
    /// Control tokens written in the text are read as such (rendered templates).
    Parse,
    /// As `Parse`, and BOS is added where the model wants it and the text does not begin with it.
    ParseWithBos,
}

/// The language of a model: which tokens it knows, and how text becomes tokens and tokens become text.
pub trait LanguageModel: Send + Sync {
    /// Returns the vocabulary.
    fn vocabulary(&self) -> &dyn Vocabulary;
    /// Returns the keys of the vocabulary's tokens, which make the noise of a token the same for device and verifier.
    fn token_keys(&self) -> &TokenKeys;
    /// Returns the hash over the vocabulary's tokens, as [`crate::fingerprint::vocabulary`] makes it.
    fn vocabulary_hash(&self) -> Digest;
    /// Makes tokens of a text. `special` also reads special tokens written in the text and adds BOS where the model
    /// wants it.
    ///
    /// # Errors
    /// [`ModelError::Text`] where the tokenizer cannot take the text.
    fn tokenize(&self, text: &str, special: Special) -> Result<Vec<TokenId>, ModelError>;
    /// Returns the text of tokens with special tokens written out, as bytes.
    fn detokenize(&self, tokens: &[TokenId]) -> Vec<u8>;
}

/// The largest cache that a sequence has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSize {
    /// Number of tokens that it is of.
    pub tokens: usize,
    /// Size in the engine's own form, in bytes.
    pub bytes: u64,
}

/// The computation of a model.
pub trait Decoder: Send + Sync {
    /// Makes an empty sequence of at most `context` tokens (0: as long as the model was trained for and memory allows)
    /// on `threads` threads.
    ///
    /// # Errors
    /// [`ModelError::NotEnoughMemory`], [`ModelError::Decode`] where the engine cannot make it.
    fn sequence(self: Arc<Self>, context: u32, threads: u32) -> Result<Box<dyn Sequence>, ModelError>;
    /// Returns the threads that a sequence gets when it asks for 0.
    fn default_threads(&self) -> u32 {
        1
    }
    /// Tells whether passes run on a GPU, with all layers or with some. A session makes none of those while its app is
    /// not in front. `false` by default.
    fn is_on_gpu(&self) -> bool {
        false
    }
    /// Returns the fingerprint of the weights, by which a saved cache knows its model; `None` where there is no file.
    fn fingerprint(&self) -> Option<Digest> {
        None
    }
    /// Returns a bound on the cache that a sequence of `context` tokens [saves](Sequence::save), in tokens and bytes; 0
    /// counts as for [`Self::sequence`]. No more is read of a file. `None`, the default, where the engine does not say
    /// it, and then any file is read for which there is memory.
    fn largest_cache(&self, context: u32) -> Option<CacheSize> {
        let _ = context;
        None
    }
}

/// One sequence of a model: tokens go in, the logits after the last one come out, and the end can be rolled back.
pub trait Sequence: Send {
    /// Returns the number of tokens decoded so far.
    fn len(&self) -> usize;
    /// Tells whether nothing was decoded.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Returns the number of tokens that fit.
    fn capacity(&self) -> usize;
    /// Appends tokens. Long inputs are processed in chunks; `cancelled` is asked before each.
    ///
    /// # Errors
    /// On any error the sequence is as long as [`Self::len`] then says: what was decoded before the failure stands.
    fn decode(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError>;
    /// Returns the logits after the last decoded token, one an id of the vocabulary. Valid after a successful
    /// [`Self::decode`] until the next call that changes the sequence; empty otherwise.
    fn logits(&self) -> &[f32];
    /// Returns the largest number of rows that [`Self::decode_rows`] gives in one pass. With 1, the default, no token
    /// is read ahead of being drafted: rows that take a pass each would only cost time.
    fn max_rows(&self) -> usize {
        1
    }
    /// Appends tokens, as [`Self::decode`], with logits after each of the last `rows` of them, which are decoded in one
    /// pass; `rows` beyond the tokens or [`Self::max_rows`] counts as that.
    ///
    /// # Errors
    /// As [`Self::decode`].
    fn decode_rows(&mut self, tokens: &[TokenId], rows: usize, cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        let _ = rows;
        self.decode(tokens, cancelled)
    }
    /// Returns the logits after the `row`-th token, from 0, of those that [`Self::decode_rows`] gave rows for; after
    /// [`Self::decode`] there is the row 0. Valid as long as [`Self::logits`]; empty otherwise.
    fn logits_at(&self, row: usize) -> &[f32] {
        if row == 0 { self.logits() } else { &[] }
    }
    /// Forgets everything after the first `len` tokens.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine cannot roll back.
    fn truncate(&mut self, len: usize) -> Result<(), ModelError>;
    /// Returns the engine's cache of everything decoded so far, for [`Self::restore`]; `None` where the engine cannot
    /// give it, the default.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the engine fails at it.
    fn save(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        Ok(None)
    }
    /// Takes up a cache of `len` tokens that a sequence of the same model has [saved](Self::save), in place of
    /// everything decoded so far. There are no logits until the next token is decoded. The bytes must be those that
    /// were saved: whoever kept them in a file has checked that.
    ///
    /// # Errors
    /// [`ModelError::ContextFull`] where they do not fit, [`ModelError::Decode`] where the engine does not take them;
    /// then the sequence is empty.
    fn restore(&mut self, len: usize, saved: &[u8]) -> Result<(), ModelError> {
        let _ = (len, saved);
        Err(ModelError::Decode { reason: "the engine cannot take up a saved cache".into() })
    }
}
