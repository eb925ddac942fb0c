//! Records a pair: the target writes its replies under the shared noise, and the rows of both models are kept.
//!
//! The target alone decides the text, with one row in each pass, as the plain loop of the exactness tests does; the
//! draft model reads the same text after it. Nothing here depends on time, windows or a link.

use std::path::Path;
use std::sync::Arc;

use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::rng::derived;
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::{ContextOptions, LlamaSequence, Model};

use super::file::TraceFile;
use super::rows::top;
use super::{Header, ModelIdentity, RecordedReply, Row, TraceVocabulary};
use crate::error::EvalError;
use crate::pair::Pair;
use crate::questions::{Question, spread};

/// The settings of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Number of prompts; kinds of task take turns.
    pub prompts: usize,
    /// Greatest length of a reply, in tokens.
    pub max_tokens: usize,
    /// Parameters of the sampling chain of both models.
    pub sampling: SamplingParams,
    /// Most logits that are kept of a row.
    pub top: usize,
    /// Seed from which the seeds of all replies are derived.
    pub seed: u64,
    /// Context of both models, in tokens: prompts that leave no room for a reply are passed over.
    pub context: u32,
    /// Number of threads of either model.
    pub threads: u32,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            prompts: 24,
            max_tokens: 128,
            sampling: SamplingParams { temperature: 0.7, ..SamplingParams::default() },
            top: 800,
            seed: 1,
            context: 2048,
            threads: 1,
        }
    }
}

impl Recording {
    fn header(&self, pair: &Pair) -> Header {
        let identity = |model: &Model| ModelIdentity {
            name: model.name().to_owned(),
            fingerprint: model.fingerprint(),
            parameters: model.parameters(),
        };
        Header {
            draft: identity(&pair.draft),
            target: identity(&pair.target),
            vocabulary: pair.target.vocabulary_hash(),
            vocabulary_size: pair.vocabulary_size() as u32,
            sampling: self.sampling.clone(),
            max_tokens: self.max_tokens,
            top: self.top,
            seed: self.seed,
        }
    }

    /// Records into the file `out`, and goes on with what it holds already. Blocks for as long as the models take.
    /// `progress` is told the index of each reply, the number of replies and the kind of task before the reply is
    /// written.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn run(
        &self,
        pair: &Pair,
        questions: &[Question],
        out: &Path,
        progress: &dyn Fn(usize, usize, &str),
    ) -> Result<(), EvalError> {
        let vocabulary = TraceVocabulary::of(pair.target.vocabulary(), pair.target.token_keys());
        let mut file = TraceFile::open(out, &self.header(pair), &vocabulary)?;
        let room = (self.context as usize).saturating_sub(self.max_tokens);
        let chosen = spread(&pair.fitting(questions, room)?, self.prompts);
        let mut writer = Writer::new(self, pair)?;
        for (index, question) in chosen.iter().enumerate() {
            let category = question.task.clone().unwrap_or_default();
            progress(index, chosen.len(), &category);
            let seed = derived(self.seed, index as u64);
            if !file.replies().iter().any(|reply| reply.seed == seed && reply.question == question.question) {
                file.append(&writer.record(category, question, seed)?)?;
            }
        }
        Ok(())
    }
}

/// The models that write and read a recording.
struct Writer<'a> {
    recording: &'a Recording,
    pair: &'a Pair,
    draft: LlamaSequence,
    target: LlamaSequence,
    chain: SamplingChain,
    scratch: Scratch,
}

impl<'a> Writer<'a> {
    fn new(recording: &'a Recording, pair: &'a Pair) -> Result<Self, EvalError> {
        let options =
            ContextOptions { context: recording.context, threads: recording.threads, ..ContextOptions::default() };
        let sequence = |model: &Arc<Model>| model.new_sequence(&options);
        Ok(Self {
            draft: sequence(&pair.draft)?,
            target: sequence(&pair.target)?,
            chain: SamplingChain::new(recording.sampling.clone())?,
            scratch: Scratch::default(),
            recording,
            pair,
        })
    }

    fn record(&mut self, category: String, question: &Question, seed: u64) -> Result<RecordedReply, EvalError> {
        let prompt = self.pair.prompt(&question.question)?;
        let (tokens, target) = self.write(&prompt, seed)?;
        let draft = self.read(&prompt, &tokens)?;
        Ok(RecordedReply { category, question: question.question.clone(), seed, prompt, tokens, draft, target })
    }

    /// Lets the target write; returns its tokens, each with the row that decided it.
    fn write(&mut self, prompt: &[TokenId], seed: u64) -> Result<(Vec<TokenId>, Vec<Row>), EvalError> {
        let (model, tape) = (&self.pair.target, Tape::new(seed, 0));
        self.target.truncate(0)?;
        self.target.decode(prompt, &|| false)?;
        let (mut history, mut place, mut rows) = (prompt.to_vec(), Place::START, Vec::new());
        loop {
            let logits = self.target.logits();
            let input = ChainInput { logits, history: &history, mask: None };
            let id = self.chain.winner(input, &mut self.scratch, model.token_keys(), tape.at(place))?.id;
            // A token that wins with a lower logit is kept too, so that a replay writes the same text.
            rows.push(top(logits, self.recording.top, Some(id)));
            history.push(id);
            if model.vocabulary().is_end(id) || rows.len() >= self.recording.max_tokens {
                return Ok((history.split_off(prompt.len()), rows));
            }
            place = place.after(model.vocabulary().piece(id).len());
            self.target.decode(&[id], &|| false)?;
        }
    }

    /// Lets the draft model read; returns its rows, one for each token of the reply.
    fn read(&mut self, prompt: &[TokenId], tokens: &[TokenId]) -> Result<Vec<Row>, EvalError> {
        self.draft.truncate(0)?;
        self.draft.decode(prompt, &|| false)?;
        let mut rows = Vec::with_capacity(tokens.len());
        for &id in tokens {
            rows.push(top(self.draft.logits(), self.recording.top, None));
            if rows.len() < tokens.len() {
                self.draft.decode(&[id], &|| false)?;
            }
        }
        Ok(rows)
    }
}
