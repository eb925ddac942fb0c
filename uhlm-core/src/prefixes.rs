//! The beginnings of conversations that sessions of one engine have read, for others that begin alike.
//!
//! llama.cpp copies a cache within one context only, and every session has its own, so a beginning is kept as bytes in
//! memory: what a session reads ahead of its first message, system message included, is read once for all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use uhlm_law::sampling::TokenId;

use crate::state::locked;

/// Largest size of all caches that are kept, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// Shortest beginning that is kept, in tokens: a shorter one is read as fast as it is copied.
const MIN_TOKENS: usize = 32;

/// A beginning with the draft model's cache of it.
#[derive(Debug)]
pub(crate) struct Prefix {
    pub(crate) tokens: Vec<TokenId>,
    /// Cache in the engine's own form.
    pub(crate) cache: Vec<u8>,
}

/// The beginnings that are kept.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    /// The beginnings, the one that was used last at the end.
    kept: Mutex<VecDeque<Arc<Prefix>>>,
}

impl Prefixes {
    /// Returns the longest beginning that `tokens` begin with.
    pub(crate) fn longest(&self, tokens: &[TokenId]) -> Option<Arc<Prefix>> {
        let mut kept = locked(&self.kept);
        let fits = (0..kept.len()).filter(|&place| tokens.starts_with(&kept[place].tokens));
        let longest = fits.max_by_key(|&place| kept[place].tokens.len())?;
        let prefix = kept.remove(longest)?;
        kept.push_back(Arc::clone(&prefix));
        Some(prefix)
    }

    /// Tells whether a beginning of so many tokens is worth its bytes.
    pub(crate) fn wants(tokens: usize) -> bool {
        tokens >= MIN_TOKENS
    }

    /// Keeps a beginning; those that were used longest ago go where there are too many bytes. One that has too
    /// many by itself is not kept.
    pub(crate) fn keep(&self, tokens: &[TokenId], cache: Vec<u8>) {
        if cache.len() > MAX_BYTES {
            return;
        }
        let mut kept = locked(&self.kept);
        kept.retain(|prefix| prefix.tokens != tokens);
        kept.push_back(Arc::new(Prefix { tokens: tokens.to_vec(), cache }));
        while kept.iter().map(|prefix| prefix.cache.len()).sum::<usize>() > MAX_BYTES {
            kept.pop_front();
        }
    }

    /// Gives all of them up.
    pub(crate) fn clear(&self) {
        locked(&self.kept).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: u32) -> Vec<TokenId> {
        (0..count).collect()
    }

    #[test]
    fn the_longest_beginning_is_found_and_those_used_longest_ago_go() {
        let prefixes = Prefixes::default();
        assert!(prefixes.longest(&tokens(9)).is_none());
        let cache = |byte| vec![byte; MAX_BYTES / 3];
        prefixes.keep(&tokens(40), cache(1));
        prefixes.keep(&tokens(50), cache(2));
        prefixes.keep(&[7; 40], cache(3));
        let found = |wanted: &[TokenId]| prefixes.longest(wanted).map(|prefix| prefix.cache[0]);
        assert_eq!([60, 50, 45, 40].map(|count| found(&tokens(count))), [Some(2), Some(2), Some(1), Some(1)]);
        assert_eq!(found(&tokens(39)), None);
        // The one of sevens was used longest ago.
        prefixes.keep(&[8; 40], cache(4));
        assert_eq!((found(&[7; 40]), found(&[8; 40]), found(&tokens(50))), (None, Some(4), Some(2)));
        prefixes.keep(&[8; 40], cache(5));
        assert_eq!((found(&[8; 40]), found(&tokens(40))), (Some(5), Some(1)), "it takes the place of the same one");
        prefixes.keep(&[9; 40], vec![6; MAX_BYTES + 1]);
        assert_eq!((found(&[9; 40]), found(&[8; 40])), (None, Some(5)), "one that is too large drives no other out");
        prefixes.clear();
        assert_eq!(found(&tokens(50)), None);
    }
}
