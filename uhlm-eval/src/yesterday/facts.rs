//! Decides the fate of the drafted token at each position of a recorded reply.
//!
//! The coupling of the draft and the target's token is conditioned on the recorded text. Where the target, with
//! distribution `p`, writes `t`, the draft, with distribution `q`, was `t` and accepted with probability `min(1,
//! q(t)/p(t))`; otherwise it was another token, which the target rejected, from the residual `max(q - p, 0)`. So every
//! method is timed on the same text. The random numbers are a stream of their own.

use uhlm_law::calibration::rejection_probability;
use uhlm_law::model::Vocabulary as _;
use uhlm_law::noise::{Place, PositionKey, Tape, TokenKeys};
use uhlm_law::rng::{Rng, Stream, derived};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingError, Scratch, TokenId};
use uhlm_law::uncertainty::{Estimator, Uncertainty};

use super::predictor::Label;
use crate::baseline::trace::{Fate, Trace as OracleTrace};
use crate::error::EvalError;
use crate::trace::{RecordedReply, Row, Trace};

/// Numbers of draws from `p`: those that came with a rejection, and those of the first request where none of them could
/// be kept. Each further request doubles the number.
const DRAWS: (i32, i32) = (8, 16);
/// Most requests for more draws: what they leave undecided is rounding.
const MAX_REFILLS: usize = 8;

/// The way in which a draft and the target's token depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coupling {
    /// Yesterday's coupling, which agrees most often.
    Maximal,
    /// Coupling by shared noise, as today: the session drafts the same on the same trace.
    Shared,
}

/// A drafted token, as far as any cost depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Draft {
    /// The draft model's uncertainty, from 0 to 1.
    pub u: f32,
    /// The draft model's probability of the token.
    pub q: f32,
    /// Probability of the draft's rejection; 0 or 1 where the coupling leaves nothing to chance.
    pub beta: f64,
}

/// The drafts at one position of a reply, and their fates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fact {
    /// Whether the draft is accepted.
    pub accepted: bool,
    /// Draft at this position.
    pub draft: Draft,
    /// Draft at this position after a token that was not accepted; it is never judged.
    pub astray: Draft,
    /// Whether the guess of a further token, drawn by the shared noise, is the target's token.
    pub guessed: bool,
    /// Guess of a further token at this position.
    pub guess: Draft,
    /// Number of requests for more draws that the replacement of a rejected draft takes.
    pub refills: usize,
}

/// The facts of a reply.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Facts of each token of the reply.
    pub positions: Vec<Fact>,
    /// Length of the prompt, in tokens.
    pub prompt: usize,
    /// Whether the last token ends the reply.
    pub ends: bool,
    /// Greatest length of the reply, in tokens.
    pub limit: usize,
}

impl Facts {
    /// Decides the fates of all drafts of a trace's replies.
    ///
    /// # Errors
    /// [`EvalError::Sampling`] if a row decides nothing.
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

    /// Returns the fates that the oracle has to know of the reply.
    #[must_use]
    pub fn fates(&self) -> OracleTrace {
        let fate = |fact: &Fact| Fate { accepted: fact.accepted, guessed: fact.guessed };
        OracleTrace { fates: self.positions.iter().map(fate).collect(), ..OracleTrace::default() }
    }

    /// Returns the labels that a calibration run would have seen.
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

/// Both models' distributions at a position, whose ids are the places in the models' rows.
struct Laws<'a> {
    draft: &'a Row,
    target: &'a Row,
    q: Distribution,
    p: Distribution,
}

impl Laws<'_> {
    /// Returns the target's probability of a token.
    fn p(&self, id: TokenId) -> f32 {
        self.target.ids.binary_search(&id).map_or(0.0, |place| self.p.prob(place as TokenId))
    }

    /// Returns the draft model's probability of a token.
    fn q(&self, id: TokenId) -> f32 {
        self.draft.ids.binary_search(&id).map_or(0.0, |place| self.q.prob(place as TokenId))
    }

    /// Returns `q - p` at each place of the draft row where it is positive.
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
        // Each position takes a fixed number of random numbers, so that its fate changes no other's.
        let rolls: [f64; 4] = std::array::from_fn(|_| dice.uniform());
        let (accepted, drafted) = match self.coupling {
            Coupling::Shared => (is_shared, shared),
            Coupling::Maximal => {
                let (q_t, p_t) = (f64::from(laws.q(token)), f64::from(laws.p(token)));
                let own = draft.ids.binary_search(&token).ok().filter(|_| rolls[0] * p_t < q_t);
                match (own, Distribution::from_weights(excess)) {
                    (Some(place), _) => (true, place as TokenId),
                    (None, Some(residual)) => (false, residual.quantile(rolls[1])),
                    // The laws agree, and only rounding leads here.
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

    /// Returns the draft at a place of the draft row.
    fn draft(&mut self, laws: &Laws<'_>, place: TokenId, stands: bool) -> Draft {
        let (u, q) = (self.estimator.estimate(&laws.draft.logits, place), laws.q.prob(place));
        let p = laws.draft.ids.get(place as usize).map_or(0.0, |&id| laws.p(id));
        let beta = match self.coupling {
            Coupling::Maximal => f64::from(rejection_probability(q, p)),
            Coupling::Shared => f64::from(u8::from(!stands)),
        };
        Draft { u, q, beta }
    }

    fn law(&mut self, row: &Row) -> Result<Distribution, SamplingError> {
        let input = ChainInput { logits: &row.logits, history: &[], mask: None };
        self.chain.distribution(input, &mut self.scratch)
    }

    /// Returns the place of the token that the shared noise draws from a row.
    fn winner(&mut self, row: &Row, position: PositionKey) -> Result<TokenId, SamplingError> {
        let all = self.trace.vocabulary.keys();
        let keys: Vec<_> = row.ids.iter().filter_map(|&id| all.get(id)).collect();
        let mismatch = SamplingError::VocabularyMismatch { logits: row.ids.len(), keys: keys.len() };
        let keys = TokenKeys::from_keys(keys).map_err(|_| mismatch)?;
        let input = ChainInput { logits: &row.logits, history: &[], mask: None };
        Ok(self.chain.winner(input, &mut self.scratch, &keys, position)?.id)
    }
}

/// Returns how often the device asks for more draws: none of `n` draws is kept with probability `(1 - distance)^n`.
fn refills(distance: f64, roll: f64) -> usize {
    let (mut left, mut draws) = (roll, DRAWS.0);
    let mut next = DRAWS.1;
    for asked in 0..MAX_REFILLS {
        let exhausted = (1.0 - distance).clamp(0.0, 1.0).powi(draws);
        if left >= exhausted {
            return asked;
        }
        // Given that no draw was kept, the roll is uniform below `exhausted`.
        left /= exhausted.max(f64::MIN_POSITIVE);
        (draws, next) = (next, next * 2);
    }
    MAX_REFILLS
}

#[cfg(test)]
mod tests;
