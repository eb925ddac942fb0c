//! The tokens of a conversation.

use uhlm_law::protocol::PrefixHash;
use uhlm_law::sampling::TokenId;

/// The tokens of the conversation with the hash of every prefix.
#[derive(Debug)]
pub(super) struct Tokens {
    ids: Vec<TokenId>,
    hashes: Vec<PrefixHash>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self { ids: Vec::new(), hashes: vec![PrefixHash::EMPTY] }
    }

    pub(super) fn ids(&self) -> &[TokenId] {
        &self.ids
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn hash(&self, len: usize) -> PrefixHash {
        self.hashes[len]
    }

    pub(super) fn push(&mut self, id: TokenId) {
        self.hashes.push(self.hashes[self.ids.len()].push(id));
        self.ids.push(id);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.ids.truncate(len);
        self.hashes.truncate(len + 1);
    }
}
