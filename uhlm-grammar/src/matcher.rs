//! The state of a grammar in one reply.
//!
//! Decides which tokens are allowed, which one is forced, and whether a reply is whole. Text that a grammar leaves no
//! choice about takes the tokens that the tokenizer makes of it, so that it costs no decision of a model.

use std::fmt;
use std::sync::Arc;

use uhlm_law::grammar::{Constraint, ConstraintError};
use uhlm_law::sampling::{TokenId, TokenMask};

/// Number of tokens that are taken between two masks. llguidance allows new work only with a mask, so that many tokens
/// in a row would run out of it.
const REFILL: usize = 32;
/// The same for a reply that takes too much work for that.
const REFILL_CLOSELY: usize = 4;

/// The state of a grammar in one reply. It shares nothing that changes with another one: plain clones of llguidance's
/// would share their lexer, and an error of one would be the others' too.
pub struct Matcher {
    inner: llguidance::Matcher,
    /// Number of ids of the vocabulary.
    size: usize,
    /// Tokens that end a reply, the end of turn first.
    ends: Vec<TokenId>,
    /// Tokens of the reply that the state has taken, without one that ends it.
    taken: Vec<TokenId>,
    /// Number of tokens that were taken since the last mask.
    unfuelled: usize,
    /// State before the first token, from which a state that failed begins again. Only copies of it are used.
    start: Arc<llguidance::Matcher>,
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("tokens", &self.taken.len()).finish_non_exhaustive()
    }
}

impl Clone for Matcher {
    fn clone(&self) -> Self {
        let Self { inner, size, ends, taken, unfuelled, start } = self;
        let (ends, taken, start) = (ends.clone(), taken.clone(), Arc::clone(start));
        Self { inner: inner.deep_clone(), size: *size, ends, taken, unfuelled: *unfuelled, start }
    }
}

impl Matcher {
    pub(crate) fn new(start: &Arc<llguidance::Matcher>, size: usize, ends: &[TokenId]) -> Self {
        let (inner, ends, start) = (start.deep_clone(), ends.to_vec(), Arc::clone(start));
        Self { inner, size, ends, taken: Vec::new(), unfuelled: 0, start }
    }

    /// Returns the number of tokens that were taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Tells whether no token was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Takes a token.
    ///
    /// # Errors
    /// [`ConstraintError::NotOfGrammar`] for a token that is not allowed, which changes nothing;
    /// [`ConstraintError::TooComplex`].
    pub fn accept(&mut self, id: TokenId) -> Result<(), ConstraintError> {
        let at = self.taken.len();
        if self.inner.is_error() {
            self.begin_again();
            return Err(ConstraintError::TooComplex { at });
        }
        // The id behind the last token would be taken for the end.
        if id as usize >= self.size || self.ends.contains(&id) || self.inner.is_stopped() {
            return Err(ConstraintError::NotOfGrammar { at });
        }
        match self.inner.try_consume_tokens(&[id]) {
            Ok(1) => {
                self.taken.push(id);
                self.unfuelled += 1;
                Ok(())
            }
            Ok(_) => Err(ConstraintError::NotOfGrammar { at }),
            Err(_) => {
                self.begin_again();
                Err(ConstraintError::TooComplex { at })
            }
        }
    }

    /// Takes the last `tokens` tokens back; all of them where there are fewer.
    pub fn rollback(&mut self, tokens: usize) {
        let tokens = tokens.min(self.taken.len());
        self.taken.truncate(self.taken.len() - tokens);
        if self.inner.rollback(tokens).is_err() {
            self.begin_again();
        }
    }

    /// Returns the tokens that may come next.
    ///
    /// # Errors
    /// [`ConstraintError::TooComplex`].
    pub fn mask(&mut self) -> Result<TokenMask, ConstraintError> {
        if let Some(id) = self.forced() {
            return Ok(TokenMask::allowing(self.size, [id]));
        }
        let allowed = self.inner.compute_mask();
        self.unfuelled = 0;
        let Ok(allowed) = allowed else {
            let at = self.taken.len();
            self.rewind();
            return Err(ConstraintError::TooComplex { at });
        };
        let mut words = vec![0_u64; self.size.div_ceil(64)];
        for (i, half) in allowed.as_slice().iter().enumerate() {
            if let Some(word) = words.get_mut(i / 2) {
                *word |= u64::from(*half) << (32 * (i % 2));
            }
        }
        if let (Some(last), used @ 1..) = (words.last_mut(), self.size % 64) {
            *last &= (1 << used) - 1;
        }
        let mut mask = TokenMask::of_words(words);
        let may_end = allowed.is_allowed(self.size as TokenId);
        self.ends.iter().for_each(|&end| mask.set(end, may_end));
        Ok(mask)
    }

    /// Returns the token that must come next where that is known without a mask: one of a text that the grammar leaves
    /// no choice about, or the end of turn where nothing else can follow.
    pub fn forced(&mut self) -> Option<TokenId> {
        // A state that failed is stopped too, and forces nothing.
        if self.inner.is_stopped() && !self.inner.is_error() {
            return self.ends.first().copied();
        }
        self.inner.compute_ff_tokens().first().copied().filter(|id| (*id as usize) < self.size)
    }

    /// Tells whether what was taken is a whole text of the grammar.
    pub fn is_complete(&mut self) -> bool {
        let is_done = self.inner.stop_reason().is_ok() && self.inner.is_stopped();
        is_done || self.inner.is_accepting().unwrap_or(false)
    }

    /// Makes the lexer fail as it does where it runs out of what it may do.
    #[cfg(test)]
    pub(crate) fn break_lexer(&mut self) {
        assert!(self.inner.test_trigger_lexer_error().is_err());
    }

    /// Goes back to the start, after a failure, without a token.
    fn begin_again(&mut self) {
        self.inner = self.start.deep_clone();
        self.taken.clear();
        self.unfuelled = 0;
    }

    /// Takes the same tokens once more from the start, after a failure.
    fn rewind(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        self.begin_again();
        let _ = self.follow(&taken);
    }

    /// Brings the state to where `reply` was taken and nothing else.
    fn follow(&mut self, reply: &[TokenId]) -> Result<(), ConstraintError> {
        let common = self.taken.iter().zip(reply).take_while(|(taken, token)| taken == token).count();
        self.rollback(self.taken.len() - common);
        match self.go_on(reply, REFILL) {
            // A reply that was written with a mask at each token takes no more than that now.
            Err(ConstraintError::TooComplex { .. }) => {
                self.begin_again();
                self.go_on(reply, REFILL_CLOSELY)
            }
            outcome => outcome,
        }
    }

    /// Takes the tokens of `reply` after those that were taken, with a mask after each `refill` of them.
    fn go_on(&mut self, reply: &[TokenId], refill: usize) -> Result<(), ConstraintError> {
        // Where the state could not go back, it has begun again.
        for &id in reply.get(self.taken.len()..).unwrap_or_default() {
            if self.unfuelled >= refill && !self.inner.is_stopped() {
                let at = self.taken.len();
                self.unfuelled = 0;
                if self.inner.compute_mask().is_err() {
                    self.begin_again();
                    return Err(ConstraintError::TooComplex { at });
                }
            }
            self.accept(id)?;
        }
        Ok(())
    }
}

impl Constraint for Matcher {
    fn mask(&mut self, reply: &[TokenId]) -> Result<TokenMask, ConstraintError> {
        self.follow(reply)?;
        Self::mask(self)
    }

    fn forced(&mut self, reply: &[TokenId]) -> Result<Option<TokenId>, ConstraintError> {
        self.follow(reply)?;
        Ok(Self::forced(self))
    }

    fn is_complete(&mut self, reply: &[TokenId]) -> bool {
        let reply = reply.split_last().filter(|(last, _)| self.ends.contains(last)).map_or(reply, |(_, before)| before);
        self.follow(reply).is_ok() && Self::is_complete(self)
    }

    fn fork(&self) -> Box<dyn Constraint> {
        Box::new(self.clone())
    }
}
