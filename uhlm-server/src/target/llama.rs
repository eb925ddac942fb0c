//! The target model run by llama.cpp in this process.
//!
//! A context's tokens look at all cells of its cache, those of other sequences too, so a context has at most
//! [`SEQUENCES`] sequences; where there are to be more, there are several contexts, and a pass of the scheduler is one
//! of llama.cpp in each context that has a part in it.

use std::sync::Arc;

use uhlm_law::advance::{Draw, Row};
use uhlm_law::chat::{ChatTemplate as _, Message, TemplateError};
use uhlm_law::model::{LanguageModel, ModelError, Vocabulary};
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::{Scratch, TokenId};
use uhlm_llama::{Accelerator, BatchContext, BatchToken, ContextOptions, Model, VocabularyFile};

use super::rows::{draw_on_threads, draw_one};
use super::{RowTask, Target, TargetInfo};

/// Largest number of sequences in one context.
const SEQUENCES: u32 = 64;
/// Largest number of contexts.
const MAX_CONTEXTS: u32 = 16;
/// Number of logits that a thread has to look at to be worth its start: about half a millisecond's work.
const LOGITS_A_THREAD: usize = 250_000;

/// Options by which llama.cpp runs the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// Capacity of the KV cache for all sessions together, in tokens; 0 for the length that the model was trained for.
    /// With more than 64 slots it is divided evenly among the contexts, and no session can be longer than such a part.
    pub context: u32,
    /// Largest number of tokens in one pass; more are decoded in several.
    pub batch: u32,
    /// Number of tokens of a pass that are computed at once; 0 for all of them. With 1 the logits of a session do not
    /// depend on what shares a pass or the cache with it, so a seed gives the same text to the bit whatever the server
    /// has to do beside it. The cost is that each token reads the weights by itself: a pass over n tokens takes as long
    /// as n passes, prompts too. And a slot has room for a whole context then, so there are at most as many slots as
    /// whole contexts go into the cache.
    pub micro_batch: u32,
    /// Whether rows do not depend, to the bit, on how many share their pass, at the cost of slower passes and of what
    /// `micro_batch = 1` says about slots: see [`uhlm_llama::invariance`].
    pub batch_invariant: bool,
    /// Number of sessions that have a cache at the same time; others are decoded again when their turn comes. For each
    /// 64 of them there is a context of its own, with its own pass: a token looks at all that its context holds.
    pub slots: u32,
    /// Number of threads that decode; 0 for [`Model::sensible_threads`] without a limit.
    pub threads: u32,
    /// Part of the machine that the target computes on.
    pub accelerator: Accelerator,
    /// Largest number of layers on a GPU; `None` for all of them.
    pub gpu_layers: Option<u32>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            context: 16_384,
            batch: 512,
            micro_batch: 0,
            batch_invariant: false,
            slots: 64,
            threads: 0,
            accelerator: Accelerator::Auto,
            gpu_layers: None,
        }
    }
}

/// A GGUF model run by llama.cpp.
#[derive(Debug)]
pub struct LlamaTarget {
    contexts: Vec<BatchContext>,
    /// Number of sequences of each context but the last, which may have fewer.
    sequences: u32,
    /// Context, and index in its part of the last pass, of each token of that pass.
    places: Vec<(usize, usize)>,
    info: TargetInfo,
    /// Number of threads that score rows.
    threads: usize,
    vocabulary_file: Option<VocabularyFile>,
    declared: Vec<Vec<TokenId>>,
    scratch: Scratch,
}

impl LlamaTarget {
    /// Makes a context of its own on a model that may be shared.
    ///
    /// # Errors
    /// [`ModelError::Decode`] where llama.cpp has no memory for it.
    pub fn new(model: Arc<Model>, options: &EngineOptions) -> Result<Self, ModelError> {
        let whole_contexts = (options.context / model.trained_context().max(1)).max(1);
        let own_cache = options.micro_batch == 1 || model.is_batch_invariant();
        let slots = if own_cache { options.slots.min(whole_contexts) } else { options.slots };
        let slots = slots.clamp(1, SEQUENCES * MAX_CONTEXTS);
        let contexts = slots.div_ceil(SEQUENCES);
        let sequences = slots.div_ceil(contexts);
        let threads = match options.threads {
            // Unlike a phone, a server has no slow cores.
            0 => model.sensible_threads(u32::MAX),
            n => n,
        };
        let EngineOptions { batch, micro_batch, .. } = *options;
        let context = if options.context == 0 { model.trained_context() } else { options.context };
        let context = (context / contexts).max(1);
        let shape = ContextOptions { context, threads, batch, micro_batch, sequences, ..ContextOptions::default() };
        let about = Arc::clone(&model);
        let made = (0..contexts).map(|_| BatchContext::new(Arc::clone(&model), &shape));
        let contexts: Vec<BatchContext> = made.collect::<Result<_, _>>()?;
        let least = |of: fn(&BatchContext) -> usize| contexts.iter().map(of).min().unwrap_or(0);
        let info = TargetInfo {
            name: about.name().to_owned(),
            fingerprint: about.fingerprint(),
            vocabulary: about.vocabulary_hashes().clone(),
            vocabulary_size: about.vocabulary().size() as u32,
            context: about.trained_context(),
            capacity: least(BatchContext::capacity) * contexts.len(),
            batch_size: least(BatchContext::batch_size),
            slots,
        };
        let (places, scratch, threads) = (Vec::new(), Scratch::default(), threads as usize);
        Ok(Self { contexts, sequences, places, info, threads, vocabulary_file: None, declared: Vec::new(), scratch })
    }

    /// Offers this file with the model's vocabulary to devices that have another one.
    #[must_use]
    pub fn offering(self, vocabulary_file: Option<VocabularyFile>) -> Self {
        Self { vocabulary_file, ..self }
    }

    /// Declares system prompts to be no secret: sessions share what is decoded of them across owners.
    ///
    /// # Errors
    /// [`TemplateError`] where the model's template does not take one.
    pub fn declaring(mut self, system_prompts: &[String]) -> Result<Self, TemplateError> {
        let model = self.contexts[0].model();
        self.declared = system_prompts
            .iter()
            .map(|text| {
                // What conversations have in common that differ from the first message on.
                let begun = |first: &str| model.prompt(&[Message::system(text.as_str()), Message::user(first)]);
                let (mut one, other) = (begun("a")?, begun("b")?);
                one.truncate(one.iter().zip(&other).take_while(|(one, other)| one == other).count());
                Ok(one)
            })
            .collect::<Result<_, TemplateError>>()?;
        Ok(self)
    }

    /// Returns the context of a slot, and the sequence that the slot is there.
    fn sequence(&self, slot: u32) -> (usize, u32) {
        ((slot / self.sequences) as usize, slot % self.sequences)
    }

    fn keys(&self) -> &TokenKeys {
        self.contexts[0].model().token_keys()
    }

    fn logits(&self, index: usize) -> Result<&[f32], ModelError> {
        let row = self.places.get(index).and_then(|&(context, index)| self.contexts[context].logits(index));
        row.ok_or_else(|| ModelError::Decode { reason: format!("the pass left no row {index}") })
    }
}

impl Target for LlamaTarget {
    fn info(&self) -> &TargetInfo {
        &self.info
    }

    fn vocabulary(&self) -> &dyn Vocabulary {
        self.contexts[0].model().vocabulary()
    }

    fn language(&self) -> Option<Arc<dyn LanguageModel>> {
        Some(Arc::clone(self.contexts[0].model()) as _)
    }

    fn vocabulary_file(&self) -> Option<VocabularyFile> {
        self.vocabulary_file.clone()
    }

    fn decode(&mut self, tokens: &[BatchToken]) -> Result<(), ModelError> {
        let mut parts = vec![Vec::new(); self.contexts.len()];
        self.places.clear();
        for token in tokens {
            let (context, sequence) = self.sequence(token.sequence);
            let part = parts.get_mut(context).ok_or_else(|| no_slot(token.sequence))?;
            self.places.push((context, part.len()));
            part.push(BatchToken { sequence, ..*token });
        }
        for (context, part) in self.contexts.iter_mut().zip(&parts) {
            context.decode(part)?;
        }
        Ok(())
    }

    fn draw(&mut self, index: usize, draw: &Draw<'_>) -> Result<Row, ModelError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let drawn = draw_one(self.logits(index), draw, &mut scratch, self.keys());
        self.scratch = scratch;
        drawn
    }

    /// Scores the rows of several sessions on several threads, as the engine has nothing to do meanwhile.
    fn draw_all(&mut self, tasks: &mut [RowTask<'_>]) {
        let logits: usize = tasks.iter().map(|task| task.indices().len()).sum::<usize>() * self.keys().len();
        let threads = self.threads.min(tasks.len()).min(logits / LOGITS_A_THREAD);
        if threads < 2 {
            return tasks.iter_mut().for_each(|task| task.draw(|index, draw| self.draw(index, draw)));
        }
        draw_on_threads(tasks, threads, |index| self.logits(index), self.keys());
    }

    fn contexts(&self) -> u32 {
        self.contexts.len() as u32
    }

    fn share(&mut self, source: u32, slot: u32, tokens: usize) -> Result<bool, ModelError> {
        let ((of, source), (context, sequence)) = (self.sequence(source), self.sequence(slot));
        if of != context {
            return Ok(false);
        }
        self.contexts[context].share(source, sequence, tokens)
    }

    fn declared(&self) -> &[Vec<TokenId>] {
        &self.declared
    }

    fn truncate(&mut self, slot: u32, from: usize) -> Result<(), ModelError> {
        let (context, sequence) = self.sequence(slot);
        let context = self.contexts.get_mut(context).ok_or_else(|| no_slot(slot))?;
        context.truncate(sequence, from)
    }
}

fn no_slot(slot: u32) -> ModelError {
    ModelError::Decode { reason: format!("there is no slot {slot}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uhlm_law::sampling::TokenId;

    use super::*;

    fn target(slots: u32) -> LlamaTarget {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-target.gguf");
        let model = Model::load(&path, &uhlm_llama::LoadOptions::default()).expect("the bundled target model");
        let options = EngineOptions { context: 6144, batch: 256, slots, threads: 1, ..EngineOptions::default() };
        LlamaTarget::new(model, &options).expect("contexts")
    }

    /// Returns tokens of a slot from position `from` on, with logits after the last.
    fn part(slot: u32, text: &[TokenId], from: usize) -> Vec<BatchToken> {
        let token = |(position, &id): (usize, &TokenId)| {
            let logits = position + 1 == text.len();
            BatchToken { id, position, sequence: slot, logits }
        };
        text.iter().enumerate().skip(from).map(token).collect()
    }

    fn apart(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_pass_reaches_the_slots_of_all_contexts_and_none_disturbs_another() {
        let mut target = target(130);
        assert_eq!((target.contexts(), target.info.slots, target.info.capacity), (3, 130, 6144));
        let text = |salt: u32| (0..20).map(|i| 3 + (i * 7 + salt * 131) % 500).collect::<Vec<TokenId>>();
        let (one, other) = (text(1), text(2));
        // The same text in the first, the second and the last context, between others.
        let slots = [(0, &one), (1, &other), (43, &other), (44, &one), (90, &other), (129, &one)];
        let batch: Vec<BatchToken> = slots.iter().flat_map(|(slot, text)| part(*slot, text, 0)).collect();
        target.decode(&batch).expect("decoded");
        let row = |target: &LlamaTarget, place: usize| target.logits(20 * place + 19).expect("a row").to_vec();
        let ones: Vec<_> = [0, 3, 5].iter().map(|&place| row(&target, place)).collect();
        let others: Vec<_> = [1, 2, 4].iter().map(|&place| row(&target, place)).collect();
        for rows in [&ones, &others] {
            assert!(rows.iter().all(|row| apart(row, &rows[0]) < 0.05));
        }
        assert!(apart(&ones[0], &others[0]) > 1.0, "two texts");
        assert!(target.logits(18).is_err(), "a row that was not asked for");
        target.truncate(44, 10).expect("rolled back");
        target.decode(&part(44, &one, 10)).expect("decoded");
        assert!(apart(target.logits(9).expect("a row"), &ones[0]) < 0.05);
        assert!(target.truncate(3000, 0).is_err() && target.decode(&part(3000, &one, 0)).is_err());
    }

    #[test]
    fn up_to_sixty_four_slots_share_one_context() {
        let target = target(64);
        assert_eq!((target.contexts(), target.info.capacity), (1, 6144));
    }
}
