//! The cost of a draw with shared noise, against one read of the logits and against the draw without the skipping.
//!
//! `cargo bench -p uhlm-law --bench noise -- --quick`

mod common;

use std::hint::black_box;

use common::{VOCABULARIES, least_ns, read, row};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use uhlm_law::noise::{Place, PositionKey, Tape, TokenKeys};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_law::token::TokenKind;

/// The paths of the draw, each by the parameters that take it.
fn paths() -> [(&'static str, SamplingParams); 6] {
    let off = SamplingParams::default;
    [
        ("greedy", SamplingParams::greedy()),
        ("no truncation", off()),
        ("no truncation, T 0.7", SamplingParams { temperature: 0.7, ..off() }),
        ("top-k 40", SamplingParams { top_k: 40, ..off() }),
        ("top-p 0.95", SamplingParams { top_p: 0.95, ..off() }),
        ("k 40 p 0.95 T 0.8", SamplingParams { top_k: 40, top_p: 0.95, temperature: 0.8, ..off() }),
    ]
}

/// The row as it is, and flattened so that most tokens have a chance.
fn rows(v: usize) -> [(&'static str, Vec<f32>); 2] {
    let (peaked, _) = row(v, 0);
    let flat = peaked.iter().map(|z| z / 8.0).collect();
    [("peaked", peaked), ("flat", flat)]
}

fn keys(v: usize) -> TokenKeys {
    TokenKeys::new((0..v as u32).map(|id| (id.to_le_bytes(), TokenKind::Normal))).expect("distinct keys")
}

fn position(i: usize) -> PositionKey {
    Tape::new(1, 2).at(Place { offset: i as u64, silent: 0 })
}

/// The draw as its definition reads, with two logarithms a token.
fn plain(logits: &[f32], keys: &TokenKeys, position: PositionKey) -> TokenId {
    let mut best = (0, f64::NEG_INFINITY);
    for ((id, &z), &key) in (0..).zip(logits).zip(keys.as_slice()) {
        let score = f64::from(z) + position.noise(key);
        if score > best.1 {
            best = (id, score);
        }
    }
    best.0
}

/// One side-by-side run, rows and keys in the cache, another position each time.
#[allow(clippy::print_stdout)] // A bench reports to people.
fn table(_: &mut Criterion) {
    println!("\n      V    row path                   read ns      ns  /read  distribution ns  plain draw ns");
    for v in VOCABULARIES {
        let keys = keys(v);
        for (kind, logits) in rows(v) {
            let read_ns = least_ns(5, 20, |_| {
                read(black_box(&logits));
            });
            let plain_ns = least_ns(3, 2, |i| {
                black_box(plain(&logits, &keys, position(i)));
            });
            for (name, params) in paths() {
                let chain = SamplingChain::new(params).expect("parameters in range");
                let mut scratch = Scratch::default();
                let input = ChainInput { logits: &logits, history: &[], mask: None };
                let distribution_ns = least_ns(5, 20, |_| {
                    black_box(chain.distribution(black_box(input), &mut scratch)).expect("finite logits");
                });
                let ns = least_ns(5, 50, |i| {
                    black_box(chain.winner(black_box(input), &mut scratch, &keys, position(i))).expect("finite logits");
                });
                println!(
                    "{v:>7} {kind:>6} {name:<20} {read_ns:>9.0} {ns:>7.0} {:>6.1} {distribution_ns:>16.0} {:>14.0}",
                    ns / read_ns,
                    plain_ns,
                );
            }
        }
    }
    println!("\n      V   table of keys ms  128 leaders ns  greatest outside 148 ns");
    for v in VOCABULARIES {
        let table_ns = least_ns(3, 1, |_| {
            black_box(self::keys(v));
        });
        let keys = keys(v);
        let leaders_ns = least_ns(5, 50, |i| {
            black_box(keys.greatest(position(i), 128));
        });
        let asked: Vec<Vec<TokenId>> = (0..50)
            .map(|i| keys.greatest(position(i), 128).into_iter().map(|leader| leader.0).chain(1000..1020).collect())
            .collect();
        let outside_ns = least_ns(5, 50, |i| {
            black_box(keys.greatest_outside(position(i), &asked[i]));
        });
        println!("{v:>7} {:>18.1} {leaders_ns:>15.0} {outside_ns:>24.0}", table_ns / 1e6);
    }
}

fn draw(c: &mut Criterion) {
    let mut group = c.benchmark_group("noise");
    let v = VOCABULARIES[2];
    let keys = keys(v);
    let (logits, _) = row(v, 0);
    let input = ChainInput { logits: &logits, history: &[], mask: None };
    for (name, params) in paths() {
        let chain = SamplingChain::new(params).expect("parameters in range");
        let mut scratch = Scratch::default();
        let mut i = 0;
        group.bench_function(BenchmarkId::new(name, v), |b| {
            b.iter(|| {
                i += 1;
                chain.winner(input, &mut scratch, &keys, position(i))
            });
        });
    }
    group.bench_function(BenchmarkId::new("128 leaders", v), |b| b.iter(|| keys.greatest(black_box(position(7)), 128)));
    group.finish();
}

criterion_group!(benches, table, draw);
criterion_main!(benches);
