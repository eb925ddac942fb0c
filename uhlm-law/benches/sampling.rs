//! The cost of the sampling chain on each of its paths, against one read of the logits and against a full sort.
//!
//! `cargo bench -p uhlm-law --bench sampling -- --quick`

mod common;

use std::hint::black_box;

use common::{VOCABULARIES, least_ns, read, row};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch};

/// The paths of the chain, each by the parameters that take it.
fn paths() -> [(&'static str, SamplingParams); 8] {
    let off = SamplingParams::default;
    [
        ("greedy", SamplingParams::greedy()),
        ("no truncation", off()),
        ("top-k 40", SamplingParams { top_k: 40, ..off() }),
        ("top-p 0.95", SamplingParams { top_p: 0.95, ..off() }),
        ("top-p 0.9999", SamplingParams { top_p: 0.9999, ..off() }),
        ("min-p 0.05", SamplingParams { min_p: 0.05, ..off() }),
        ("k 40 p 0.95 m 0.05", SamplingParams { top_k: 40, top_p: 0.95, min_p: 0.05, temperature: 0.8, ..off() }),
        (
            "the same, penalties",
            SamplingParams { top_k: 40, top_p: 0.95, min_p: 0.05, temperature: 0.8, penalty_repeat: 1.1, ..off() },
        ),
    ]
}

/// The row as it is, and flattened so that top-p 0.95 keeps tens of thousands of tokens.
fn rows(v: usize) -> [(&'static str, Vec<f32>); 2] {
    let (peaked, _) = row(v, 0);
    let flat = peaked.iter().map(|z| z / 8.0).collect();
    [("peaked", peaked), ("flat", flat)]
}

/// One side-by-side run, rows in the cache.
#[allow(clippy::print_stdout)] // A bench reports to people.
fn table(_: &mut Criterion) {
    let history: Vec<u32> = (0..200).map(|i| i * 37 % 1000).collect();
    println!("\n      V    row path                   read ns      ns  /read  sort all ns  sort/ns");
    for v in VOCABULARIES {
        for (kind, logits) in rows(v) {
            let read_ns = least_ns(5, 20, |_| {
                read(black_box(&logits));
            });
            let sort_ns = least_ns(3, 1, |_| {
                let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
                all.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
                black_box(all);
            });
            for (name, params) in paths() {
                let chain = SamplingChain::new(params).expect("parameters in range");
                let mut scratch = Scratch::default();
                let input = ChainInput { logits: &logits, history: &history, mask: None };
                let ns = least_ns(5, 20, |_| {
                    black_box(chain.distribution(black_box(input), &mut scratch)).expect("finite logits");
                });
                println!(
                    "{v:>7} {kind:>6} {name:<20} {read_ns:>9.0} {ns:>7.0} {:>6.1} {sort_ns:>12.0} {:>8.0}",
                    ns / read_ns,
                    sort_ns / ns
                );
            }
        }
    }
}

fn chain(c: &mut Criterion) {
    let history: Vec<u32> = (0..200).collect();
    let mut group = c.benchmark_group("sampling");
    let v = VOCABULARIES[2];
    let (logits, _) = row(v, 0);
    let input = ChainInput { logits: &logits, history: &history, mask: None };
    for (name, params) in paths() {
        let chain = SamplingChain::new(params).expect("parameters in range");
        let mut scratch = Scratch::default();
        group.bench_function(BenchmarkId::new(name, v), |b| b.iter(|| chain.distribution(input, &mut scratch)));
    }
    let all = SamplingChain::new(SamplingParams::default()).expect("parameters in range");
    let p = all.distribution(input, &mut Scratch::default()).expect("finite logits");
    let mut u = 0.0;
    group.bench_function(BenchmarkId::new("draw from all", v), |b| {
        b.iter(|| {
            u = (u + 0.618_033_988_75) % 1.0;
            p.quantile(u)
        });
    });
    group.bench_function(BenchmarkId::new("entropy of all", v), |b| b.iter(|| p.entropy()));
    group.finish();
}

criterion_group!(benches, table, chain);
criterion_main!(benches);
