//! How the rows of a generation become its tokens: its chain, its tape, and the place of each token of the reply.
//!
//! Decides which noise a position of a session's text has. Leaves the draw itself to the target.

use crate::advance::{Begin, PrefixHash, Tokens};
use crate::model::Vocabulary;
use crate::noise::{Place, PositionKey, Tape};
use crate::sampling::{SamplingChain, SamplingError};

/// Chain and noise of one generation.
#[derive(Clone, Debug)]
pub struct Drawing {
    begin: Begin,
    chain: SamplingChain,
    tape: Tape,
    /// A number of tokens that were walked, their hash, and the place after them: where the next walk begins as long as
    /// the text begins with them.
    walked: Option<(usize, PrefixHash, Place)>,
}

impl Drawing {
    /// Makes the drawing of a generation that begins so.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub fn new(begin: &Begin) -> Result<Self, SamplingError> {
        let chain = SamplingChain::new(begin.sampling.clone())?;
        Ok(Self { begin: begin.clone(), chain, tape: Tape::new(begin.seed, 0), walked: None })
    }

    /// Tells whether a generation that begins so draws like this one.
    #[must_use]
    pub fn is_of(&self, begin: &Begin) -> bool {
        self.begin == *begin
    }

    /// Returns the chain.
    #[must_use]
    pub fn chain(&self) -> &SamplingChain {
        &self.chain
    }

    /// Returns the key of a place.
    #[must_use]
    pub fn position(&self, place: Place) -> PositionKey {
        self.tape.at(place)
    }

    /// Returns the place of the token at index `at` of a text, of which only the tokens before it are looked at.
    pub fn place(&mut self, text: &Tokens, at: usize, vocabulary: &dyn Vocabulary) -> Place {
        let known = self.walked.filter(|(len, hash, _)| *len <= at && text.hash_of(*len) == Some(*hash));
        let (from, place) =
            known.map_or((self.begin.reply_start as usize, Place::START), |(len, _, place)| (len, place));
        let ids = text.ids().get(from..at).unwrap_or_default();
        let place = ids.iter().fold(place, |place, &id| place.after(vocabulary.piece(id).len()));
        self.walked = text.hash_of(at).filter(|_| at >= from).map(|hash| (at, hash, place));
        place
    }
}

#[cfg(test)]
mod tests {
    use crate::sampling::{SamplingParams, TokenId};

    use super::*;

    /// Token `n` has `n` bytes of text.
    struct Lengths;

    impl Vocabulary for Lengths {
        fn size(&self) -> usize {
            10
        }

        fn piece(&self, id: TokenId) -> &[u8] {
            &b"0123456789"[..id as usize]
        }

        fn is_end(&self, _: TokenId) -> bool {
            false
        }
    }

    #[test]
    fn a_place_counts_the_bytes_of_the_reply_whatever_was_walked_before() {
        let begin =
            Begin { seed: 5, sampling: SamplingParams::default(), reply_start: 2, max_tokens: 9, stop: Vec::new() };
        let mut drawing = Drawing::new(&begin).expect("a valid chain");
        let place = |offset, silent| Place { offset, silent };
        let text = |ids: &[TokenId]| ids.iter().copied().collect::<Tokens>();
        let first = text(&[7, 8, 1, 2, 0, 0, 3]);
        assert_eq!(drawing.place(&first, 2, &Lengths), Place::START);
        assert_eq!(drawing.place(&first, 4, &Lengths), place(3, 0));
        assert_eq!(drawing.place(&first, 6, &Lengths), place(3, 2));
        assert_eq!(drawing.place(&first, 3, &Lengths), place(1, 0), "back");
        assert_eq!(drawing.place(&first, 7, &Lengths), place(6, 0));
        assert_eq!(drawing.place(&text(&[7, 8, 1, 4, 0, 0, 3]), 7, &Lengths), place(8, 0), "another text");
        assert_eq!(drawing.place(&text(&[7]), 1, &Lengths), Place::START, "no reply");
        assert_eq!(drawing.position(place(3, 0)), Tape::new(5, 0).at(place(3, 0)));
        assert!(drawing.is_of(&begin) && !drawing.is_of(&Begin { seed: 6, ..begin }));
    }
}
