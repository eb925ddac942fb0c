//! The way from bytes to the tokens of one vocabulary: those that the model's own tokenizer gives, and for bytes that
//! are no characters the longest tokens that have them.
//!
//! Every result is checked against the bytes. A tokenizer that puts a space before a text, as those of SentencePiece
//! do, is given a text that goes on after a few characters, whose tokens are then left out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{LanguageModel, Special};
use crate::token::TokenId;

/// Texts before what is tokenised, of which the first is taken whose tokens end where it ends.
const ANCHORS: [&str; 3] = ["\n", ".", "a"];
/// Length of the longest part of a text that is looked up byte by byte, in bytes.
const MAX_PART: usize = 16;
/// Length of the longest text whose tokens are remembered, in bytes: a word.
const MAX_WORD: usize = 24;
/// Largest number of texts whose tokens are remembered.
const MAX_REMEMBERED: usize = 4096;

/// A model's language, made ready for spelling.
pub struct Spelling {
    language: Arc<dyn LanguageModel>,
    /// Whether the tokenizer leaves a text as it is.
    is_plain: bool,
    /// Tokens of one byte, and tokens whose bytes are no whole characters.
    parts: HashMap<Vec<u8>, TokenId>,
    /// Tokens of words that were spelled before: a tokenizer takes tens of microseconds for one, and texts repeat
    /// theirs.
    words: RefCell<HashMap<String, Vec<(TokenId, usize)>>>,
}

impl std::fmt::Debug for Spelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (is_plain, parts) = (self.is_plain, self.parts.len());
        f.debug_struct("Spelling").field("is_plain", &is_plain).field("parts", &parts).finish_non_exhaustive()
    }
}

impl Spelling {
    /// Looks at every token of a language.
    #[must_use]
    pub fn new(language: Arc<dyn LanguageModel>) -> Self {
        let vocabulary = language.vocabulary();
        let mut parts = HashMap::new();
        for id in 0..vocabulary.size() as TokenId {
            let piece = vocabulary.piece(id);
            let is_part = piece.len() == 1 || (piece.len() <= MAX_PART && std::str::from_utf8(piece).is_err());
            if is_part && !vocabulary.is_end(id) {
                // Where two tokens have the same byte, the text's own comes after the one for bytes without a token.
                parts.insert(piece.to_vec(), id);
            }
        }
        let mut spelling = Self { language, is_plain: true, parts, words: RefCell::default() };
        spelling.is_plain = spelling.tokens("", "a").is_some();
        spelling
    }

    /// Returns the language.
    #[must_use]
    pub fn language(&self) -> &Arc<dyn LanguageModel> {
        &self.language
    }

    /// Returns the tokens of `bytes`, each with the number of bytes that it stands for. Together they stand for the
    /// beginning of `bytes`, up to the first one that no token has.
    #[must_use]
    pub fn spell(&self, bytes: &[u8]) -> Vec<(TokenId, usize)> {
        let mut spelled = Vec::new();
        for chunk in bytes.utf8_chunks() {
            let (text, broken) = (chunk.valid(), chunk.invalid());
            if !text.is_empty() {
                match self.spell_text(text) {
                    Some(tokens) => spelled.extend(tokens),
                    None => {
                        let parts = self.spell_parts(text.as_bytes());
                        let is_whole = length(&parts) == text.len();
                        spelled.extend(parts);
                        if !is_whole {
                            return spelled;
                        }
                    }
                }
            }
            let parts = self.spell_parts(broken);
            let is_whole = length(&parts) == broken.len();
            spelled.extend(parts);
            if !is_whole {
                return spelled;
            }
        }
        spelled
    }

    /// Returns the tokens that the tokenizer gives for a text; `None` where they are not those of the text alone.
    fn spell_text(&self, text: &str) -> Option<Vec<(TokenId, usize)>> {
        if text.len() > MAX_WORD {
            return self.spell_anew(text);
        }
        if let Some(tokens) = self.words.borrow().get(text) {
            return Some(tokens.clone());
        }
        let tokens = self.spell_anew(text)?;
        let mut words = self.words.borrow_mut();
        if words.len() >= MAX_REMEMBERED {
            words.clear();
        }
        words.insert(text.to_owned(), tokens.clone());
        Some(tokens)
    }

    fn spell_anew(&self, text: &str) -> Option<Vec<(TokenId, usize)>> {
        if self.is_plain {
            return self.tokens("", text);
        }
        ANCHORS.iter().find_map(|anchor| self.tokens(anchor, text))
    }

    /// Tokenises `text` behind `anchor` and leaves out the tokens of the latter.
    fn tokens(&self, anchor: &str, text: &str) -> Option<Vec<(TokenId, usize)>> {
        let vocabulary = self.language.vocabulary();
        let ids = self.language.tokenize(&[anchor, text].concat(), Special::Plain).ok()?;
        let all: usize = ids.iter().map(|&id| vocabulary.piece(id).len()).sum();
        let mut before = all.checked_sub(text.len())?;
        if before > 0 && anchor.is_empty() {
            return None;
        }
        let mut tokens = Vec::with_capacity(ids.len());
        let mut rest = text.as_bytes();
        for id in ids {
            let piece = vocabulary.piece(id);
            if before > 0 {
                before = before.checked_sub(piece.len())?;
                continue;
            }
            rest = rest.strip_prefix(piece).filter(|_| !piece.is_empty())?;
            tokens.push((id, piece.len()));
        }
        rest.is_empty().then_some(tokens)
    }

    /// Returns the tokens of bytes that are no whole characters, the longest first, as [`Self::spell`] does.
    #[must_use]
    pub fn spell_parts(&self, mut bytes: &[u8]) -> Vec<(TokenId, usize)> {
        let mut spelled = Vec::new();
        while !bytes.is_empty() {
            let longest = (1..=bytes.len().min(MAX_PART)).rev();
            let found = longest.into_iter().find_map(|n| self.parts.get(&bytes[..n]).map(|&id| (id, n)));
            let Some((id, n)) = found else { break };
            spelled.push((id, n));
            bytes = &bytes[n..];
        }
        spelled
    }
}

/// Returns the number of bytes that tokens stand for.
pub(super) fn length(tokens: &[(TokenId, usize)]) -> usize {
    tokens.iter().map(|(_, bytes)| bytes).sum()
}
