//! Writes a baseline's replies with both models, random numbers and the rule.

use uhlm_law::advance::Draw;
use uhlm_law::calibration::rejection_probability;
use uhlm_law::model::{LanguageModel as _, Sequence};
use uhlm_law::rng::{Rng, Stream as Dice};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, Scratch, TokenId};
use uhlm_law::uncertainty::{Estimator, PAPER_DRAWS, Uncertainty};

use super::published_rule::{acceptance_level, accepts};
use super::rule::{Baseline, with_uniform_tail};
use super::trace::{Exchange, Fate, Payload, Step, Trace};
use crate::divergence::{Divergence, Gauge};
use crate::error::EvalError;
use crate::law::{Observation, Observer};
use crate::pair::Pair;
use crate::stream::{Numbered, Stream};
use crate::target::Target;

/// Number of bits of a single probability, of a verdict, and of one of CU-HLM's top-k probabilities.
const PROBABILITY_BITS: u64 = 16;
const VERDICT_BITS: u64 = 1;
const TOP_K_BITS: u64 = 8;

/// The models and the random numbers of one stream.
pub(super) struct Writer {
    pair: Pair,
    draft: Box<dyn Sequence>,
    target: Target,
    chain: SamplingChain,
    scratch: Scratch,
    uncertainty: Box<dyn Uncertainty>,
    max_tokens: usize,
    draft_dice: Rng,
    acceptance: Rng,
    /// Random numbers of the target's own choices.
    verdict: Rng,
    coin: Rng,
    observer: Option<Observer>,
    gauge: Option<Gauge>,
}

/// A drafted token with everything that a rule can ask about it.
struct Drafted {
    id: TokenId,
    q: Distribution,
    level: f32,
    q_d: f32,
    uncertainty: f32,
    coin: f64,
}

/// The state of one reply.
struct Progress {
    ids: Vec<TokenId>,
    prompt: usize,
    /// Number of tokens that the target has been told, and below of those that it has decoded.
    told: usize,
    decoded: usize,
    trace: Trace,
}

impl Writer {
    pub(super) fn new(stream: &Stream<'_>) -> Result<Self, EvalError> {
        let seed = stream.seed;
        Ok(Self {
            pair: stream.pair.clone(),
            draft: stream.pair.draft_sequence()?,
            target: Target::new(stream.pair)?,
            chain: SamplingChain::new(stream.sampling.clone())?,
            scratch: Scratch::default(),
            // The estimator is the published one: the sampled form with K = 20 draws.
            uncertainty: Estimator::SampledTemperaturePerturbation { draws: PAPER_DRAWS }.build(seed),
            max_tokens: stream.max_tokens,
            draft_dice: Rng::new(seed, Dice::Draft),
            acceptance: Rng::new(seed, Dice::Acceptance),
            verdict: Rng::new(seed, Dice::Verdict),
            coin: Rng::new(seed, Dice::Simulation),
            observer: None,
            gauge: None,
        })
    }

    /// Makes a writer as [`Self::new`] does, which also records what every estimator says about each token.
    pub(super) fn observing(stream: &Stream<'_>) -> Result<Self, EvalError> {
        Ok(Self { observer: Some(Observer::new(stream.seed)), ..Self::new(stream)? })
    }

    /// Makes a writer as [`Self::new`] does, which also measures how far each method's law is from the target's.
    pub(super) fn gauging(stream: &Stream<'_>, gauge: Gauge) -> Result<Self, EvalError> {
        Ok(Self { gauge: Some(gauge), ..Self::new(stream)? })
    }

    /// Returns the measured divergences.
    pub(super) fn divergences(self) -> Vec<Divergence> {
        self.gauge.map(|gauge| gauge.divergences).unwrap_or_default()
    }

    /// Returns the recorded observations.
    pub(super) fn observations(self) -> Vec<Observation> {
        self.observer.map(|observer| observer.observations).unwrap_or_default()
    }

    pub(super) fn answer(&mut self, rule: Baseline, prompt: &Numbered) -> Result<Trace, EvalError> {
        let ids = self.pair.prompt(&prompt.question.question)?;
        if ids.len() + self.max_tokens + 1 > self.pair.context() as usize {
            return Err(EvalError::PromptTooLong { tokens: ids.len() });
        }
        self.draft.truncate(0)?;
        self.target.pass(0, &ids[..1], 0)?;
        let trace = Trace { prompt: prompt.index, ..Trace::default() };
        let mut progress = Progress { prompt: ids.len(), ids, told: 0, decoded: 0, trace };
        while !self.is_over(&progress) {
            match rule {
                Baseline::Dssd { window } => self.window(&mut progress, window)?,
                _ => self.token(&mut progress, rule)?,
            }
        }
        let Progress { ids, prompt, mut trace, .. } = progress;
        trace.tokens = ids[prompt..].to_vec();
        let vocabulary = self.pair.draft.vocabulary();
        let bytes: Vec<u8> = trace.tokens.iter().flat_map(|&id| vocabulary.piece(id).iter().copied()).collect();
        (trace.text, _) = uhlm_law::text::complete(&bytes);
        Ok(trace)
    }

    fn is_over(&self, progress: &Progress) -> bool {
        let written = &progress.ids[progress.prompt..];
        written.len() >= self.max_tokens || written.last().is_some_and(|&id| self.pair.draft.vocabulary().is_end(id))
    }

    /// Drafts the next token.
    fn draft(&mut self, progress: &mut Progress) -> Result<Drafted, EvalError> {
        let known = self.draft.len();
        self.draft.decode(&progress.ids[known..], &|| false)?;
        let logits = self.draft.logits();
        let q =
            self.chain.distribution(ChainInput { logits, history: &progress.ids, mask: None }, &mut self.scratch)?;
        let id = q.quantile(self.draft_dice.uniform());
        let uncertainty = self.uncertainty.estimate(logits, id);
        let q_d = q.prob(id);
        let level = acceptance_level(self.acceptance.uniform_positive(), q_d);
        progress.trace.decisions.drafted += 1;
        if let Some(observer) = &mut self.observer {
            let Progress { ids, prompt, trace, .. } = &*progress;
            let position = observer.position(trace.prompt, &ids[*prompt..], self.pair.draft.vocabulary());
            let input = ChainInput { logits, history: ids, mask: None };
            let winner = self.chain.winner(input, &mut self.scratch, self.pair.draft.token_keys(), position)?;
            observer.draft(logits, winner, &q);
        }
        Ok(Drafted { id, q, level, q_d, uncertainty, coin: self.coin.uniform() })
    }

    /// Returns the target distributions after the last `rows` prefixes of the conversation, the shortest first.
    fn rows(&mut self, ids: &[TokenId], rows: usize) -> Result<Vec<Distribution>, EvalError> {
        let start = self.target.len().min(ids.len() - rows);
        self.target.pass(start, &ids[start..], rows)?;
        (0..rows)
            .map(|i| {
                let history = &ids[..ids.len() + 1 + i - rows];
                self.target.row(i, &self.chain, history)
            })
            .collect()
    }

    /// Runs one round of HLM or a relative: drafts one token, and sends it or not.
    fn token(&mut self, progress: &mut Progress, rule: Baseline) -> Result<(), EvalError> {
        let drafted = self.draft(progress)?;
        // The target's row is computed for every token, for the true skip rate (TSR), whether or not the method pays
        // for it.
        let Some(p) = self.rows(&progress.ids, 1)?.pop() else { return Ok(()) };
        if let Some(gauge) = &mut self.gauge {
            gauge.add(self.draft.logits(), &drafted.q, &p);
        }
        if let Some(observer) = &mut self.observer {
            let Progress { ids, prompt, trace, .. } = &*progress;
            let position = observer.position(trace.prompt, &ids[*prompt..], self.pair.draft.vocabulary());
            let draw = Draw { row: 0, history: ids, chain: &self.chain, position, scored: None, mask: None };
            let winner = self.target.draw(draw, self.pair.target.token_keys())?.winner;
            observer.label(trace.prompt, winner, &p);
        }
        let sent = match rule {
            Baseline::Hlm | Baseline::Dssd { .. } => true,
            Baseline::RandHlm { rate } => drafted.coin < rate,
            Baseline::UHlm { threshold } | Baseline::CuHlm { threshold, .. } => drafted.uncertainty > threshold,
        };
        let decisions = &mut progress.trace.decisions;
        if !sent {
            decisions.skipped += 1;
            decisions.skipped_labelled += 1;
            decisions.skipped_acceptable += 1.0 - f64::from(rejection_probability(drafted.q_d, p.prob(drafted.id)));
            progress.ids.push(drafted.id);
            progress.trace.steps.push(Step { drafts: 1, exchange: None, committed: 1 });
            return Ok(());
        }
        decisions.judged += 1;
        // `seen` is what the target takes for q, and the level follows from the same uniform number U.
        let (seen, level, mut up) = match rule {
            Baseline::CuHlm { top_k, .. } => {
                let seen = with_uniform_tail(&drafted.q, top_k, self.pair.vocabulary_size());
                let uniform = f64::from(drafted.level) / f64::from(drafted.q_d);
                let level = acceptance_level(uniform.min(1.0), seen.prob(drafted.id));
                let entries = top_k as u64;
                (seen, level, Payload { ids: entries, bits: entries * TOP_K_BITS, distributions: 0 })
            }
            _ => (drafted.q, drafted.level, Payload { distributions: 1, ..Payload::default() }),
        };
        // The message holds the token and everything before it that the target has not seen: the prompt, skipped
        // tokens.
        let unseen = progress.ids.len() - progress.told;
        up.ids += unseen as u64 + 1;
        let accepted = accepts(level, p.prob(drafted.id));
        let id = if accepted { drafted.id } else { self.resample(&p, &seen) };
        progress.trace.decisions.rejected += u64::from(!accepted);
        if rule == Baseline::Hlm {
            let guessed = drafted.coin < f64::from(seen.prob(id));
            progress.trace.fates.push(Fate { accepted, guessed });
        }
        progress.ids.push(id);
        progress.told = progress.ids.len();
        let down = Payload { ids: u64::from(!accepted), bits: VERDICT_BITS, distributions: 0 };
        let context = progress.ids.len() - 1;
        let decoded = context - std::mem::replace(&mut progress.decoded, context);
        let exchange = Exchange { up, decoded, down, place: progress.ids.len() as u64 };
        progress.trace.steps.push(Step { drafts: 1, exchange: Some(exchange), committed: 1 });
        Ok(())
    }

    /// Runs one round of DSSD: drafts a window and has it judged; a rejection brings the target's row.
    fn window(&mut self, progress: &mut Progress, length: usize) -> Result<(), EvalError> {
        let mut drafted = Vec::new();
        let base = progress.ids.len();
        while drafted.len() < length && !self.is_over(progress) {
            let token = self.draft(progress)?;
            progress.ids.push(token.id);
            drafted.push(token);
        }
        // No bonus token follows a window that ends the reply.
        let bonus = !self.is_over(progress);
        let rows = self.rows(&progress.ids, drafted.len() + 1)?;
        let (drafts, n) = (drafted.len() as u64, drafted.len());
        let unseen = base - progress.told;
        let up = Payload { ids: unseen as u64 + drafts, bits: drafts * PROBABILITY_BITS, distributions: 0 };
        let mut down = Payload { ids: 0, bits: 8, distributions: 0 };
        let accepted =
            drafted.iter().zip(&rows).take_while(|(token, p)| accepts(token.level, p.prob(token.id))).count();
        let decisions = &mut progress.trace.decisions;
        decisions.judged += (accepted + usize::from(accepted < n)) as u64;
        progress.told = base + accepted;
        if accepted < n {
            decisions.rejected += 1;
            decisions.rollbacks += 1;
            down.distributions = 1;
            progress.ids.truncate(base + accepted);
            self.draft.truncate(base + accepted)?;
            let id = self.resample(&rows[accepted], &drafted[accepted].q);
            // The device resampled this token: the target learns of it with the next message.
            progress.ids.push(id);
        } else if bonus {
            down.ids = 1;
            progress.ids.push(rows[n].quantile(self.verdict.uniform()));
            progress.told = progress.ids.len();
        }
        let decoded = base + n - usize::from(!bonus) - progress.decoded;
        progress.decoded = (base + accepted).min(base + n - usize::from(!bonus));
        let exchange = Exchange { up, decoded, down, place: (base + n) as u64 };
        let committed = (progress.ids.len() - base) as u64;
        progress.trace.steps.push(Step { drafts, exchange: Some(exchange), committed });
        Ok(())
    }

    /// Draws a token from `norm(max(p - q, 0))`, or from `p` where rounding leaves nothing of it.
    fn resample(&mut self, p: &Distribution, q: &Distribution) -> TokenId {
        let uniform = self.verdict.uniform();
        p.residual(q).map_or_else(|| p.quantile(uniform), |residual| residual.quantile(uniform))
    }
}
