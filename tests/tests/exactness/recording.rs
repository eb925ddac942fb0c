//! A target that remembers the rows that it drew from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uhlm_law::advance::{Draw, Row};
use uhlm_law::model::{LanguageModel as _, ModelError, Vocabulary};
use uhlm_law::noise::PositionKey;
use uhlm_law::sampling::{Scratch, TokenId};
use uhlm_llama::{BatchContext, ContextOptions};
use uhlm_server::EngineOptions;
use uhlm_server::target::{BatchToken, LlamaTarget, Target, TargetInfo};
use uhlm_testing::served::Served;

use crate::support::target;

/// The rows of logits by the tokens before them and the noise with which they were drawn, in the order of the draws.
type Rows = HashMap<(Vec<TokenId>, PositionKey), Vec<Vec<f32>>>;

/// A recording of the rows that a server's target drew from.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<Rows>>);

impl Recording {
    /// Starts a server with the demo target that keeps a recording.
    pub(crate) fn served() -> (Served, Self) {
        let options = EngineOptions { threads: 1, ..EngineOptions::default() };
        // The server's own engine tells what it is; a context of the same shape has rows that can be looked at.
        let about = LlamaTarget::new(target(), &options).expect("an engine");
        let EngineOptions { context, batch, micro_batch, threads, .. } = options;
        let info = about.info().clone();
        let shape =
            ContextOptions { context, threads, batch, micro_batch, sequences: info.slots, ..ContextOptions::default() };
        let context = BatchContext::new(target(), &shape).expect("a context");
        let recording = Self::default();
        let target = Recorded { info, context, recording: recording.clone() };
        (Served::start_with_target(Box::new(target)), recording)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the rows that decided the token after `history` out of the recording; none where it was never drawn.
    pub(crate) fn take(&self, history: &[TokenId], position: PositionKey) -> Vec<Vec<f32>> {
        self.rows().remove(&(history.to_vec(), position)).unwrap_or_default()
    }
}

struct Recorded {
    info: TargetInfo,
    context: BatchContext,
    recording: Recording,
}

impl Recorded {
    fn row(&self, index: usize) -> Result<&[f32], ModelError> {
        self.context.logits(index).ok_or_else(|| ModelError::Decode { reason: format!("no row {index}") })
    }
}

impl Target for Recorded {
    fn info(&self) -> &TargetInfo {
        &self.info
    }

    fn vocabulary(&self) -> &dyn Vocabulary {
        self.context.model().vocabulary()
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        self.context.decode(tokens)
    }

    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError> {
        let logits = self.row(index)?.to_vec();
        let drawn = draw.of_logits(&logits, &mut Scratch::default(), self.context.model().token_keys());
        let row = drawn.map_err(|error| ModelError::Decode { reason: error.to_string() })?;
        self.recording.rows().entry((draw.history.to_vec(), draw.position)).or_default().push(logits);
        Ok(row)
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        self.context.truncate(slot, from)
    }
}
