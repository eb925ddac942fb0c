//! The end of a reply, by the text of the target's vocabulary.

use std::cell::RefCell;

use crate::advance::{Drawing, Ending};
use crate::model::Vocabulary;
use crate::sampling::TokenId;

/// The ends of replies as [`TextEnding`] sees them, of a generation that may have a grammar.
#[allow(missing_debug_implementations, reason = "a vocabulary is not printed")]
pub struct GenerationEnding<'a> {
    text: TextEnding<'a>,
    /// What knows the grammar; no call is made within another.
    drawing: RefCell<Option<&'a mut Drawing>>,
}

impl<'a> GenerationEnding<'a> {
    /// Makes the ends of the generation that `drawing` draws; `None` before the first.
    #[must_use]
    pub fn new(vocabulary: &'a dyn Vocabulary, drawing: Option<&'a mut Drawing>) -> Self {
        Self { text: TextEnding(vocabulary), drawing: RefCell::new(drawing) }
    }
}

impl Ending for GenerationEnding<'_> {
    fn is_end(&self, id: TokenId) -> bool {
        self.text.is_end(id)
    }

    fn completes_stop(&self, reply: &[TokenId], stop: &[String]) -> bool {
        self.text.completes_stop(reply, stop)
    }

    fn forced(&self, reply: &[TokenId]) -> Option<TokenId> {
        self.drawing.try_borrow_mut().ok()?.as_mut()?.forced(reply)
    }
}

/// The ends of replies, by the text of a vocabulary.
#[allow(missing_debug_implementations, reason = "a vocabulary is not printed")]
pub struct TextEnding<'a>(pub &'a dyn Vocabulary);

impl Ending for TextEnding<'_> {
    fn is_end(&self, id: TokenId) -> bool {
        self.0.is_end(id)
    }

    /// Looks at no more of the reply than the last token can have made a stop string of. Strings are compared byte by
    /// byte, so a token that ends inside a character, or goes on after the string, is as good as any other.
    fn completes_stop(&self, reply: &[TokenId], stop: &[String]) -> bool {
        let Some((&last, before)) = reply.split_last() else { return false };
        let last = self.0.piece(last);
        let longest = stop.iter().map(String::len).max().unwrap_or(0);
        if last.is_empty() || longest == 0 {
            return false;
        }
        let mut pieces = vec![last];
        let mut reach = longest - 1;
        for piece in before.iter().rev().map(|&id| self.0.piece(id)) {
            if reach == 0 {
                break;
            }
            pieces.push(piece);
            reach = reach.saturating_sub(piece.len());
        }
        pieces.reverse();
        let text = pieces.concat();
        stop.iter().any(|stop| text.windows(stop.len()).any(|part| part == stop.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its tokens are written out in the order of their ids.
    struct Pieces(&'static [&'static [u8]]);

    impl Vocabulary for Pieces {
        fn size(&self) -> usize {
            self.0.len()
        }

        fn piece(&self, id: TokenId) -> &[u8] {
            self.0[id as usize]
        }

        fn is_end(&self, id: TokenId) -> bool {
            self.piece(id).is_empty()
        }
    }

    #[test]
    fn a_stop_string_is_found_across_tokens_inside_tokens_and_inside_characters() {
        let vocabulary = Pieces(&[b"", b"ab", b"c d", b"\xc3", b"\xa9x", b"d"]);
        let ending = TextEnding(&vocabulary);
        let completes = |reply: &[TokenId], stop: &[&str]| {
            let stop: Vec<String> = stop.iter().map(|&stop| stop.into()).collect();
            ending.completes_stop(reply, &stop)
        };
        assert!(completes(&[1, 2], &["bc"]), "across two tokens, with more text after it");
        assert!(completes(&[2], &["c"]), "inside the only token");
        assert!(completes(&[1, 2, 3, 4], &["zz", "b", "\u{e9}"]), "in two halves of a character");
        assert!(completes(&[5, 5, 5, 1, 2], &["dddabc"]), "across many");
        assert!(completes(&[1, 0, 2], &["bc"]), "a token without text is passed over");
        assert!(!completes(&[1, 2], &["cd", "dd", "abcd"]));
        assert!(!completes(&[1, 3], &["\u{e9}"]), "half of it");
        assert!(!completes(&[], &["a"]) && !completes(&[1], &[]) && !completes(&[1, 0], &["ab"]));
        assert!(ending.is_end(0) && !ending.is_end(1));
    }
}
