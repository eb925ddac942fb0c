//! What phones say: a prompt, and what the target writes to it.

use uhlm_law::advance::Begin;
use uhlm_law::sampling::{SamplingParams, TokenId};

/// Lengths of a prompt and of the reply to it, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of tokens of the prompt.
    pub prompt: usize,
    /// Number of tokens of the reply.
    pub reply: usize,
}

impl Shape {
    /// Returns the shape that comes nearest to this one in a context of so many tokens.
    #[must_use]
    pub fn within(self, context: usize) -> Self {
        let prompt = self.prompt.min(context * 3 / 4).max(2);
        Self { prompt, reply: self.reply.min(context.saturating_sub(prompt + 1)).max(1) }
    }

    pub(crate) fn distance(self, other: Self) -> f64 {
        let ratio = |a: usize, b: usize| (a.max(1) as f64 / b.max(1) as f64).ln().abs();
        ratio(self.prompt, other.prompt) + ratio(self.reply, other.reply)
    }
}

/// A prompt and what the target writes to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Ids of the prompt.
    pub prompt: Vec<TokenId>,
    /// Ids of the reply, with the token that ends it where the target ended it; empty before it is recorded.
    pub reply: Vec<TokenId>,
    /// Largest number of tokens that the reply may have.
    pub max_tokens: usize,
    /// Seed of the reply.
    pub seed: u64,
    /// Sampling chain of the target.
    pub sampling: SamplingParams,
}

impl Text {
    /// Returns the settings of the generation.
    pub(crate) fn begin(&self) -> Begin {
        let number = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        Begin {
            seed: self.seed,
            sampling: self.sampling.clone(),
            reply_start: number(self.prompt.len()),
            max_tokens: number(self.max_tokens),
            stop: Vec::new(),
            grammar: None,
        }
    }

    /// Returns the token that the target writes at an index of the reply; beyond the recording some token.
    pub(crate) fn own(&self, index: usize) -> TokenId {
        self.reply.get(index).or(self.reply.last()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_fits_a_context_with_room_for_a_reply() {
        let shape = |prompt, reply| Shape { prompt, reply };
        assert_eq!(shape(10, 20).within(100), shape(10, 20));
        assert_eq!(shape(400, 200).within(100), shape(75, 24));
        assert_eq!(shape(0, 0).within(100), shape(2, 1));
    }

    #[test]
    fn the_text_of_the_nearest_length_stands_for_a_wish() {
        let near = Shape { prompt: 100, reply: 20 };
        let far = Shape { prompt: 1000, reply: 20 };
        assert!(near.distance(Shape { prompt: 200, reply: 20 }) < far.distance(Shape { prompt: 200, reply: 20 }));
        assert_eq!(near.distance(near), 0.0);
    }
}
