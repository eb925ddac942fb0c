//! A vocabulary as llguidance walks through it, and the canonical tokens of a text in it.

use std::sync::Arc;

use llguidance::toktrie::{TokRxInfo, TokTrie, TokenizerEnv};
use uhlm_law::sampling::TokenId;

use crate::error::GrammarError;

/// A function that makes the tokens that a tokenizer makes of a text, without BOS; `None` where it cannot.
pub(crate) type Tokenize = Arc<dyn Fn(&str) -> Option<Vec<TokenId>> + Send + Sync>;

/// Text that is put before another one, so that a tokenizer takes that for the middle of a text. It joins no token with
/// what comes after it.
const BEFORE: &str = "\n\u{2}";

/// A vocabulary with its tokenizer.
///
/// Tokens without text are never allowed: marks of turns, and what ends a reply, which is the matcher's to allow. An id
/// of its own, behind the last token, stands for the end.
pub(crate) struct Environment {
    trie: TokTrie,
    tokenize: Option<Tokenize>,
}

impl Environment {
    /// Makes the tables of a vocabulary with `size` ids, whose texts `piece` returns.
    pub(crate) fn new<'a>(
        size: usize,
        piece: impl Fn(TokenId) -> &'a [u8],
        tokenize: Option<Tokenize>,
    ) -> Result<Self, GrammarError> {
        let wrong = |reason: &str| GrammarError::Vocabulary { reason: reason.into() };
        // A trie keeps ids in 24 bits.
        let ids = u32::try_from(size).ok().filter(|ids| *ids < (1 << 24) - 2);
        let ids = ids.ok_or_else(|| wrong("it has more than 16 million tokens"))?;
        let text = |id| {
            let bytes = piece(id);
            // The byte 0xff is in no UTF-8 text, and marks control tokens for the trie.
            if bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) { Vec::new() } else { bytes.to_vec() }
        };
        let mut words: Vec<Vec<u8>> = (0..ids).map(text).collect();
        if words.iter().all(Vec::is_empty) {
            return Err(wrong("no token has text"));
        }
        // A node of the trie has room for 1,024 bytes on the way to it; longer tokens are rulers and the like.
        words.iter_mut().filter(|word| word.len() > 1000).for_each(Vec::clear);
        words.push(Vec::new());
        let info = TokRxInfo::new(ids + 1, ids);
        Ok(Self { trie: TokTrie::from(&info, &words), tokenize })
    }

    /// Returns the tokens that the tokenizer makes of a text in the middle of another one; `None` where they spell
    /// another text.
    fn canonical(&self, bytes: &[u8]) -> Option<Vec<TokenId>> {
        let (tokenize, text) = (self.tokenize.as_ref()?, str::from_utf8(bytes).ok()?);
        let spells = |ids: &[TokenId], text: &[u8]| self.trie.decode_raw(ids) == text;
        let ids = tokenize(text)?;
        if spells(&ids, bytes) {
            return Some(ids);
        }
        // Some tokenizers put a space before a text.
        let longer = tokenize(&format!("{BEFORE}{text}"))?;
        let from = (0..=longer.len()).find(|&from| spells(&longer[from..], bytes))?;
        Some(longer[from..].to_vec())
    }
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        self.canonical(bytes).unwrap_or_else(|| self.trie.greedy_tokenize(bytes))
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.tokenize.is_some()
    }
}
