//! Measures the parts of the time of one drafted token: the model's pass, the sampling chain, the uncertainty, the
//! gate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use uhlm_core::SessionOptions;
use uhlm_eval::statistics::median;
use uhlm_law::calibration::Features;
use uhlm_law::gate::Gate;
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, Scratch, Winner};
use uhlm_llama::{ContextOptions, Model};

use crate::failure::Failure;

/// Medians over steps of the time of each part, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Parts {
    /// Time of the model's pass over one token.
    pub(super) decode_us: f64,
    /// Time of the chain, the draw, the probability of the drawn token, and the entropy.
    pub(super) sampling_us: f64,
    /// Time of the estimator.
    pub(super) uncertainty_us: f64,
    /// Time of the gate with a label to learn from at every token, which is more than any session gives it.
    pub(super) gate_us: f64,
}

impl Parts {
    /// Returns the time of all other parts over that of the model's pass.
    pub(super) fn share(&self) -> f64 {
        (self.sampling_us + self.uncertainty_us + self.gate_us) / self.decode_us
    }
}

/// Drafts at most `tokens` tokens after the prompt, and times each part of each.
pub(super) fn measure(
    model: &Arc<Model>,
    options: &SessionOptions,
    prompt: &[u32],
    tokens: usize,
) -> Result<Parts, Failure> {
    let failed = |_| Failure::new("llama.cpp failed; -v shows what it logs");
    let context =
        ContextOptions { context: options.context.tokens(), threads: options.threads, ..ContextOptions::default() };
    let mut sequence = model.new_sequence(&context).map_err(failed)?;
    sequence.decode(prompt, &|| false).map_err(failed)?;
    let chain = SamplingChain::new(options.sampling.clone())?;
    let mut estimator = options.estimator.build(1);
    let mut gate = Gate::new(&options.calibration, options.goal);
    let (tape, mut place, mut scratch) = (Tape::new(1, 0), Place::START, Scratch::default());
    let mut history = prompt.to_vec();
    let mut times: [Vec<f64>; 4] = Default::default();
    let most = tokens.min(options.context.tokens() as usize - prompt.len() - 1);
    for _ in 0..most {
        let mut marks = vec![Instant::now()];
        let input = ChainInput { logits: sequence.logits(), history: &history, mask: None };
        let Winner { id, margin } = chain.winner(input, &mut scratch, model.token_keys(), tape.at(place))?;
        let distribution = chain.distribution(input, &mut scratch)?;
        let (q, entropy) = (distribution.prob(id), distribution.entropy());
        marks.push(Instant::now());
        let u = estimator.estimate(sequence.logits(), id);
        marks.push(Instant::now());
        let features = Features { u, q, entropy, margin: margin as f32 };
        std::hint::black_box((gate.is_uncertain(&features), gate.expected_rejection(&features)));
        gate.observe_draft(&features);
        gate.observe_verdict(&features, true, Some(q));
        marks.push(Instant::now());
        sequence.decode(&[id], &|| false).map_err(failed)?;
        marks.push(Instant::now());
        history.push(id);
        place = place.after(model.vocabulary().piece(id).len());
        let spent = marks.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0]));
        times.iter_mut().zip(spent).for_each(|(times, spent): (_, Duration)| times.push(spent.as_secs_f64() * 1e6));
    }
    let [sampling_us, uncertainty_us, gate_us, decode_us] = times.map(|times| median(&times).unwrap_or_default());
    Ok(Parts { decode_us, sampling_us, uncertainty_us, gate_us })
}
