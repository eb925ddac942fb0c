//! The cost of `u`: against one read of the logits, and against the paper's twenty softmaxes and draws done plainly.
//!
//! `cargo bench -p uhlm-law --bench uncertainty -- --quick`

mod common;

use std::hint::black_box;

use common::{VOCABULARIES, least_ns, read, row};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use uhlm_law::rng::{Rng, Stream};
use uhlm_law::uncertainty::Estimator;

/// The paper's estimate as its formulas read: for each temperature a softmax over all tokens into a vector, then a draw
/// from it.
fn plain(logits: &[f32], drafted: u32, rng: &mut Rng) -> f32 {
    const K: u32 = 20;
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let other = (0..K)
        .filter(|_| {
            let theta = (2.0 * rng.uniform() as f32).max(1e-6);
            let weights: Vec<f32> = logits.iter().map(|z| ((z - max) / theta).exp()).collect();
            let sum: f32 = weights.iter().sum();
            let softmax: Vec<f32> = weights.iter().map(|w| w / sum).collect();
            let target = rng.uniform() as f32;
            let mut cumulative = 0.0;
            let drawn = softmax.iter().position(|p| {
                cumulative += p;
                cumulative > target
            });
            drawn != Some(drafted as usize)
        })
        .count();
    other as f32 / K as f32
}

/// One side-by-side run. "cached": the same row again and again; "memory": as many rows as exceed the caches, as after
/// a forward pass that went through gigabytes of weights.
#[allow(clippy::print_stdout)] // A bench reports to people.
fn table(_: &mut Criterion) {
    println!("\n      V  rows     read ns       u ns  u/read   plain ns  plain/u");
    for v in VOCABULARIES {
        let all: Vec<(Vec<f32>, u32)> = (0..(256 << 20) / (4 * v)).map(|i| row(v, i as u64)).collect();
        let mut u = Estimator::default().build(1);
        let mut rng = Rng::new(1, Stream::Simulation);
        let plain_ns = least_ns(3, 1, |_| {
            black_box(plain(&all[0].0, all[0].1, &mut rng));
        });
        for (name, rows) in [("cached", &all[..1]), ("memory", &all[..])] {
            let calls = rows.len().max(100);
            let read_ns = least_ns(5, calls, |i| {
                read(black_box(&rows[i % rows.len()].0));
            });
            let u_ns = least_ns(5, calls, |i| {
                let (logits, drafted) = &rows[i % rows.len()];
                black_box(u.estimate(black_box(logits), *drafted));
            });
            println!(
                "{v:>7} {name:>6} {read_ns:>10.0} {u_ns:>10.0} {:>7.2} {plain_ns:>10.0} {:>8.0}",
                u_ns / read_ns,
                plain_ns / u_ns
            );
        }
    }
}

fn estimators(c: &mut Criterion) {
    let mut group = c.benchmark_group("uncertainty");
    for v in VOCABULARIES {
        let (logits, drafted) = row(v, 0);
        group.throughput(Throughput::Elements(v as u64));
        group.bench_function(BenchmarkId::new("read", v), |b| b.iter(|| read(black_box(&logits))));
        for estimator in
            [Estimator::TemperaturePerturbation, Estimator::Entropy, Estimator::MaxProbability, Estimator::Margin]
        {
            let mut u = estimator.build(1);
            group.bench_function(BenchmarkId::new(estimator.to_string(), v), |b| {
                b.iter(|| u.estimate(black_box(&logits), drafted));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, table, estimators);
criterion_main!(benches);
