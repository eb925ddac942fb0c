//! The hash that tells whether two parties have the same vocabulary, and the hashes that tell where they differ.
//!
//! Decides which of a token's marks count. Rows of a model that stand for no token ([`TokenKind::Unused`]) do not: two
//! models of one family often have a different number of them. Which tokens end a reply does not count either: that is
//! the target's to say ([`Info::ends`](crate::advance::Info::ends)).

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::token::{TokenId, TokenKind};

/// Number of ids that one hash of [`Blocks`] stands for.
pub const BLOCK_IDS: u32 = 256;

/// Bytes that are hashed before everything else.
const DOMAIN: &[u8; 8] = b"uhlm/voc";

/// The hashes of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabularyHashes {
    /// Hash over all tokens. Two models with the same one read a token id as the same text.
    pub whole: Digest,
    /// Hashes over parts of it.
    pub blocks: Blocks,
}

/// Hashes over [`BLOCK_IDS`] ids each, 4 bytes a block: enough to find where two vocabularies differ, and for nothing
/// else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks(Vec<[u8; 4]>);

impl Blocks {
    /// Tells whether there are none: nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first id of the first block that differs; `None` where all are equal. A block that one side lacks
    /// differs.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<TokenId> {
        let most = self.0.len().max(other.0.len());
        (0..most).find(|&block| self.0.get(block) != other.0.get(block)).map(|block| block as TokenId * BLOCK_IDS)
    }

    /// Returns all hashes, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// Reads the bytes that [`Self::to_bytes`] has written; `None` where bytes are missing at the end.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks();
        rest.is_empty().then(|| Self(blocks.to_vec()))
    }
}

impl Serialize for Blocks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|block| format!("{:08x}", u32::from_be_bytes(*block))))
    }
}

impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let read = |text: &String| u32::from_str_radix(text, 16).map(u32::to_be_bytes);
        texts.iter().map(read).collect::<Result<_, _>>().map(Self).map_err(serde::de::Error::custom)
    }
}

/// Hashes a vocabulary, given each token's bytes and kind in the order of ids: for each that is a token its id, its
/// class, and length and bytes of its text, a control token's name included. The class tells text, single bytes and
/// marks apart, because the noise of what follows depends on whether a token has text.
#[must_use]
pub fn vocabulary<B: AsRef<[u8]>>(tokens: impl IntoIterator<Item = (B, TokenKind)>) -> VocabularyHashes {
    let begin = || Sha256::new_with_prefix(DOMAIN);
    let (mut whole, mut block, mut blocks) = (begin(), begin(), Vec::new());
    let mut close = |block: &mut Sha256| {
        let [a, b, c, d, ..] = <[u8; 32]>::from(std::mem::replace(block, begin()).finalize());
        blocks.push([a, b, c, d]);
    };
    let mut next: TokenId = 0;
    for (id, (bytes, kind)) in (0..).zip(tokens) {
        let Some(class) = class(kind) else { continue };
        while id / BLOCK_IDS > next / BLOCK_IDS {
            close(&mut block);
            next = (next / BLOCK_IDS + 1) * BLOCK_IDS;
        }
        next = id;
        let bytes = bytes.as_ref();
        for hash in [&mut whole, &mut block] {
            hash.update(id.to_le_bytes());
            hash.update([class]);
            hash.update((bytes.len() as u32).to_le_bytes());
            hash.update(bytes);
        }
    }
    close(&mut block);
    VocabularyHashes { whole: Digest(whole.finalize().into()), blocks: Blocks(blocks) }
}

/// Tells whether an id means the same token in two vocabularies, by its bytes and kind in each; `None` stands for an id
/// that means no token.
#[must_use]
pub fn is_same_token(one: Option<&(Vec<u8>, TokenKind)>, other: Option<&(Vec<u8>, TokenKind)>) -> bool {
    fn seen(token: Option<&(Vec<u8>, TokenKind)>) -> Option<(&[u8], u8)> {
        token.and_then(|(bytes, kind)| class(*kind).map(|class| (bytes.as_slice(), class)))
    }
    seen(one) == seen(other)
}

/// Returns the class of a token's kind, which is all that counts of it; `None` where it is no token.
fn class(kind: TokenKind) -> Option<u8> {
    match kind {
        TokenKind::Normal | TokenKind::UserDefined => Some(0),
        TokenKind::Byte => Some(1),
        TokenKind::Control | TokenKind::Unknown | TokenKind::EndOfTurn | TokenKind::End => Some(2),
        TokenKind::Unused => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenKind::{Control, Normal, Unused, UserDefined};

    /// Hashes tokens with a name each, and the last `padding` rows without one.
    fn hashes(
        tokens: usize,
        padding: usize,
        change: impl Fn(usize) -> Option<(String, TokenKind)>,
    ) -> VocabularyHashes {
        let token = |id| change(id).unwrap_or_else(|| (format!("t{id}"), Normal));
        let padding = (tokens..tokens + padding).map(|id| (format!("[PAD{id}]"), Unused));
        vocabulary((0..tokens).map(token).chain(padding))
    }

    #[test]
    fn rows_without_a_token_change_nothing_wherever_they_are() {
        let plain = hashes(1000, 0, |_| None);
        assert_eq!(plain, hashes(1000, 300, |_| None));
        let hole = |text: &str| hashes(1000, 0, |id| (id == 700).then(|| (text.to_owned(), Unused)));
        assert_eq!(hole(""), hole("[PAD700]"));
        assert_ne!(hole("").whole, plain.whole);
    }

    #[test]
    fn text_id_and_whether_it_is_text_count_and_how_it_came_into_the_vocabulary_does_not() {
        let plain = hashes(10, 0, |_| None);
        let third = |text: &str, kind| hashes(10, 0, |id| (id == 3).then(|| (text.to_owned(), kind)));
        assert_eq!(third("t3", UserDefined), plain);
        assert_ne!(third("t3", Control), plain);
        assert_ne!(third("u3", Normal), plain);
        assert_ne!(hashes(11, 0, |_| None), plain);
    }

    #[test]
    fn the_first_block_that_differs_is_found() {
        let blocks =
            |tokens, changed| hashes(tokens, 9, |id| (id == changed).then(|| ("other".to_owned(), Normal))).blocks;
        let plain = blocks(1000, usize::MAX);
        assert_eq!(plain.to_bytes().len(), 16);
        for (changed, first) in [(0, 0), (255, 0), (256, 256), (999, 768)] {
            assert_eq!(plain.first_difference(&blocks(1000, changed)), Some(first), "{changed}");
        }
        assert_eq!(plain.first_difference(&blocks(1025, usize::MAX)), Some(768));
        assert_eq!(blocks(1024, usize::MAX).first_difference(&blocks(1025, usize::MAX)), Some(1024));
        assert_eq!(plain.first_difference(&plain), None);
        assert_eq!(Blocks::from_bytes(&plain.to_bytes()), Some(plain.clone()));
        assert_eq!(Blocks::from_bytes(&[1, 2, 3]), None);
        let json = serde_json::to_string(&plain).expect("plain data");
        assert_eq!(serde_json::from_str::<Blocks>(&json).expect("what was written"), plain);
    }

    #[test]
    fn the_hash_is_the_one_of_the_protocol_s_document() {
        let vocabulary = vocabulary([("the", Normal), ("", Unused), ("<|end|>", Control)]);
        let whole = "9579ad82676f88f6151b4fdccec15c6c2c5befc04bcb6e8fedc13be89d4f3e0b";
        assert_eq!(vocabulary.whole.to_string(), whole);
        assert_eq!(serde_json::to_string(&vocabulary.blocks).expect("plain data"), "[\"9579ad82\"]");
    }
}
