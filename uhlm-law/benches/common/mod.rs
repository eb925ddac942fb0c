//! Rows of logits that look like a language model's, and a stopwatch.

#![expect(clippy::disallowed_types, reason = "what is measured knows no clock; what measures it does")]

use std::hint::black_box;
use std::time::Instant;

use uhlm_law::rng::{Rng, Stream};

/// Vocabulary sizes of Llama 2, Llama 3 and Qwen 2.5.
pub(crate) const VOCABULARIES: [usize; 3] = [32_000, 128_256, 151_936];

/// Gaussian logits (sigma 3) with eight peaks up to 20, and the most probable token.
pub(crate) fn row(v: usize, seed: u64) -> (Vec<f32>, u32) {
    let mut rng = Rng::new(seed, Stream::Simulation);
    let mut logits: Vec<f32> = (0..v)
        .map(|_| {
            let radius = (-2.0 * rng.uniform_positive().ln()).sqrt();
            (3.0 * radius * (std::f64::consts::TAU * rng.uniform()).cos()) as f32
        })
        .collect();
    let mut drafted = 0;
    for rank in 0..8 {
        let id = (rng.uniform() * v as f64) as usize;
        logits[id] = 20.0 - 1.5 * rank as f32;
        if rank == 0 {
            drafted = id as u32;
        }
    }
    (logits, drafted)
}

/// The least time of one call in nanoseconds, over `rounds` rounds of `calls` calls each.
pub(crate) fn least_ns(rounds: usize, calls: usize, mut call: impl FnMut(usize)) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            (0..calls).for_each(&mut call);
            start.elapsed().as_nanos() as f64 / calls as f64
        })
        .fold(f64::INFINITY, f64::min)
}

/// One read of a row: its sum, on sixteen accumulators so that the loop vectorises and waits for memory only.
pub(crate) fn read(logits: &[f32]) -> f32 {
    let (chunks, rest) = logits.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for chunk in chunks {
        for (sum, &z) in sums.iter_mut().zip(chunk) {
            *sum += z;
        }
    }
    black_box(sums.iter().sum::<f32>() + rest.iter().sum::<f32>())
}
