//! Runs the target model with one sequence and many rows in a pass, for a verifier or a scorer.

use uhlm_law::advance::{Draw, Row};
use uhlm_law::model::ModelError;
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingError, Scratch, TokenId};
use uhlm_llama::{BatchContext, BatchToken};

use crate::pair::Pair;

/// One sequence of the target model.
#[derive(Debug)]
pub struct Target {
    context: BatchContext,
    len: usize,
    /// Index in the last pass of the first token with a row of logits.
    first_row: usize,
    scratch: Scratch,
}

impl Target {
    /// Makes an empty sequence.
    ///
    /// # Errors
    /// [`ModelError::Decode`].
    pub fn new(pair: &Pair) -> Result<Self, ModelError> {
        Ok(Self { context: pair.target_context()?, len: 0, first_row: 0, scratch: Scratch::default() })
    }

    /// Returns the number of decoded tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether no token was decoded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Rolls back to `start` tokens and decodes `tokens` in one pass that leaves logits after the last `rows` of them.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn pass(&mut self, start: usize, tokens: &[TokenId], rows: usize) -> Result<(), ModelError> {
        if start < self.len {
            self.context.truncate(0, start)?;
            self.len = start;
        }
        let first_row = tokens.len() - rows.min(tokens.len());
        let batch: Vec<BatchToken> = tokens
            .iter()
            .enumerate()
            .map(|(i, &id)| BatchToken { id, position: start + i, sequence: 0, logits: i >= first_row })
            .collect();
        self.context.decode(&batch)?;
        self.len = start + tokens.len();
        self.first_row = first_row;
        Ok(())
    }

    /// Returns the logits of row `i` of the last pass.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where the pass left no such row.
    pub fn logits(&self, i: usize) -> Result<&[f32], ModelError> {
        self.context
            .logits(self.first_row + i)
            .ok_or_else(|| ModelError::Decode { reason: format!("the pass left no row {i}") })
    }

    /// Draws a row of the last pass.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row or it decides nothing.
    pub fn draw(&mut self, draw: Draw<'_>, keys: &TokenKeys) -> Result<Row, ModelError> {
        let failed = |error: SamplingError| ModelError::Decode { reason: error.to_string() };
        let logits = self.context.logits(self.first_row + draw.row).ok_or(failed(SamplingError::NonFiniteLogits))?;
        draw.of_logits(logits, &mut self.scratch, keys).map_err(failed)
    }

    /// Returns the target distribution of row `i` after `history`.
    ///
    /// # Errors
    /// [`SamplingError`]; a missing row counts as one without a finite logit.
    pub fn row(&mut self, i: usize, chain: &SamplingChain, history: &[TokenId]) -> Result<Distribution, SamplingError> {
        let logits = self.context.logits(self.first_row + i).ok_or(SamplingError::NonFiniteLogits)?;
        chain.distribution(ChainInput { logits, history, mask: None }, &mut self.scratch)
    }
}
