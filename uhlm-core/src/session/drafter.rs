//! The phone's computation: the draft model's passes, its draws, its uncertainty, and the gate's decision on it.
//!
//! Decides the next drafted token. Whether to draft at all, and what becomes of the token, is decided elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use uhlm_grammar::{Compiled, ConstraintError, Grammar, GrammarError, Tables};
use uhlm_law::advance::{Begin, Drawing, PrefixHash, Tokens};
use uhlm_law::affine::Affine;
use uhlm_law::bridge::Bridge;
use uhlm_law::calibration::{Calibration, Features};
use uhlm_law::chat::DraftModel;
use uhlm_law::gate::{Gate, Goal, Predictor};
use uhlm_law::model::{ModelError, Sequence};
use uhlm_law::noise::{Place, PositionKey};
use uhlm_law::sampling::{self, ChainInput, SamplingError, Scratch, TokenId, TokenMask, Winner};
use uhlm_law::uncertainty::Uncertainty;

use super::end::End;
use super::ends::{TargetEnds, ends_either, marks};
use super::lookahead::{Counts, Lookahead};
use super::reply::Piece;
use super::token::Drafted;
use crate::error::GenerationError;
use crate::language::Language;
use crate::mode::Mode;
use crate::options::{MAX_TOP_TOKENS, SessionOptions};
use crate::origin::Origin;
use crate::why::TokenLogProbability;

/// Weight of the newest value in the average time of a step, which may change at once, with the phone's clock.
const NEWEST_TIME: f64 = 0.1;
/// Weight of the newest value in the average time of a batch's token: batches are rare, and it depends on their length.
const NEWEST_BATCH: f64 = 0.3;
/// Weight of the newest value in the average of beta, the expected rejection probability: how hard the text is shows
/// over a few dozen tokens only.
const NEWEST_BETA: f64 = 1.0 / 32.0;

/// Moves an exponential average towards `value`; 0 is the average of nothing.
fn average(mean: &mut f64, value: f64, newest: f64) {
    *mean = if *mean == 0.0 { value } else { *mean + newest * (value - *mean) };
}

/// Makes the error of a reply that its grammar says nothing about: the tokens before are the verifier's, or the grammar
/// takes too much work there.
fn not_of_grammar(error: &ConstraintError) -> GenerationError {
    GenerationError::Grammar { reason: error.to_string() }
}

/// What a draw of the draft model adds to the drafted tokens.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// Number of drafted tokens, at their end, whose place the new ones take.
    pub(super) replaces: usize,
    pub(super) tokens: Vec<Drafted>,
}

/// The draft model with everything that is needed to draft with it.
pub(super) struct Drafter {
    pub(super) model: DraftModel,
    /// Language of the session's tokens.
    language: Language,
    /// Way between the session's tokens and the draft model's own, where they are not the same.
    pub(super) bridge: Option<Bridge<Drafted>>,
    /// Number of its own tokens that the draft model's context holds; known once that was asked for.
    pub(super) fits: usize,
    /// Control tokens that mark the model's reasoning or its calls of tools, with their names.
    marks: Vec<(TokenId, &'static str)>,
    sequence: Option<Box<dyn Sequence>>,
    /// Tokens that the sequence holds, including those that were read ahead of being drafted.
    held: Vec<TokenId>,
    /// Number of tokens after which there are logits: the last ones of those held.
    rows: usize,
    lookahead: Lookahead,
    context: u32,
    threads: u32,
    scratch: Scratch,
    estimator: Box<dyn Uncertainty>,
    pub(super) gate: Gate,
    predictor: Predictor,
    /// Sampling chain, noise and grammar of the reply.
    drawing: Drawing,
    /// Tables by which grammars in the session's tokens are compiled; `None` before the first.
    tables: Option<Tables>,
    /// Grammar of the reply, if it has one.
    grammar: Option<Compiled>,
    /// End tokens that the grammar's state knows.
    grammar_ends: Vec<TokenId>,
    /// Hash of the text after which the grammar takes too much work, as far as that is known.
    unsaid: Option<PrefixHash>,
    /// End tokens of the target, where they are not those of the draft model.
    target_ends: Option<TargetEnds>,
    /// Largest number of tokens that the conversation may have with the reply.
    end: usize,
    /// Number of most probable tokens that are told with each drafted one.
    top_tokens: usize,
    /// Those tokens, by the number of tokens before the place.
    tops: BTreeMap<usize, Vec<(TokenId, f32)>>,
    /// Seconds that one drafted token takes, as an exponential average; 0 before the first.
    pub(super) seconds: f64,
    /// Mean of the drafted tokens' expected rejection probability, as an exponential average.
    pub(super) mean_beta: f64,
    /// Seconds that each further token takes in a batch that is read at once; 0 before the first prompt.
    pub(super) catch_up_seconds: f64,
    /// Seconds that reading a prompt takes, fitted to its number of tokens.
    pub(super) prefill_time: Affine,
}

impl Drafter {
    /// Makes a drafter; `seed` seeds the estimator's draws, if it makes any.
    pub(super) fn new(model: DraftModel, options: &SessionOptions, seed: u64) -> Result<Self, SamplingError> {
        // This drawing is replaced as soon as a reply begins; it only checks the session's chain here.
        let sampling = options.sampling.clone();
        let (stop, grammar) = (Vec::new(), None);
        let drawing = Drawing::new(&Begin { seed, sampling, reply_start: 0, max_tokens: 1, stop, grammar })?;
        let language = Language::from(&model);
        Ok(Self {
            marks: marks(&language),
            model,
            language,
            bridge: None,
            fits: usize::MAX,
            sequence: None,
            held: Vec::new(),
            rows: 0,
            lookahead: Lookahead::new(options.ngrams),
            context: options.context.tokens(),
            threads: options.threads,
            scratch: Scratch::default(),
            estimator: options.estimator.build(seed),
            gate: Gate::new(&options.calibration, options.goal).with_predictor(options.predictor),
            predictor: options.predictor,
            drawing,
            tables: None,
            grammar: None,
            grammar_ends: Vec::new(),
            unsaid: None,
            target_ends: None,
            end: usize::MAX,
            top_tokens: 0,
            tops: BTreeMap::new(),
            seconds: 0.0,
            mean_beta: options.calibration.mean_beta(),
            catch_up_seconds: 0.0,
            prefill_time: Affine::default(),
        })
    }

    /// Takes up another calibration; what the gate has learned since is forgotten.
    pub(super) fn take_calibration(&mut self, calibration: &Calibration, goal: Goal, predictor: Predictor) {
        self.gate = Gate::new(calibration, goal).with_predictor(predictor);
        self.mean_beta = calibration.mean_beta();
    }

    /// Compiles the grammar of the reply that begins next, or takes note that it has none.
    ///
    /// # Errors
    /// [`GrammarError`].
    pub(super) fn compile(&mut self, grammar: Option<&Grammar>) -> Result<(), GrammarError> {
        self.grammar = None;
        if let Some(grammar) = grammar {
            let tables = match &self.tables {
                Some(tables) => tables,
                None => self.tables.insert(Tables::shared(&self.language.words)?),
            };
            self.grammar = Some(tables.compile(grammar)?);
        }
        Ok(())
    }

    /// Tells whether the reply has a grammar.
    pub(super) fn has_grammar(&self) -> bool {
        self.grammar.is_some()
    }

    /// Tells whether the reply in `tokens`, the prompt's included, is a whole text of its grammar; `None` where it has
    /// none.
    pub(super) fn is_complete(&mut self, tokens: &[TokenId]) -> Option<bool> {
        self.drawing.is_complete(tokens)
    }

    /// Begins a reply, with the grammar that was compiled for it.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`].
    pub(super) fn begin(&mut self, begin: &Begin) -> Result<(), SamplingError> {
        let ends = self.language.words.vocabulary().ends();
        let constraint = self.grammar.as_ref().map(|grammar| Box::new(grammar.matcher(&ends)) as _);
        self.drawing = Drawing::constrained(begin, constraint)?;
        (self.grammar_ends, self.unsaid) = (ends, None);
        self.lookahead.begin();
        let end = begin.reply_start as usize + begin.max_tokens as usize;
        // Across a bridge these are not the draft model's own tokens.
        self.end = if self.bridge.is_some() { usize::MAX } else { end };
        Ok(())
    }

    /// Takes note of how many of the most probable tokens are told with each one of the reply that begins.
    pub(super) fn tell_top(&mut self, tokens: usize) {
        self.top_tokens = tokens.min(MAX_TOP_TOKENS);
        self.tops.clear();
    }

    /// Returns the most probable tokens at the place after so many tokens, as they were when a token was drafted there
    /// last. Across a bridge the draft model's tokens are not the session's, and there are none.
    pub(super) fn top_tokens(&self, place: usize) -> Vec<TokenLogProbability> {
        let top = self.tops.get(&place).filter(|_| self.bridge.is_none());
        let told = |&(id, log_probability)| TokenLogProbability { id, log_probability };
        top.into_iter().flatten().map(told).collect()
    }

    /// Goes by another goal from now on, with what the gate has learnt.
    pub(super) fn aim_at(&mut self, goal: Goal) {
        if self.gate.goal() != goal {
            self.gate = Gate::new(&self.gate.tracked(), goal).with_predictor(self.predictor);
        }
    }

    /// Returns the language of the session's tokens.
    pub(super) fn language(&self) -> &Language {
        &self.language
    }

    pub(super) fn set_language(&mut self, language: Language) {
        self.marks = marks(&language);
        self.language = language;
        (self.tables, self.grammar) = (None, None);
        self.target_ends = None;
    }

    /// Drafts from now on for a target whose replies end with `ends`; with none, the draft model writes for itself.
    pub(super) fn draft_for(&mut self, ends: &[TokenId]) {
        // Another state begins with nothing, and follows the reply anew.
        if let Some(grammar) = self.grammar.as_ref().filter(|_| !ends.is_empty() && ends != self.grammar_ends) {
            self.drawing.constrain(Box::new(grammar.matcher(ends)));
            self.grammar_ends = ends.to_vec();
        }
        let own = self.model.language.vocabulary().ends();
        if ends.is_empty() || ends == own || self.bridge.is_some() {
            self.target_ends = None;
        } else if self.target_ends.as_ref().is_none_or(|target| target.ends != ends) {
            let keys =
                self.model.language.token_keys().with_ends(&own, ends, |id| self.model.language.detokenize(&[id]));
            // Keys that collide would only cost rejections.
            let keys = keys.unwrap_or_else(|_| self.model.language.token_keys().clone());
            self.target_ends = Some(TargetEnds { ends: ends.to_vec(), keys });
        }
    }

    /// Sets the number of threads. llama.cpp fixes that number when it makes the context, so the cache is given up and
    /// filled again.
    pub(super) fn set_threads(&mut self, threads: u32) {
        if threads != self.threads {
            self.threads = threads;
            self.unload();
        }
    }

    /// Gives the KV cache up; the next pass reads everything again.
    pub(super) fn unload(&mut self) {
        self.sequence = None;
        self.held.clear();
        self.rows = 0;
    }

    /// Returns how many of `tokens` the cache is of, with the cache where the engine gives it; what else was read is
    /// forgotten.
    pub(super) fn cache_of(&mut self, tokens: &[TokenId]) -> Result<(usize, Option<Vec<u8>>), ModelError> {
        let cached = tokens.len() - self.unread_own(tokens);
        let Some(sequence) = &mut self.sequence else { return Ok((0, None)) };
        sequence.truncate(cached)?;
        self.held.truncate(cached);
        self.rows = 0;
        Ok((cached, sequence.save()?))
    }

    /// Takes note that the sequence holds `tokens` and nothing else.
    pub(super) fn holds(&mut self, tokens: &[TokenId]) {
        self.held = tokens.to_vec();
        self.rows = 0;
    }

    /// Returns what the vocabulary says of a token that the draft model wrote: it ends the reply if it ends one of
    /// either model.
    pub(super) fn piece(&self, id: TokenId) -> Piece<'_> {
        let vocabulary = self.language.words.vocabulary();
        let bytes = vocabulary.piece(id);
        let mark = self.marks.iter().find(|(mark, _)| *mark == id && bytes.is_empty());
        Piece { id, bytes, mark: mark.map_or(&[], |(_, name)| name.as_bytes()), is_end: self.may_end(id) }
    }

    /// Returns what the vocabulary says of a token that stands. What the target wrote or judged ends where the target
    /// ends it.
    pub(super) fn standing_piece(&self, id: TokenId, origin: Origin) -> Piece<'_> {
        let is_end = match (&self.target_ends, origin) {
            (Some(target), Origin::Verified | Origin::Target) => target.ends.contains(&id),
            _ => self.may_end(id),
        };
        Piece { is_end, ..self.piece(id) }
    }

    /// Tells whether a token ends a reply of either model.
    fn may_end(&self, id: TokenId) -> bool {
        ends_either(self.language.words.as_ref(), self.target_ends.as_ref(), id)
    }

    /// Tells whether the draft model's passes run on a GPU.
    pub(super) fn is_on_gpu(&self) -> bool {
        self.model.decoder.is_on_gpu()
    }

    /// Returns the draft model's sequence, which is made when it is first needed.
    pub(super) fn sequence(&mut self) -> Result<&mut Box<dyn Sequence>, ModelError> {
        let sequence = match self.sequence.take() {
            Some(sequence) => sequence,
            None => Arc::clone(&self.model.decoder).sequence(self.context, self.threads)?,
        };
        Ok(self.sequence.insert(sequence))
    }

    /// Returns how many tokens the draft model has not read yet of the conversation `tokens`.
    pub(super) fn unread(&mut self, tokens: &[TokenId]) -> usize {
        self.with_own(tokens, |drafter, own| drafter.unread_own(own))
    }

    /// Does the same for a conversation in the draft model's own tokens.
    fn unread_own(&self, tokens: &[TokenId]) -> usize {
        tokens.len() - self.held.iter().zip(tokens).take_while(|(held, token)| held == token).count()
    }

    /// Reads the next tokens of the conversation `tokens` that the draft model has not read, at most `most`, so that
    /// there are logits after the last of them.
    pub(super) fn catch_up(
        &mut self,
        tokens: &[TokenId],
        most: usize,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), ModelError> {
        self.with_own(tokens, |drafter, own| {
            let own = &own[..own.len() - drafter.unread_own(own).saturating_sub(most)];
            if drafter.row(own).is_some() { Ok(()) } else { drafter.read(own, &[], cancelled) }
        })
    }

    /// Returns the row that has the logits after `tokens`, if there is one.
    fn row(&self, tokens: &[TokenId]) -> Option<usize> {
        let first = (self.held.len() + 1).checked_sub(self.rows)?;
        self.held.starts_with(tokens).then(|| tokens.len().checked_sub(first)).flatten()
    }

    /// Reads the part of `tokens` that was not read, at least the last of them, and the tokens `ahead` after them.
    fn read(&mut self, tokens: &[TokenId], ahead: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<(), ModelError> {
        // Logits are there only after the pass that made them.
        let start = (tokens.len() - self.unread_own(tokens)).min(tokens.len().saturating_sub(1));
        self.sequence()?;
        let (Some(sequence), held) = (&mut self.sequence, &mut self.held) else { return Ok(()) };
        held.truncate(start);
        self.rows = 0;
        if sequence.len() > start
            && let Err(error) = sequence.truncate(start)
        {
            self.unload();
            return Err(error);
        }
        let (unread, rows) = ([&tokens[start..], ahead].concat(), 1 + ahead.len());
        if !unread.is_empty() {
            let outcome = sequence.decode_rows(&unread, rows, cancelled);
            // The tokens that were decoded before a failure are held.
            held.extend_from_slice(&unread[..sequence.len().clamp(start, start + unread.len()) - start]);
            outcome?;
            self.rows = rows;
        }
        Ok(())
    }

    /// Makes sure that there are logits after `tokens`, and returns their row. Tokens that the conversation proposes to
    /// follow are read with the last token where that pays.
    fn prepare(&mut self, tokens: &[TokenId], cancelled: &dyn Fn() -> bool) -> Result<usize, ModelError> {
        self.lookahead.look_up(tokens);
        if let Some(row) = self.row(tokens) {
            self.lookahead.found(tokens.len());
            return Ok(row);
        }
        if let Some(mean) = self.lookahead.settle() {
            self.average_step(mean);
        }
        let unread = self.unread_own(tokens).max(1);
        let ahead = if unread == 1 { self.ahead(tokens)? } else { Vec::new() };
        self.read(tokens, &ahead, cancelled)?;
        self.lookahead.decoded(tokens.len(), unread, ahead.len());
        Ok(0)
    }

    /// Returns the tokens to read ahead of being drafted after `tokens`.
    fn ahead(&mut self, tokens: &[TokenId]) -> Result<Vec<TokenId>, ModelError> {
        let end = self.end;
        let sequence = self.sequence()?;
        // The last token of a reply is read by nobody.
        let room = sequence.capacity().min(end).saturating_sub(tokens.len() + 1);
        let most = room.min(sequence.max_rows().saturating_sub(1));
        let Self { lookahead, model, target_ends, .. } = self;
        Ok(lookahead.proposal(most, |id| ends_either(model.language.as_ref(), target_ends.as_ref(), id)))
    }

    /// Drafts the token after `tokens`, which are the draft model's own, with the noise of its place.
    pub(super) fn draw_at(
        &mut self,
        tokens: &Tokens,
        mode: Mode,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Drafted, End> {
        if let Some(id) = self.drawing.forced_after(tokens.ids()) {
            return Ok(Drafted::forced(id, mode));
        }
        let mask = self.drawing.mask_after(tokens.ids()).map_err(|error| {
            self.unsaid = tokens.hash_of(tokens.len());
            not_of_grammar(&error)
        })?;
        let place = self.drawing.place(tokens, tokens.len(), self.model.language.vocabulary());
        self.draw(tokens.ids(), self.drawing.position(place), mask.as_ref(), mode, cancelled)
    }

    /// Tells whether it is known that the grammar says nothing about what follows `tokens`.
    pub(super) fn says_nothing_after(&self, tokens: &Tokens) -> bool {
        self.unsaid.is_some() && self.unsaid == tokens.hash_of(tokens.len())
    }

    /// Returns the key of a place of the reply.
    pub(super) fn position(&self, place: Place) -> PositionKey {
        self.drawing.position(place)
    }

    /// Draws the draft model's token after its own `tokens`, one that `mask` allows where there is one.
    pub(super) fn draw(
        &mut self,
        tokens: &[TokenId],
        position: PositionKey,
        mask: Option<&TokenMask>,
        mode: Mode,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Drafted, End> {
        let row = self.prepare(tokens, cancelled)?;
        let Self { model, sequence, drawing, scratch, estimator, gate, target_ends, top_tokens, tops, .. } = self;
        let chain = drawing.chain();
        let logits = sequence.as_ref().map_or(&[][..], |sequence| sequence.logits_at(row));
        let input = ChainInput { logits, history: tokens, mask };
        let keys = target_ends.as_ref().map_or(model.language.token_keys(), |target| &target.keys);
        let Winner { id, margin } = chain.winner(input, scratch, keys, position)?;
        self.lookahead.drafted(tokens.len(), id, self.held.get(tokens.len()).copied());
        let (q, entropy) = if chain.params().is_greedy() {
            (1.0, 0.0)
        } else {
            let distribution = chain.distribution(input, scratch)?;
            (distribution.prob(id), distribution.entropy())
        };
        let features = Features { u: estimator.estimate(logits, id), q, entropy, margin: margin as f32 };
        if *top_tokens > 0 {
            tops.insert(tokens.len(), sampling::top_log_probabilities(logits, *top_tokens));
        }
        let threshold = (mode == Mode::Opportunistic).then(|| gate.threshold());
        let judged = match mode {
            Mode::Exact => true,
            Mode::Opportunistic => gate.is_uncertain(&features),
            Mode::DeviceOnly | Mode::RemoteOnly => false,
        };
        // The gate observes after the decision: the threshold moves with what it observes, and the counts must be those
        // of the decisions made.
        gate.observe_draft(&features);
        let beta = gate.expected_rejection(&features);
        average(&mut self.mean_beta, beta, NEWEST_BETA);
        Ok(Drafted {
            id,
            uncertainty: features.u,
            q,
            entropy,
            margin: features.margin,
            beta,
            threshold,
            judged,
            forced: false,
        })
    }

    /// Takes note of how long the step took that drafted the last token; `unread` tokens were read before it in the
    /// same step.
    pub(super) fn took(&mut self, seconds: f64, unread: usize) {
        // The time of a step is known better from steps that read nothing else.
        let further = if unread > 1 && self.seconds > 0.0 { (seconds - self.seconds).max(0.0) } else { 0.0 };
        if further > 0.0 {
            self.has_read(unread - 1, further);
        }
        if let Some(mean) = self.lookahead.took(seconds - further) {
            self.average_step(mean);
        }
    }

    /// Takes note of how long it took to read `tokens` tokens in one pass.
    pub(super) fn has_read(&mut self, tokens: usize, seconds: f64) {
        if tokens > 0 {
            average(&mut self.catch_up_seconds, seconds / tokens as f64, NEWEST_BATCH);
        }
    }

    /// Takes note of a mean time in seconds, and of the number of tokens that took it.
    fn average_step(&mut self, (seconds, tokens): (f64, u32)) {
        (0..tokens).for_each(|_| average(&mut self.seconds, seconds, NEWEST_TIME));
    }

    /// Returns the seconds that one drafted token of the session's takes; 0 before the first.
    pub(super) fn seconds_a_token(&self) -> f64 {
        self.seconds * self.bridge.as_ref().map_or(1.0, Bridge::draws_a_token)
    }

    /// Returns how many tokens of the reply were read ahead, and how many of them were drafted.
    pub(super) fn lookahead_counts(&self) -> Counts {
        self.lookahead.counts
    }
}
