//! What the file says about every token, copied out of llama.cpp once: its text, its kind, and the key that follows.
//!
//! Decides which of a file's marks makes which [`TokenKind`]. Leaves to [`TokenKeys`] which key a token gets by it.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::{LlamaTokenAttr, LlamaTokenAttrs};
use llama_cpp_2::vocab::LlamaVocab;
use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{TokenKeyError, TokenKeys};
use uhlm_law::sampling::TokenId;
use uhlm_law::token::TokenKind;

use crate::template::{ControlName, ControlNames};

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
    pub(crate) fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        let mut table = Self { bytes: Vec::new(), starts: vec![0], ends: Vec::new() };
        for id in vocab.tokens() {
            // `special = false`: control tokens have no text.
            vocab.token_to_piece_into(id, &mut table.bytes, false, None);
            table.starts.push(table.bytes.len() as u32);
            table.ends.push(vocab.is_eog(id));
        }
        table
    }
}

/// Makes the keys of all tokens, by the text that the file spells, control tokens' names included.
///
/// # Errors
/// [`TokenKeyError`] where two tokens would share their noise.
pub(crate) fn keys(model: &LlamaModel) -> Result<TokenKeys, TokenKeyError> {
    let vocab = model.vocab();
    let end_of_turn = [vocab.eot(), vocab.eos()].into_iter().find(|id| id.0 >= 0);
    TokenKeys::new(vocab.tokens().map(|id| {
        let kind = match vocab.is_eog(id) {
            true if Some(id) == end_of_turn => TokenKind::EndOfTurn,
            true => TokenKind::End,
            false => kind(vocab.attr(id)),
        };
        (raw_text(&vocab, id), kind)
    }))
}

/// Returns a token's text with the names of control tokens written out.
pub(crate) fn raw_text(vocab: &LlamaVocab<'_>, id: LlamaToken) -> Vec<u8> {
    vocab.token_to_piece(id, true, None)
}

/// Returns the names of control tokens: what llama.cpp reads as such where it is told to, and as text where it is not.
pub(crate) fn control_names(model: &LlamaModel) -> ControlNames {
    let vocab = model.vocab();
    let is_control = |attributes: &LlamaTokenAttrs| {
        attributes.contains(LlamaTokenAttr::Control) || attributes.contains(LlamaTokenAttr::Unknown)
    };
    ControlNames::new(vocab.tokens().filter_map(|id| {
        let attributes = Some(vocab.attr(id)).filter(is_control)?;
        Some(ControlName {
            text: String::from_utf8(raw_text(&vocab, id)).ok()?,
            strips_left: attributes.contains(LlamaTokenAttr::LStrip),
            strips_right: attributes.contains(LlamaTokenAttr::RStrip),
        })
    }))
}

/// Tells whether a text is a token of its own, with its name.
pub(crate) fn has_token(model: &LlamaModel, name: &str) -> bool {
    let vocab = model.vocab();
    matches!(vocab.tokenize(name.as_bytes(), false, true)[..], [id] if raw_text(&vocab, id) == name.as_bytes())
}

/// Returns the kind of a token that does not end a reply. A file that marks a token in no way means text.
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
