//! Measures the law between uncertainty and rejection: each estimator's value for a token beside the target's verdict.

pub mod predictor;
pub mod report;
pub mod scores;

use uhlm_law::calibration::{Calibration, CalibrationError, CalibrationSource, Features, Label, rejection_probability};
use uhlm_law::model::Vocabulary;
use uhlm_law::noise::{Place, PositionKey, Tape};
use uhlm_law::rng::derived;
use uhlm_law::sampling::{Distribution, TokenId, Winner};
use uhlm_law::uncertainty::{Estimator, PAPER_DRAWS, Uncertainty};

use crate::stream::Run;

/// Estimators that are compared.
pub const ESTIMATORS: [Estimator; 5] = [
    Estimator::TemperaturePerturbation,
    Estimator::SampledTemperaturePerturbation { draws: PAPER_DRAWS },
    Estimator::Entropy,
    Estimator::MaxProbability,
    Estimator::Margin,
];

/// One drafted token: the device's features of it, the value of each of [`ESTIMATORS`] for it, and the target's
/// verdict. The token is drawn with shared noise, which gives it the law of the draft model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Number of the prompt that it belongs to.
    pub prompt: u64,
    /// Uncertainties `u`, in the order of [`ESTIMATORS`].
    pub u: [f32; ESTIMATORS.len()],
    /// Features that the device saw; the uncertainty among them is that of the first of [`ESTIMATORS`].
    pub features: Features,
    /// Probability `p(d)` of the drafted token `d` under the target model.
    pub p: f32,
    /// Whether the target wrote the same token with the same noise.
    pub matched: bool,
}

impl Observation {
    /// Returns the rejection probability `beta = max(0, 1 - p(d)/q(d))` of the paper's coupling, where `q(d)` is the
    /// draft model's probability of the token.
    #[must_use]
    pub fn beta(&self) -> f64 {
        f64::from(rejection_probability(self.features.q, self.p))
    }

    /// Returns 1 if the target wrote another token under shared noise, else 0.
    #[must_use]
    pub fn mismatch(&self) -> f64 {
        f64::from(u8::from(!self.matched))
    }

    /// Returns the observation as a label for one estimator.
    #[must_use]
    pub fn label(&self, estimator: usize) -> Label {
        Label { features: Features { u: self.u[estimator], ..self.features }, p: self.p, matched: self.matched }
    }
}

/// Fits a calibration for one of [`ESTIMATORS`] to a run's observations.
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

/// A drafted token without the target's verdict.
struct Seen {
    id: TokenId,
    u: [f32; ESTIMATORS.len()],
    features: Features,
}

/// Records observations at the places of a reply that a baseline writes, with noise of its own.
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

    /// Returns the noise after these tokens of the reply to a prompt.
    pub(crate) fn position(&self, prompt: u64, reply: &[TokenId], vocabulary: &dyn Vocabulary) -> PositionKey {
        let place = reply.iter().fold(Place::START, |place, &id| place.after(vocabulary.piece(id).len()));
        Tape::new(derived(self.seed, prompt), 0).at(place)
    }

    /// Takes the draft model's winner, from its logits and the distribution `q` that the chain makes of them.
    pub(crate) fn draft(&mut self, logits: &[f32], winner: Winner, q: &Distribution) {
        let id = winner.id;
        let mut u = [0.0; ESTIMATORS.len()];
        for (u, estimator) in u.iter_mut().zip(&mut self.estimators) {
            *u = estimator.estimate(logits, id);
        }
        let features = Features { u: u[0], q: q.prob(id), entropy: q.entropy(), margin: winner.margin as f32 };
        self.seen = Some(Seen { id, u, features });
    }

    /// Takes the target's winner at that place, and its distribution `p`.
    pub(crate) fn label(&mut self, prompt: u64, winner: TokenId, p: &Distribution) {
        if let Some(Seen { id, u, features }) = self.seen.take() {
            let matched = winner == id;
            self.observations.push(Observation { prompt, u, features, p: p.prob(id), matched });
        }
    }
}
