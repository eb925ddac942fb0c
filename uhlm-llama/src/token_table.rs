//! The facts about every token, copied out of llama.cpp once: its text, its kind, and the key that follows.
//!
//! Decides which of a file's marks makes which [`TokenKind`], and which rows of the model stand for no token. Leaves to
//! [`TokenKeys`] which key a token gets by its kind.
//!
//! # Rows without a token
//! A model often has more rows than its tokenizer has tokens: Qwen2.5 has 151,665 tokens, in 151,936 rows for its small
//! sizes and 152,064 for its large ones. llama.cpp's converter names such a row `[PAD` and its id `]` and marks it
//! unused (before July 2024: user-defined). No tokenizer knows it and llama.cpp gives it no text, but a model could
//! draw it. So rows behind the last token are cut off, rows before it get the logit `-inf`, and neither is part of what
//! vocabularies are compared by.

use llama_cpp_sys_2 as sys;
use uhlm_law::fingerprint::{self, VocabularyHashes};
use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{TokenKeyError, TokenKeys};
use uhlm_law::sampling::TokenId;
use uhlm_law::token::TokenKind;

use crate::native::{Model, Thrown};
use crate::template::{ControlName, ControlNames};

/// The pieces of all tokens in one buffer, so that text costs no call into llama.cpp and no allocation.
#[derive(Debug)]
pub(crate) struct TokenTable {
    bytes: Vec<u8>,
    /// `starts[id]..starts[id + 1]` are the bytes of a token.
    starts: Vec<u32>,
    /// Purpose of each token besides ending a reply, up to the last token; [`TokenKind::Unused`] for a row without one.
    kinds: Vec<TokenKind>,
    is_end: Vec<bool>,
    /// Tokens that end a reply, the end of turn first.
    ends: Vec<TokenId>,
    /// Rows before the last token that stand for none.
    holes: Vec<TokenId>,
    /// Number of rows of the model.
    rows: usize,
}

impl Vocabulary for TokenTable {
    fn size(&self) -> usize {
        self.kinds.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        match (self.starts.get(id as usize), self.starts.get(id as usize + 1)) {
            (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    fn is_end(&self, id: TokenId) -> bool {
        self.is_end.get(id as usize).copied().unwrap_or(false)
    }

    fn ends(&self) -> Vec<TokenId> {
        self.ends.clone()
    }
}

impl TokenTable {
    /// Reads the pieces and kinds of all tokens.
    pub(crate) fn of(model: &Model) -> Result<Self, Thrown> {
        let kinds = (0..model.tokens()).map(|id| kind_of(model, id)).collect::<Result<Vec<_>, _>>()?;
        let size = kinds.iter().rposition(|&kind| kind != TokenKind::Unused).map_or(0, |last| last + 1);
        let mut end_of_turn = None;
        for id in [model.eot(), model.eos()].into_iter().flatten() {
            if end_of_turn.is_none() && model.is_end(id)? {
                end_of_turn = Some(id);
            }
        }
        let mut table = Self {
            bytes: Vec::new(),
            starts: vec![0],
            kinds: kinds[..size].to_vec(),
            is_end: Vec::with_capacity(size),
            ends: end_of_turn.into_iter().collect(),
            holes: Vec::new(),
            rows: kinds.len(),
        };
        for (id, &kind) in (0..).zip(&kinds[..size]) {
            if kind == TokenKind::Unused {
                table.holes.push(id);
            } else {
                // `special = false`: control tokens have no text.
                model.piece(id, false, &mut table.bytes)?;
            }
            let end = u32::try_from(table.bytes.len()).map_err(|_| Thrown("a vocabulary of over 4 GiB".into()))?;
            table.starts.push(end);
            let is_end = model.is_end(id)?;
            table.is_end.push(is_end);
            if is_end && Some(id) != end_of_turn {
                table.ends.push(id);
            }
        }
        Ok(table)
    }

    /// Returns the rows before the last token that stand for none, ascending.
    pub(crate) fn holes(&self) -> &[TokenId] {
        &self.holes
    }

    /// Returns the number of rows of the model, those without a token included.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns a token's purpose besides ending a reply; `None` where there is no token.
    pub(crate) fn kind(&self, id: TokenId) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied().filter(|&kind| kind != TokenKind::Unused)
    }

    /// Reads the texts of all tokens with the names of control tokens written out; a row without a token has none.
    pub(crate) fn texts(&self, model: &Model) -> Result<Vec<Vec<u8>>, Thrown> {
        let text = |(id, kind)| if kind == TokenKind::Unused { Ok(Vec::new()) } else { raw_text(model, id) };
        (0..).zip(self.kinds.iter().copied()).map(text).collect()
    }

    /// Hashes the vocabulary, given the [`texts`](Self::texts) of its tokens.
    pub(crate) fn hashes(&self, texts: &[Vec<u8>]) -> VocabularyHashes {
        fingerprint::vocabulary(texts.iter().zip(self.kinds.iter().copied()))
    }

    /// Makes the keys of all tokens, given their [`texts`](Self::texts).
    ///
    /// # Errors
    /// [`TokenKeyError`] where two tokens would share their noise.
    pub(crate) fn keys(&self, texts: &[Vec<u8>]) -> Result<TokenKeys, TokenKeyError> {
        // Where no end is that of a turn, the first one by id is counted first all the same.
        let end_of_turn = self.ends.first();
        TokenKeys::new((0..).zip(&self.kinds).zip(texts).map(|((id, &kind), text)| {
            let kind = match self.is_end(id) {
                true if Some(&id) == end_of_turn => TokenKind::EndOfTurn,
                true => TokenKind::End,
                false => kind,
            };
            (text, kind)
        }))
    }
}

/// Returns a token's text with the names of control tokens written out.
pub(crate) fn raw_text(model: &Model, id: TokenId) -> Result<Vec<u8>, Thrown> {
    let mut text = Vec::new();
    model.piece(id, true, &mut text)?;
    Ok(text)
}

/// Returns the names of control tokens, given the [`texts`](TokenTable::texts) of all tokens: llama.cpp reads them as
/// such where it is told to, and as text where it is not.
pub(crate) fn control_names(model: &Model, texts: &[Vec<u8>]) -> Result<ControlNames, Thrown> {
    const CONTROL: u32 = sys::LLAMA_TOKEN_ATTR_CONTROL | sys::LLAMA_TOKEN_ATTR_UNKNOWN;
    let mut names = Vec::new();
    for (id, text) in (0..).zip(texts) {
        let attributes = model.attributes(id)?;
        if attributes & CONTROL == 0 {
            continue;
        }
        if let Ok(text) = str::from_utf8(text) {
            names.push(ControlName {
                text: text.to_owned(),
                strips_left: attributes & sys::LLAMA_TOKEN_ATTR_LSTRIP != 0,
                strips_right: attributes & sys::LLAMA_TOKEN_ATTR_RSTRIP != 0,
            });
        }
    }
    Ok(ControlNames::new(names))
}

/// Tells whether a text is a token of its own, with its name.
pub(crate) fn has_token(model: &Model, name: &str) -> bool {
    let tokens = model.tokenize(name.as_bytes(), true).unwrap_or_default();
    matches!(tokens[..], [id] if raw_text(model, id).is_ok_and(|text| text == name.as_bytes()))
}

/// Returns the purpose of a row of the model besides ending a reply.
fn kind_of(model: &Model, id: TokenId) -> Result<TokenKind, Thrown> {
    Ok(match kind(model.attributes(id)?) {
        // What ends a reply is a token, however the file marks it.
        TokenKind::Unused if model.is_end(id)? => TokenKind::Control,
        TokenKind::UserDefined if is_filler(&model.text(id)?, id) => TokenKind::Unused,
        kind => kind,
    })
}

/// Tells whether a row has the name that llama.cpp's converter makes up for one without a token.
fn is_filler(name: &[u8], id: TokenId) -> bool {
    name == format!("[PAD{id}]").as_bytes()
}

/// Returns the kind that a file's marks make. A token without a mark is text.
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
        let (keys, vocabulary) = (model.token_keys(), &model.language.vocabulary);
        assert_eq!(keys.len(), vocabulary.size());
        let ends: Vec<TokenId> = (0..keys.len() as TokenId).filter(|&id| vocabulary.is_end(id)).collect();
        let elsewhere = TokenKeys::new([("anything", TokenKind::EndOfTurn), ("e", TokenKind::Normal)]).expect("keys");
        assert!(ends.iter().any(|&id| keys.get(id) == elsewhere.get(0)), "{ends:?}");
        let e = (0..keys.len() as TokenId).find(|&id| vocabulary.piece(id) == b"e").expect("a letter");
        assert_eq!(keys.get(e), elsewhere.get(1));
    }

    #[test]
    fn only_a_name_with_the_row_s_own_id_is_that_of_a_row_without_a_token() {
        let is_filler = |name: &str, id| is_filler(name.as_bytes(), id);
        assert!(is_filler("[PAD151665]", 151_665));
        assert!(!is_filler("[PAD1]", 151_665) && !is_filler("[PAD]", 3) && !is_filler("[PAD 7]", 7));
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
