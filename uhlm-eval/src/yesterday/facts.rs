//! What becomes of the draft at each position of a recorded reply.
//!
//! The coupling is conditioned on the recorded text: where the target writes `t`, the draft was `t` and accepted with
//! probability `min(1, q(t)/p(t))`; otherwise it was another token, which the target rejected, from the residual
//! `max(q - p, 0)`. So every method is timed on the same text. The dice are a stream of their own.

use uhlm_law::model::Vocabulary as _;
use uhlm_law::noise::{Place, PositionKey, Tape, TokenKeys};
use uhlm_law::rng::{Rng, Stream, derived};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingError, Scratch, TokenId};
use uhlm_law::uncertainty::{Estimator, Uncertainty};

use super::predictor::Label;
use crate::baseline::trace::{Fate, Trace as OracleTrace};
use crate::error::EvalError;
use crate::trace::{RecordedReply, Row, Trace};

/// Draws from `p` that came with a rejection; where none of them could be kept, the device asked for twice as many, and
/// again.
const DRAWS: (i32, i32) = (8, 16);
/// Requests for more draws at most: what they leave is rounding.
const MAX_REFILLS: usize = 8;

/// How a draft and the target's token hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coupling {
    /// Yesterday's, the one that agrees most often.
    Maximal,
    /// By shared noise, as today: what the session drafts on the same trace.
    Shared,
}

/// A drafted token, as far as anything depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Draft {
    /// The draft model's uncertainty.
    pub u: f32,
    /// The draft model's probability.
    pub q: f32,
    /// Probability of its rejection, or whether it differs where the coupling leaves nothing to chance.
    pub beta: f64,
}

/// One position of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fact {
    /// Whether the draft stands.
    pub accepted: bool,
    /// The draft.
    pub draft: Draft,
    /// A draft at the same place after a token that does not stand; nothing becomes of it.
    pub astray: Draft,
    /// Whether the guess of a further token, drawn alike from `q`, would be the target's.
    pub guessed: bool,
    /// That guess.
    pub guess: Draft,
    /// Requests for more draws that the replacement of a rejected draft takes.
    pub refills: usize,
}

/// The facts of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// One for each token.
    pub positions: Vec<Fact>,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Whether the last token ends the reply.
    pub ends: bool,
    /// The most tokens that the reply may have.
    pub limit: usize,
}

impl Facts {
    /// Decides the fates of all drafts of a trace's replies.
    ///
    /// # Errors
    /// [`EvalError::Sampling`] where a row decides nothing.
    pub fn of(trace: &Trace, coupling: Coupling, seed: u64) -> Result<Vec<Self>, EvalError> {
        let mut maker = Maker {
            chain: SamplingChain::new(trace.header.sampling.clone())?,
            scratch: Scratch::default(),
            estimator: Estimator::default().build(seed),
            trace,
            coupling,
        };
        let replies = trace.replies.iter().enumerate();
        replies
            .map(|(i, reply)| maker.reply(reply, &mut Rng::at(derived(seed, i as u64), Stream::Simulation, 0)))
            .collect()
    }

    /// What the oracle has to know of the reply.
    #[must_use]
    pub fn fates(&self) -> OracleTrace {
        let fate = |fact: &Fact| Fate { accepted: fact.accepted, guessed: fact.guessed };
        OracleTrace { fates: self.positions.iter().map(fate).collect(), ..OracleTrace::default() }
    }

    /// What a calibration run would have seen.
    pub(super) fn labels(&self) -> impl Iterator<Item = Label> + '_ {
        self.positions.iter().map(|fact| fact.draft.label())
    }
}

impl Draft {
    pub(super) fn label(&self) -> Label {
        Label { u: self.u, q: self.q, beta: self.beta }
    }
}

struct Maker<'a> {
    trace: &'a Trace,
    coupling: Coupling,
    chain: SamplingChain,
    scratch: Scratch,
    estimator: Box<dyn Uncertainty>,
}

/// Both laws at a position, by the places of their rows.
struct Laws<'a> {
    draft: &'a Row,
    target: &'a Row,
    q: Distribution,
    p: Distribution,
}

impl Laws<'_> {
    /// The target's probability of a token.
    fn p(&self, id: TokenId) -> f32 {
        self.target.ids.binary_search(&id).map_or(0.0, |place| self.p.prob(place as TokenId))
    }

    /// The draft model's.
    fn q(&self, id: TokenId) -> f32 {
        self.draft.ids.binary_search(&id).map_or(0.0, |place| self.q.prob(place as TokenId))
    }

    /// `max(q - p, 0)` at each place of the draft row that has any.
    fn excess(&self) -> Vec<(TokenId, f64)> {
        self.q
            .iter()
            .map(|(place, q)| (place, f64::from(q) - f64::from(self.p(self.draft.ids[place as usize]))))
            .filter(|&(_, excess)| excess > 0.0)
            .collect()
    }
}

impl Maker<'_> {
    fn reply(&mut self, reply: &RecordedReply, dice: &mut Rng) -> Result<Facts, EvalError> {
        let (tape, mut place) = (Tape::new(reply.seed, 0), Place::START);
        let vocabulary = &self.trace.vocabulary;
        let mut positions = Vec::with_capacity(reply.tokens.len());
        for ((&token, draft), target) in reply.tokens.iter().zip(&reply.draft).zip(&reply.target) {
            positions.push(self.position(token, draft, target, tape.at(place), dice)?);
            place = place.after(vocabulary.piece(token).len());
        }
        Ok(Facts {
            positions,
            prompt: reply.prompt.len(),
            ends: reply.tokens.last().is_some_and(|&id| vocabulary.is_end(id)),
            limit: self.trace.header.max_tokens,
        })
    }

    fn position(
        &mut self,
        token: TokenId,
        draft: &Row,
        target: &Row,
        position: PositionKey,
        dice: &mut Rng,
    ) -> Result<Fact, EvalError> {
        let (q, p) = (self.law(draft)?, self.law(target)?);
        let laws = Laws { draft, target, q, p };
        let shared = self.winner(draft, position)?;
        let is_shared = laws.draft.ids.get(shared as usize) == Some(&token);
        let excess = laws.excess();
        let distance: f64 = excess.iter().map(|entry| entry.1).sum();
        // A fixed number of dice each, so that one position's fate moves no other's.
        let rolls: [f64; 4] = std::array::from_fn(|_| dice.uniform());
        let (accepted, drafted) = match self.coupling {
            Coupling::Shared => (is_shared, shared),
            Coupling::Maximal => {
                let (q_t, p_t) = (f64::from(laws.q(token)), f64::from(laws.p(token)));
                let own = draft.ids.binary_search(&token).ok().filter(|_| rolls[0] * p_t < q_t);
                match (own, Distribution::from_weights(excess)) {
                    (Some(place), _) => (true, place as TokenId),
                    (None, Some(residual)) => (false, residual.quantile(rolls[1])),
                    // Rounding alone: the laws agree.
                    (None, None) => (false, laws.q.quantile(rolls[1])),
                }
            }
        };
        let astray = laws.q.quantile(rolls[2]);
        Ok(Fact {
            accepted,
            draft: self.draft(&laws, drafted, accepted),
            astray: self.draft(&laws, astray, false),
            guessed: is_shared,
            guess: self.draft(&laws, shared, is_shared),
            refills: refills(distance, rolls[3]),
        })
    }

    /// The draft at a place of the draft row.
    fn draft(&mut self, laws: &Laws<'_>, place: TokenId, stands: bool) -> Draft {
        let (u, q) = (self.estimator.estimate(&laws.draft.logits, place), laws.q.prob(place));
        let p = laws.draft.ids.get(place as usize).map_or(0.0, |&id| laws.p(id));
        let beta = match self.coupling {
            Coupling::Maximal => f64::from(uhlm_law::speculative::rejection_probability(q, p)),
            Coupling::Shared => f64::from(u8::from(!stands)),
        };
        Draft { u, q, beta }
    }

    fn law(&mut self, row: &Row) -> Result<Distribution, SamplingError> {
        let input = ChainInput { logits: &row.logits, history: &[], mask: None };
        self.chain.distribution(input, &mut self.scratch)
    }

    /// The place of the token that the shared noise draws from a row.
    fn winner(&mut self, row: &Row, position: PositionKey) -> Result<TokenId, SamplingError> {
        let all = self.trace.vocabulary.keys();
        let keys: Vec<_> = row.ids.iter().filter_map(|&id| all.get(id)).collect();
        let mismatch = SamplingError::VocabularyMismatch { logits: row.ids.len(), keys: keys.len() };
        let keys = TokenKeys::from_keys(keys).map_err(|_| mismatch)?;
        let input = ChainInput { logits: &row.logits, history: &[], mask: None };
        Ok(self.chain.winner(input, &mut self.scratch, &keys, position)?.id)
    }
}

/// How often the device asks for more draws: none of `n` is kept with probability `(1 - distance)^n`.
fn refills(distance: f64, roll: f64) -> usize {
    let (mut left, mut draws) = (roll, DRAWS.0);
    let mut next = DRAWS.1;
    for asked in 0..MAX_REFILLS {
        let exhausted = (1.0 - distance).clamp(0.0, 1.0).powi(draws);
        if left >= exhausted {
            return asked;
        }
        // Given that, the roll is uniform below it.
        left /= exhausted.max(f64::MIN_POSITIVE);
        (draws, next) = (next, next * 2);
    }
    MAX_REFILLS
}

#[cfg(test)]
mod tests;
