//! The way from text to tokens, on a stack that is deep enough, with BOS (a text's first token) where a text wants it.
//!
//! Many of llama.cpp's tokenizers split text by `std::regex` first, and that of GNU's C++ library calls itself for each
//! character of a match: some hundred bytes of stack a character. So text in which a match may be long is split on a
//! thread with a stack for it, and text whose matches may be longer than any stack is refused.

use std::thread;

use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::native::{self, Thrown};

/// Longest match that is left to the thread that asks, in characters; that may be one with half a MiB, as on iOS.
const MAX_MATCH_HERE: usize = 256;
/// Bytes of stack for a character of a match; see `a_match_of_the_longest_length_fits_its_stack`.
const STACK_PER_CHARACTER: usize = 1 << 10;
/// Bytes of stack for everything else.
const STACK: usize = 1 << 20;
/// Longest match that is tried, in characters: a stack of 129 MiB, of which only what is used takes memory.
const MAX_MATCH: usize = 1 << 17;

/// Names of splitters that llama.cpp has loops for, or loops and a pattern of one character: no match is too long for
/// them.
const LOOPS: [&str; 31] = [
    "llama3",
    "llama-v3",
    "llama-bpe",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "midm-2.0",
    "lfm2",
    "dbrx",
    "smaug-bpe",
    "chatglm-bpe",
    "glm4",
    "glm5",
    "qwen2",
    "deepseek-r1-qwen",
    "kormo",
    "qwen35",
    "stablelm2",
    "hunyuan",
    "grok-2",
    "kimi-k2",
    "gemma4",
    "gpt-2",
    "mpt",
    "olmo",
    "jais",
    "starcoder",
    "refact",
    "command-r",
    "smollm",
    "codeshell",
];

/// The tokenizer of a model.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// BOS, if a text is to begin with it.
    bos: Option<TokenId>,
    recurses: bool,
}

impl Tokenizer {
    pub(crate) fn of(model: &native::Model, pre_tokenizer: Option<&str>) -> Self {
        let bos = model.bos().filter(|_| model.adds_bos());
        let recurses = model.splits_text() && !pre_tokenizer.is_some_and(|name| LOOPS.contains(&name));
        Self { bos, recurses }
    }

    /// Makes tokens; `parse` reads the names of control tokens as those. No EOS is added, whatever the file asks for:
    /// a prompt goes on.
    pub(crate) fn tokens(&self, model: &native::Model, text: &str, parse: bool) -> Result<Vec<TokenId>, ModelError> {
        let refused = |reason: String| ModelError::Text { reason };
        let longest = if self.recurses { longest_match(text) } else { 0 };
        if longest > MAX_MATCH {
            return Err(refused(format!("{longest} characters without a line break, {MAX_MATCH} can be split")));
        }
        let tokenize = || model.tokenize(text.as_bytes(), parse).map_err(|Thrown(reason)| refused(reason));
        if longest <= MAX_MATCH_HERE {
            return tokenize();
        }
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("uhlm-tokens".into());
            let builder = builder.stack_size(STACK + longest * STACK_PER_CHARACTER);
            let thread = builder.spawn_scoped(scope, tokenize).map_err(|error| refused(error.to_string()))?;
            thread.join().map_err(|_| refused("the tokenizer's thread failed".into()))?
        })
    }

    /// Does the same for the beginning of a text: with one BOS where the model wants it, whether or not the text begins
    /// with its name.
    pub(crate) fn tokens_from_the_beginning(
        &self,
        model: &native::Model,
        text: &str,
    ) -> Result<Vec<TokenId>, ModelError> {
        let mut tokens = self.tokens(model, text, true)?;
        if let Some(bos) = self.bos
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }
}

/// Returns the largest number of characters that one match may have: some patterns match whole lines of words, all stop
/// where a line does, and blank lines may be one match.
fn longest_match(text: &str) -> usize {
    let lines = text.split(['\n', '\r']).map(|line| line.chars().count()).max().unwrap_or(0);
    let (mut blank, mut blanks) = (0, 0);
    for character in text.chars() {
        blank = if character.is_whitespace() { blank + 1 } else { 0 };
        blanks = blanks.max(blank);
    }
    lines.max(blanks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_is_a_line_or_what_is_blank() {
        assert_eq!(longest_match(""), 0);
        assert_eq!(longest_match("one two\nthree\r\nfour"), 7);
        assert_eq!(longest_match("a\n\n\n \n\nb"), 6);
        assert_eq!(longest_match("\u{e9}\u{e9}\u{1f389}"), 3);
    }
}
