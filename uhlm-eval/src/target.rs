//! Runs the target model with one sequence and many rows in a pass, for a verifier or a scorer.
//!
//! With a [memory](crate::memory) rows are taken from there, and one that it does not have is computed when it is asked
//! for.

use std::sync::Arc;

use uhlm_law::advance::{Draw, Row};
use uhlm_law::model::ModelError;
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingError, Scratch, TokenId};
use uhlm_llama::{BatchContext, BatchToken};

use crate::error::EvalError;
use crate::memory::{RememberedRows, Side};
use crate::pair::Pair;

/// One sequence of the target model.
#[derive(Debug)]
pub struct Target {
    rows: Rows,
    len: usize,
    /// Index in the last pass of the first token with a row of logits.
    first_row: usize,
    /// Number of tokens before the last pass.
    start: usize,
    scratch: Scratch,
}

#[derive(Debug)]
enum Rows {
    Computed(BatchContext),
    Remembered(RememberedRows),
}

impl Rows {
    /// Returns the logits after the `index`-th token of the last pass, before which there were `start` tokens.
    fn get(&mut self, index: usize, start: usize) -> Result<Option<&[f32]>, ModelError> {
        match self {
            Self::Computed(context) => Ok(context.logits(index)),
            Self::Remembered(rows) if start + index < rows.len() => rows.after(start + index + 1).map(Some),
            Self::Remembered(_) => Ok(None),
        }
    }
}

impl Target {
    /// Makes an empty sequence.
    ///
    /// # Errors
    /// [`ModelError::Decode`].
    pub fn new(pair: &Pair) -> Result<Self, ModelError> {
        let rows = match pair.memory() {
            None => Rows::Computed(pair.target_context()?),
            Some(memory) => {
                let (memory, model) = (Arc::clone(memory), Arc::clone(&pair.target));
                Rows::Remembered(RememberedRows::new(memory, Side::Target, model, pair.context()))
            }
        };
        Ok(Self { rows, len: 0, first_row: 0, start: 0, scratch: Scratch::default() })
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
        let first_row = tokens.len() - rows.min(tokens.len());
        match &mut self.rows {
            Rows::Computed(context) => {
                if start < self.len {
                    context.truncate(0, start)?;
                    self.len = start;
                }
                let token = |(i, &id)| BatchToken { id, position: start + i, sequence: 0, logits: i >= first_row };
                let batch: Vec<BatchToken> = tokens.iter().enumerate().map(token).collect();
                context.decode(&batch)?;
            }
            Rows::Remembered(rows) => {
                rows.truncate(start);
                rows.push(tokens)?;
            }
        }
        self.len = start + tokens.len();
        (self.first_row, self.start) = (first_row, start);
        Ok(())
    }

    /// Draws a row of the last pass.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where there is no such row or it decides nothing.
    pub fn draw(&mut self, draw: Draw<'_>, keys: &TokenKeys) -> Result<Row, ModelError> {
        let failed = |error: SamplingError| ModelError::Decode { reason: error.to_string() };
        let logits = self.rows.get(self.first_row + draw.row, self.start)?;
        let logits = logits.ok_or(failed(SamplingError::NonFiniteLogits))?;
        draw.of_logits(logits, &mut self.scratch, keys).map_err(failed)
    }

    /// Returns the target distribution of row `i` of the last pass after `history`.
    ///
    /// # Errors
    /// [`EvalError::Sampling`], also for a missing row; [`EvalError::Model`] where it has to be computed and cannot.
    pub fn row(&mut self, i: usize, chain: &SamplingChain, history: &[TokenId]) -> Result<Distribution, EvalError> {
        let logits = self.rows.get(self.first_row + i, self.start)?.ok_or(SamplingError::NonFiniteLogits)?;
        Ok(chain.distribution(ChainInput { logits, history, mask: None }, &mut self.scratch)?)
    }
}
