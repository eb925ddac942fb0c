//! What the file says about every token, copied out of llama.cpp once: its text, its kind, and the key that follows.
//!
//! Decides which of a file's marks makes which [`TokenKind`]. Leaves to [`TokenKeys`] which key a token gets by it.

use llama_cpp_sys_2 as sys;
use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{TokenKeyError, TokenKeys};
use uhlm_law::sampling::TokenId;
use uhlm_law::token::TokenKind;

use crate::native::{Model, Thrown};

/// The pieces of all tokens in one buffer, so that text costs no call into llama.cpp and no allocation.
#[derive(Debug)]
pub(crate) struct TokenTable {
    bytes: Vec<u8>,
    /// `starts[id]..starts[id + 1]` are the bytes of a token.
    starts: Vec<u32>,
    ends: Vec<bool>,
}

impl Vocabulary for TokenTable {
    fn size(&self) -> usize {
        self.ends.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        match (self.starts.get(id as usize), self.starts.get(id as usize + 1)) {
            (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    fn is_end(&self, id: TokenId) -> bool {
        self.ends.get(id as usize).copied().unwrap_or(false)
    }
}

impl TokenTable {
    /// Reads the pieces of all tokens.
    pub(crate) fn of(model: &Model) -> Result<Self, Thrown> {
        let mut table = Self { bytes: Vec::new(), starts: vec![0], ends: Vec::new() };
        for id in 0..model.tokens() {
            // `special = false`: control tokens have no text.
            model.piece(id, false, &mut table.bytes)?;
            let end = u32::try_from(table.bytes.len()).map_err(|_| Thrown("a vocabulary of over 4 GiB".into()))?;
            table.starts.push(end);
            table.ends.push(model.is_end(id)?);
        }
        Ok(table)
    }
}

/// Why a vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VocabularyError {
    #[error(transparent)]
    Thrown(#[from] Thrown),
    #[error(transparent)]
    Keys(#[from] TokenKeyError),
}

/// Makes the keys of all tokens, by the text that the file spells, control tokens' names included.
///
/// # Errors
/// [`TokenKeyError`] where two tokens would share their noise.
pub(crate) fn keys(model: &Model) -> Result<TokenKeys, VocabularyError> {
    let end_of_turn = model.eot().or(model.eos());
    let mut tokens = Vec::with_capacity(model.tokens() as usize);
    for id in 0..model.tokens() {
        let kind = match model.is_end(id)? {
            true if Some(id) == end_of_turn => TokenKind::EndOfTurn,
            true => TokenKind::End,
            false => kind(model.attributes(id)?),
        };
        tokens.push((raw_text(model, id)?, kind));
    }
    Ok(TokenKeys::new(tokens)?)
}

/// Returns a token's text with the names of control tokens written out.
pub(crate) fn raw_text(model: &Model, id: TokenId) -> Result<Vec<u8>, Thrown> {
    let mut text = Vec::new();
    model.piece(id, true, &mut text)?;
    Ok(text)
}

/// Returns the kind of a token that does not end a reply. A file that marks a token in no way means text.
fn kind(attributes: u32) -> TokenKind {
    const KINDS: [(u32, TokenKind); 5] = [
        (sys::LLAMA_TOKEN_ATTR_BYTE, TokenKind::Byte),
        (sys::LLAMA_TOKEN_ATTR_CONTROL, TokenKind::Control),
        (sys::LLAMA_TOKEN_ATTR_USER_DEFINED, TokenKind::UserDefined),
        (sys::LLAMA_TOKEN_ATTR_UNKNOWN, TokenKind::Unknown),
        (sys::LLAMA_TOKEN_ATTR_UNUSED, TokenKind::Unused),
    ];
    KINDS.iter().find(|(mark, _)| attributes & mark != 0).map_or(TokenKind::Normal, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{LoadOptions, Model};

    #[test]
    fn the_end_of_the_demo_model_s_turn_has_the_key_of_all_vocabularies_and_text_that_of_its_bytes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        let model = Model::load(&path, &LoadOptions::default()).expect("the bundled draft model");
        let (keys, vocabulary) = (model.token_keys(), &model.vocabulary);
        assert_eq!(keys.len(), vocabulary.size());
        let ends: Vec<TokenId> = (0..keys.len() as TokenId).filter(|&id| vocabulary.is_end(id)).collect();
        let elsewhere = TokenKeys::new([("anything", TokenKind::EndOfTurn), ("e", TokenKind::Normal)]).expect("keys");
        assert!(ends.iter().any(|&id| keys.get(id) == elsewhere.get(0)), "{ends:?}");
        let e = (0..keys.len() as TokenId).find(|&id| vocabulary.piece(id) == b"e").expect("a letter");
        assert_eq!(keys.get(e), elsewhere.get(1));
    }

    #[test]
    fn a_kind_follows_from_the_marks_of_the_file() {
        assert_eq!(kind(0), TokenKind::Normal);
        assert_eq!(kind(sys::LLAMA_TOKEN_ATTR_NORMAL | sys::LLAMA_TOKEN_ATTR_LSTRIP), TokenKind::Normal);
        assert_eq!(kind(sys::LLAMA_TOKEN_ATTR_USER_DEFINED | sys::LLAMA_TOKEN_ATTR_RSTRIP), TokenKind::UserDefined);
        assert_eq!(kind(sys::LLAMA_TOKEN_ATTR_BYTE), TokenKind::Byte);
        assert_eq!(kind(sys::LLAMA_TOKEN_ATTR_CONTROL), TokenKind::Control);
        assert_eq!(kind(sys::LLAMA_TOKEN_ATTR_UNKNOWN), TokenKind::Unknown);
        assert_eq!(kind(sys::LLAMA_TOKEN_ATTR_UNUSED), TokenKind::Unused);
    }
}
