//! What a verdict costs beyond the models: judging, replacing a rejected token, and the bytes on the wire.
//!
//! `cargo bench -p uhlm-law --bench verdict -- --quick`

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;

use std::hint::black_box;

use common::{VOCABULARIES, least_ns, row};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use uhlm_law::protocol::{Encoding, PrefixHash, Timing, VerifyRequest, VerifyResponse};
use uhlm_law::rng::{Rng, Stream};
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_law::speculative::{self, Outcome, Replacement};

/// Tokens of the window that is encoded.
const WINDOW: u32 = 8;

/// The distribution of a row without truncation: the largest that there is.
fn distribution(v: usize, seed: u64) -> Distribution {
    let chain = SamplingChain::new(SamplingParams::default()).expect("parameters in range");
    let (logits, _) = row(v, seed);
    chain
        .distribution(ChainInput { logits: &logits, history: &[], mask: None }, &mut Scratch::default())
        .expect("finite logits")
}

/// A window with ids from all over the vocabulary.
fn request(v: usize) -> VerifyRequest {
    let id = |i: u32| (i + 1) * (v as u32 / (WINDOW + 2));
    VerifyRequest {
        seq: 300,
        base: 900,
        base_check: PrefixHash::of(&[1, 2, 3]),
        append: vec![id(WINDOW)],
        draft: (0..WINDOW).map(id).collect(),
        levels: (0..WINDOW).map(|i| 0.07 * (i + 1) as f32).collect(),
        bonus: true,
        pipelined: false,
    }
}

/// The verdict on it, its last token rejected.
fn response(p: &Distribution) -> VerifyResponse {
    let mut rng = Rng::new(1, Stream::Verdict);
    let draws = speculative::draws(p, speculative::DRAWS_PER_REJECTION, &mut rng);
    VerifyResponse {
        seq: 300,
        probs: (0..WINDOW).map(|i| 0.9 - 0.1 * i as f32).collect(),
        outcome: Outcome::Rejected { replacement: Replacement::Draws(draws) },
        timing: Timing { queue_us: 120, decode_us: 104_600 },
    }
}

/// One side-by-side run, in nanoseconds.
#[allow(clippy::print_stdout)] // A bench reports to people.
fn table(_: &mut Criterion) {
    println!(
        "\n| V | residual, whole | replacement from draws | draw of a bonus | request: encode | decode | bytes | verdict: encode | decode | bytes |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for v in VOCABULARIES {
        let (q, p) = (distribution(v, 1), distribution(v, 2));
        let mut rng = Rng::new(3, Stream::Residual);
        let residual = least_ns(5, 20, |_| {
            black_box(p.residual(black_box(&q)));
        });
        let draws: Vec<(TokenId, f32)> = speculative::draws(&p, speculative::DRAWS_PER_REJECTION, &mut rng);
        let replaced = least_ns(5, 10_000, |_| {
            black_box(speculative::resample_from_draws(black_box(&draws), &q, &mut rng));
        });
        let bonus = least_ns(5, 200, |i| {
            black_box(p.quantile(i as f64 / 200.0));
        });
        let (request, response) = (request(v), response(&p));
        let (up, down) = (Encoding::Binary.encode(&request), Encoding::Binary.encode(&response));
        let times = [
            least_ns(5, 10_000, |_| drop(black_box(Encoding::Binary.encode(black_box(&request))))),
            least_ns(5, 10_000, |_| drop(black_box(Encoding::Binary.decode::<VerifyRequest>(black_box(&up))))),
            least_ns(5, 10_000, |_| drop(black_box(Encoding::Binary.encode(black_box(&response))))),
            least_ns(5, 10_000, |_| drop(black_box(Encoding::Binary.decode::<VerifyResponse>(black_box(&down))))),
        ];
        println!(
            "| {v} | {residual:.0} | {replaced:.0} | {bonus:.0} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {} |",
            times[0],
            times[1],
            up.len(),
            times[2],
            times[3],
            down.len()
        );
    }
}

fn parts(c: &mut Criterion) {
    let mut group = c.benchmark_group("verdict");
    for v in VOCABULARIES {
        let (q, p) = (distribution(v, 1), distribution(v, 2));
        group.bench_function(BenchmarkId::new("residual", v), |b| b.iter(|| p.residual(black_box(&q))));
        let (request, response) = (request(v), response(&p));
        let (up, down) = (Encoding::Binary.encode(&request), Encoding::Binary.encode(&response));
        group.bench_function(BenchmarkId::new("encode a request", v), |b| b.iter(|| Encoding::Binary.encode(&request)));
        group.bench_function(BenchmarkId::new("decode a request", v), |b| {
            b.iter(|| Encoding::Binary.decode::<VerifyRequest>(black_box(&up)));
        });
        group.bench_function(BenchmarkId::new("encode a verdict", v), |b| {
            b.iter(|| Encoding::Binary.encode(black_box(&response)));
        });
        group.bench_function(BenchmarkId::new("decode a verdict", v), |b| {
            b.iter(|| Encoding::Binary.decode::<VerifyResponse>(black_box(&down)));
        });
    }
    group.finish();
}

criterion_group!(benches, table, parts);
criterion_main!(benches);
