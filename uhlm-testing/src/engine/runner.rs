//! The model of a stand-in engine: rows of any places of a text, computed one at a time, so that they are the same to
//! the bit whatever was asked before.

use std::ops::Range;
use std::sync::Arc;

use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{ContextOptions, LlamaSequence, Model};

/// One sequence of a model, and the tokens that it holds.
pub(super) struct Runner {
    sequence: LlamaSequence,
    held: Vec<TokenId>,
}

impl Runner {
    pub(super) fn new(model: Arc<Model>) -> Self {
        let options = ContextOptions { threads: 1, micro_batch: 1, ..ContextOptions::default() };
        Self { sequence: model.new_sequence(&options).expect("a context"), held: Vec::new() }
    }

    pub(super) fn model(&self) -> &Model {
        self.sequence.model()
    }

    /// Returns the logarithms of the probabilities of all tokens at the places `rows`: each after so many tokens.
    pub(super) fn rows(&mut self, tokens: &[TokenId], rows: Range<usize>) -> Result<Vec<Vec<f32>>, String> {
        let mut found = Vec::new();
        for at in rows {
            let wanted = tokens.get(..at).filter(|wanted| !wanted.is_empty()).ok_or("no text")?;
            let size = self.sequence.model().vocabulary().size() as TokenId;
            if wanted.iter().any(|id| *id >= size) {
                return Err("an unknown token".into());
            }
            // The last token is computed anew, so that there is a row after it.
            let common = self.held.iter().zip(wanted).take_while(|(held, wanted)| held == wanted).count().min(at - 1);
            self.sequence.truncate(common).map_err(|error| error.to_string())?;
            self.held.truncate(common);
            self.sequence.decode(&wanted[common..], &|| false).map_err(|error| error.to_string())?;
            self.held = wanted.to_vec();
            found.push(log_softmax(self.sequence.logits()));
        }
        Ok(found)
    }
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    logits.iter().map(|&z| (f64::from(z) - f64::from(max) - sum.ln()) as f32).collect()
}

/// Returns the `count` most probable tokens, the most probable first.
pub(super) fn top(row: &[f32], count: usize) -> Vec<(TokenId, f32)> {
    let mut order: Vec<(TokenId, f32)> = (0..).zip(row.iter().copied()).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.truncate(count);
    order
}
