//! The law between uncertainty and rejection, measured: what each estimator says about a token, and what the target
//! did.

pub mod predictor;
pub mod report;
pub mod scores;

use uhlm_law::calibration::{Calibration, CalibrationError, CalibrationSource, Features, Label};
use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{Place, PositionKey, Tape};
use uhlm_law::rng::derived;
use uhlm_law::sampling::{Distribution, TokenId, Winner};
use uhlm_law::speculative::rejection_probability;
use uhlm_law::uncertainty::{Estimator, PAPER_DRAWS, Uncertainty};

use crate::stream::Run;

/// The estimators that are compared.
pub const ESTIMATORS: [Estimator; 5] = [
    Estimator::TemperaturePerturbation,
    Estimator::SampledTemperaturePerturbation { draws: PAPER_DRAWS },
    Estimator::Entropy,
    Estimator::MaxProbability,
    Estimator::Margin,
];

/// One drafted token: what the device saw of it, what each of [`ESTIMATORS`] says about it, and what the target made of
/// it. It is drawn with shared noise, which gives it the law of the draft model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Which prompt it belongs to.
    pub prompt: u64,
    /// Uncertainties, in the order of [`ESTIMATORS`].
    pub u: [f32; ESTIMATORS.len()],
    /// What the device saw; its uncertainty is that of the first of [`ESTIMATORS`].
    pub features: Features,
    /// `p(d)`.
    pub p: f32,
    /// Whether the target wrote the same token with the same noise.
    pub matched: bool,
}

impl Observation {
    /// The rejection probability `beta = max(0, 1 - p(d)/q(d))` of the paper's coupling.
    #[must_use]
    pub fn beta(&self) -> f64 {
        f64::from(rejection_probability(self.features.q, self.p))
    }

    /// Whether the target wrote another token under shared noise, as a number.
    #[must_use]
    pub fn mismatch(&self) -> f64 {
        f64::from(u8::from(!self.matched))
    }

    /// As the label of one estimator.
    #[must_use]
    pub fn label(&self, estimator: usize) -> Label {
        Label { features: Features { u: self.u[estimator], ..self.features }, p: self.p, matched: self.matched }
    }
}

/// What a calibration with one of [`ESTIMATORS`] makes of a run's observations.
///
/// # Errors
/// [`CalibrationError`].
pub(crate) fn calibration(
    run: &Run<'_>,
    observations: &[Observation],
    estimator: usize,
) -> Result<Calibration, CalibrationError> {
    let labels: Vec<_> = observations.iter().map(|observation| observation.label(estimator)).collect();
    let source = CalibrationSource {
        draft: run.pair.draft.fingerprint(),
        target: run.pair.target.fingerprint(),
        estimator: ESTIMATORS[estimator],
        sampling: run.sampling.clone(),
    };
    Calibration::fit(&labels, source)
}

/// A drafted token before the target has said anything.
struct Seen {
    id: TokenId,
    u: [f32; ESTIMATORS.len()],
    features: Features,
}

/// Takes observations down at the places of a reply that a baseline writes, with noise of its own.
pub(crate) struct Observer {
    estimators: Vec<Box<dyn Uncertainty>>,
    seed: u64,
    seen: Option<Seen>,
    pub(crate) observations: Vec<Observation>,
}

impl Observer {
    pub(crate) fn new(seed: u64) -> Self {
        let estimators = ESTIMATORS.iter().map(|estimator| estimator.build(seed)).collect();
        Self { estimators, seed, seen: None, observations: Vec::new() }
    }

    /// The noise after these tokens of the reply to a prompt.
    pub(crate) fn position(&self, prompt: u64, reply: &[TokenId], vocabulary: &dyn Vocabulary) -> PositionKey {
        let place = reply.iter().fold(Place::START, |place, &id| place.after(vocabulary.piece(id).len()));
        Tape::new(derived(self.seed, prompt), 0).at(place)
    }

    /// The draft model's winner, from its logits and the distribution `q` that the chain makes of them.
    pub(crate) fn draft(&mut self, logits: &[f32], winner: Winner, q: &Distribution) {
        let id = winner.id;
        let mut u = [0.0; ESTIMATORS.len()];
        for (u, estimator) in u.iter_mut().zip(&mut self.estimators) {
            *u = estimator.estimate(logits, id);
        }
        let features = Features { u: u[0], q: q.prob(id), entropy: q.entropy(), margin: winner.margin as f32 };
        self.seen = Some(Seen { id, u, features });
    }

    /// What the target made of that place: its own winner, and its distribution.
    pub(crate) fn label(&mut self, prompt: u64, winner: TokenId, p: &Distribution) {
        if let Some(Seen { id, u, features }) = self.seen.take() {
            let matched = winner == id;
            self.observations.push(Observation { prompt, u, features, p: p.prob(id), matched });
        }
    }
}
