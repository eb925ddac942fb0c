//! What the file says about every token, copied out of llama.cpp once: its text, its kind, and the key that follows.
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

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::{LlamaTokenAttr, LlamaTokenAttrs};
use llama_cpp_2::vocab::LlamaVocab;
use uhlm_law::fingerprint::{self, VocabularyHashes};
use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{TokenKeyError, TokenKeys};
use uhlm_law::sampling::TokenId;
use uhlm_law::token::TokenKind;

/// The pieces of all tokens in one buffer, so that text costs no call into llama.cpp and no allocation.
#[derive(Debug)]
pub(crate) struct TokenTable {
    bytes: Vec<u8>,
    /// `starts[id]..starts[id + 1]` are the bytes of a token.
    starts: Vec<u32>,
    /// What each token is for besides ending a reply, up to the last token; [`TokenKind::Unused`] for a row without
    /// one.
    kinds: Vec<TokenKind>,
    is_end: Vec<bool>,
    /// The end of turn first.
    ends: Vec<TokenId>,
    /// Rows before the last token that stand for none.
    holes: Vec<TokenId>,
    /// Rows of the model.
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
    pub(crate) fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let kinds: Vec<TokenKind> = vocab.tokens().map(|id| kind_of(&vocab, id)).collect();
        let size = kinds.iter().rposition(|&kind| kind != TokenKind::Unused).map_or(0, |last| last + 1);
        let end_of_turn = [vocab.eot(), vocab.eos()].into_iter().find(|id| id.0 >= 0 && vocab.is_eog(*id));
        let mut table = Self {
            bytes: Vec::new(),
            starts: vec![0],
            kinds: kinds[..size].to_vec(),
            is_end: Vec::with_capacity(size),
            ends: end_of_turn.map(|id| id.0 as TokenId).into_iter().collect(),
            holes: Vec::new(),
            rows: kinds.len(),
        };
        for (id, &kind) in (0..).zip(&kinds[..size]) {
            let token = LlamaToken::new(id as i32);
            if kind == TokenKind::Unused {
                table.holes.push(id);
            } else {
                // `special = false`: control tokens have no text.
                vocab.token_to_piece_into(token, &mut table.bytes, false, None);
            }
            table.starts.push(table.bytes.len() as u32);
            table.is_end.push(vocab.is_eog(token));
            if vocab.is_eog(token) && Some(token) != end_of_turn {
                table.ends.push(id);
            }
        }
        table
    }

    /// Returns the rows before the last token that stand for none, ascending.
    pub(crate) fn holes(&self) -> &[TokenId] {
        &self.holes
    }

    /// Returns the number of rows of the model, those without a token included.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns what a token is for besides ending a reply; `None` where there is no token.
    pub(crate) fn kind(&self, id: TokenId) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied().filter(|&kind| kind != TokenKind::Unused)
    }

    /// Hashes the vocabulary.
    pub(crate) fn hashes(&self, vocab: &LlamaVocab<'_>) -> VocabularyHashes {
        fingerprint::vocabulary((0..).zip(&self.kinds).map(|(id, &kind)| (self.raw_text(vocab, id), kind)))
    }

    /// Makes the keys of all tokens, by the text that the file spells, control tokens' names included.
    ///
    /// # Errors
    /// [`TokenKeyError`] where two tokens would share their noise.
    pub(crate) fn keys(&self, vocab: &LlamaVocab<'_>) -> Result<TokenKeys, TokenKeyError> {
        // Where no end is that of a turn, the first one by id is counted first all the same.
        let end_of_turn = self.ends.first();
        TokenKeys::new((0..).zip(&self.kinds).map(|(id, &kind)| {
            let kind = match self.is_end(id) {
                true if Some(&id) == end_of_turn => TokenKind::EndOfTurn,
                true => TokenKind::End,
                false => kind,
            };
            (self.raw_text(vocab, id), kind)
        }))
    }

    /// Returns a token's text with the names of control tokens written out; a row without a token has none.
    fn raw_text(&self, vocab: &LlamaVocab<'_>, id: TokenId) -> Vec<u8> {
        if self.kind(id).is_some() { raw_text(vocab, LlamaToken::new(id as i32)) } else { Vec::new() }
    }
}

/// Returns a token's text with the names of control tokens written out.
pub(crate) fn raw_text(vocab: &LlamaVocab<'_>, id: LlamaToken) -> Vec<u8> {
    vocab.token_to_piece(id, true, None)
}

/// Returns what a row of the model is for besides ending a reply.
fn kind_of(vocab: &LlamaVocab<'_>, id: LlamaToken) -> TokenKind {
    let name = vocab.text(id).map(std::ffi::CStr::to_bytes).unwrap_or_default();
    match kind(vocab.attr(id)) {
        // What ends a reply is a token, however the file marks it.
        TokenKind::Unused if vocab.is_eog(id) => TokenKind::Control,
        TokenKind::UserDefined if is_filler(name, id) => TokenKind::Unused,
        kind => kind,
    }
}

/// Tells whether a row has the name that llama.cpp's converter makes up for one without a token.
fn is_filler(name: &[u8], id: LlamaToken) -> bool {
    name == format!("[PAD{}]", id.0).as_bytes()
}

/// Returns the kind that a file's marks make. A file that marks a token in no way means text.
fn kind(attributes: LlamaTokenAttrs) -> TokenKind {
    const KINDS: [(LlamaTokenAttr, TokenKind); 5] = [
        (LlamaTokenAttr::Byte, TokenKind::Byte),
        (LlamaTokenAttr::Control, TokenKind::Control),
        (LlamaTokenAttr::UserDefined, TokenKind::UserDefined),
        (LlamaTokenAttr::Unknown, TokenKind::Unknown),
        (LlamaTokenAttr::Unused, TokenKind::Unused),
    ];
    KINDS.iter().find(|(attribute, _)| attributes.contains(*attribute)).map_or(TokenKind::Normal, |(_, kind)| *kind)
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
    fn only_a_name_with_the_row_s_own_id_is_that_of_a_row_without_a_token() {
        let is_filler = |name: &str, id| is_filler(name.as_bytes(), LlamaToken::new(id));
        assert!(is_filler("[PAD151665]", 151_665));
        assert!(!is_filler("[PAD1]", 151_665) && !is_filler("[PAD]", 3) && !is_filler("[PAD 7]", 7));
    }

    #[test]
    fn a_kind_follows_from_the_marks_of_the_file() {
        let marked = |attributes: &[LlamaTokenAttr]| kind(LlamaTokenAttrs(attributes.iter().copied().collect()));
        assert_eq!(marked(&[]), TokenKind::Normal);
        assert_eq!(marked(&[LlamaTokenAttr::Normal, LlamaTokenAttr::LStrip]), TokenKind::Normal);
        assert_eq!(marked(&[LlamaTokenAttr::UserDefined, LlamaTokenAttr::RStrip]), TokenKind::UserDefined);
        assert_eq!(marked(&[LlamaTokenAttr::Byte]), TokenKind::Byte);
        assert_eq!(marked(&[LlamaTokenAttr::Control]), TokenKind::Control);
        assert_eq!(marked(&[LlamaTokenAttr::Unknown]), TokenKind::Unknown);
        assert_eq!(marked(&[LlamaTokenAttr::Unused]), TokenKind::Unused);
    }
}
