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

/// Number of bytes of a longer token, which is a ruler or the like and never allowed.
const LONGEST_WORD: usize = 128;
/// Number of forced bytes that are tokenized at once: every forced token tokenizes what is forced after it anew, and a
/// grammar may force all of 64 KB. Verifier and device cut alike, so they force the same tokens. It is more than what
/// llguidance may take off at both ends, a word each and another one's beginning.
const AT_ONCE: usize = 4 * LONGEST_WORD;

/// Returns the bytes of a forced text that are tokenized at once.
fn cut(bytes: &[u8]) -> &[u8] {
    // The cut is before the first byte of a character, which has at most three more.
    let is_start = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (AT_ONCE - 3..=AT_ONCE).rev().find(is_start).unwrap_or(AT_ONCE);
    bytes.get(..end).unwrap_or(bytes)
}

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
        words.iter_mut().filter(|word| word.len() > LONGEST_WORD).for_each(Vec::clear);
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

    /// Makes the tokens of the beginning of a forced text.
    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let bytes = cut(bytes);
        self.canonical(bytes).unwrap_or_else(|| self.trie.greedy_tokenize(bytes))
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.tokenize.is_some()
    }
}
