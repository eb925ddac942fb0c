//! Keeps the tokens that a trace's ids mean: their text, which of them end a reply, and the keys of their noise.

use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{TokenKey, TokenKeys};
use uhlm_law::sampling::TokenId;

use super::TraceError;
use super::bytes::{Bytes, put_number};

/// The vocabulary of a trace, or the part of it that occurs there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceVocabulary {
    pieces: Vec<Vec<u8>>,
    ends: Vec<bool>,
    keys: TokenKeys,
}

impl Vocabulary for TraceVocabulary {
    fn size(&self) -> usize {
        self.pieces.len()
    }

    fn piece(&self, id: TokenId) -> &[u8] {
        self.pieces.get(id as usize).map_or(&[], Vec::as_slice)
    }

    fn is_end(&self, id: TokenId) -> bool {
        self.ends.get(id as usize).copied().unwrap_or(false)
    }
}

impl TraceVocabulary {
    /// Makes a vocabulary of each token's piece and whether it ends a reply, and of as many keys.
    pub fn new<'a>(tokens: impl IntoIterator<Item = (&'a [u8], bool)>, keys: TokenKeys) -> Self {
        let (pieces, ends) = tokens.into_iter().map(|(piece, is_end)| (piece.to_vec(), is_end)).unzip();
        Self { pieces, ends, keys }
    }

    /// Copies a model's vocabulary.
    #[must_use]
    pub fn of(vocabulary: &dyn Vocabulary, keys: &TokenKeys) -> Self {
        let ids = 0..vocabulary.size() as TokenId;
        Self::new(ids.map(|id| (vocabulary.piece(id), vocabulary.is_end(id))), keys.clone())
    }

    /// Returns the keys of the tokens' noise.
    #[must_use]
    pub fn keys(&self) -> &TokenKeys {
        &self.keys
    }

    /// Returns the vocabulary of these tokens alone, in this order, each with its own piece and key; `None` if one is
    /// outside.
    pub(super) fn part(&self, ids: &[TokenId]) -> Option<Self> {
        let keys = ids.iter().map(|&id| self.keys.get(id)).collect::<Option<Vec<_>>>()?;
        let keys = TokenKeys::from_keys(keys).ok()?;
        Some(Self::new(ids.iter().map(|&id| (self.piece(id), self.is_end(id))), keys))
    }

    /// Encodes the number of tokens, then for each of them twice the length of its piece and one more if it ends a
    /// reply, the piece, and its key.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.pieces.len() as u64);
        for ((piece, &is_end), key) in self.pieces.iter().zip(&self.ends).zip(self.keys.as_slice()) {
            put_number(&mut out, 2 * piece.len() as u64 + u64::from(is_end));
            out.extend_from_slice(piece);
            out.extend_from_slice(&key.to_bits().to_le_bytes());
        }
        out
    }

    pub(super) fn decode(section: &[u8]) -> Result<Self, TraceError> {
        let mut bytes = Bytes(section);
        let len = bytes.len(9)?;
        let (mut pieces, mut ends, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..len {
            let mark = bytes.number()?;
            let piece = usize::try_from(mark / 2).unwrap_or(usize::MAX);
            pieces.push(bytes.take(piece)?.to_vec());
            ends.push(mark % 2 == 1);
            keys.push(TokenKey::from_bits(bytes.u64()?));
        }
        bytes.end()?;
        let keys = TokenKeys::from_keys(keys).map_err(|error| TraceError::Damaged { what: error.to_string() })?;
        Ok(Self { pieces, ends, keys })
    }
}
