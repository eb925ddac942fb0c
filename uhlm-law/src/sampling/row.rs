//! Passes over a whole row of logits, each at about the speed of memory.

use super::order::{Candidate, Cut, keep_first};
use super::{Distribution, TokenId};
use crate::vector::{self, BLOCK, Kernel, LANES, block_max, exp2};

/// Returns the greatest logit, if it is finite and no logit is NaN or `+inf`.
pub(super) fn greatest(logits: &[f32]) -> Option<f32> {
    let (max, sound) = vector::dispatch(Greatest(logits));
    (sound && max.is_finite()).then_some(max)
}

/// Returns the sum of `exp(z - max)`. It decides where top-p cuts, so it is never fused and has the same bits on every
/// processor.
pub(super) fn exp_sum(logits: &[f32], max: f32) -> f64 {
    vector::dispatch(ExpSum { logits, max })
}

/// Collects the `k` greatest logits in no order, the lower id first among equals; fewer where fewer are finite.
pub(super) fn top_k(logits: &[f32], k: usize, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    vector::dispatch(TopK { logits, k, candidates });
    if candidates.len() > k {
        keep_first(candidates, k);
    }
}

/// Collects the tokens with logits above `bound`, ascending by id, the first `limit` of them.
pub(super) fn above(logits: &[f32], bound: f32, limit: usize, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    visit(
        logits,
        |top| top > bound,
        |id, z| {
            if z > bound && candidates.len() < limit {
                candidates.push((id, z));
            }
        },
    );
}

/// Returns the first token of this logit, which is the greatest.
pub(super) fn first_of(logits: &[f32], max: f32) -> Option<TokenId> {
    let mut found = None;
    visit(
        logits,
        |top| top >= max,
        |id, z| {
            if z == max && found.is_none() {
                found = Some(id);
            }
        },
    );
    found
}

/// Sorts the tokens into [`BUCKETS`] by logit, and leaves those of the bucket in which the softmax, summed from the
/// greatest on, reaches `top_p`. Returns the part of that sum that is left to reach within it, in units of `exp(max)`;
/// never fused, as [`exp_sum`].
pub(super) fn bucket_reaching(logits: &[f32], max: f32, top_p: f64, candidates: &mut Vec<Candidate>) -> f64 {
    let mut masses = [0.0; BUCKETS];
    vector::dispatch(Masses { logits, max, masses: &mut masses });
    let mut target = top_p * masses.iter().sum::<f64>();
    let reached = masses.iter().position(|&mass| {
        let reached = mass >= target;
        if !reached {
            target -= mass;
        }
        reached
    });
    // Only rounding leads past the last one.
    let wanted = reached.unwrap_or(BUCKETS - 1);
    candidates.clear();
    visit(
        logits,
        |top| bucket(max - top) <= wanted,
        |id, z| {
            if bucket(max - z) == wanted {
                candidates.push((id, z));
            }
        },
    );
    target
}

/// Number of ranges of logits, each a sixteenth wide, from the greatest down; the last has no lower end.
const BUCKETS: usize = 512;

/// Returns the bucket of a logit that lies `depth` below the greatest; the conversion saturates.
#[inline(always)]
fn bucket(depth: f32) -> usize {
    ((depth * 16.0) as usize).min(BUCKETS - 1)
}

struct Masses<'a> {
    logits: &'a [f32],
    max: f32,
    masses: &'a mut [f64; BUCKETS],
}

impl Kernel for Masses<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for part in self.logits.chunks(BLOCK) {
            let mut weights = [0.0; BLOCK];
            for (weight, &z) in weights.iter_mut().zip(part) {
                *weight = power::<false>((z - self.max) * std::f32::consts::LOG2_E);
            }
            for (weight, &z) in weights.iter().zip(part) {
                self.masses[bucket(self.max - z)] += f64::from(*weight);
            }
        }
    }
}

/// Returns `softmax(z / temperature)` of all tokens.
pub(super) fn softmax(logits: &[f32], max: f32, temperature: f32) -> Distribution {
    let mut probs = Vec::with_capacity(logits.len());
    let scale = scale(temperature);
    vector::dispatch(Exponentials::<false> { logits, max, scale, cut: Cut::NONE, values: &mut probs });
    Distribution::dense(probs)
}

/// Returns `softmax(z / temperature)` of the tokens that a cut keeps: sparse unless that is an eighth of all or more.
pub(super) fn softmax_above(logits: &[f32], max: f32, temperature: f32, cut: Cut) -> Distribution {
    let scale = scale(temperature);
    let limit = logits.len() / 8 + BLOCK;
    let (mut ids, mut powers) = (Vec::new(), Vec::new());
    visit(
        logits,
        |top| top >= cut.z,
        |id, z| {
            if cut.keeps(id, z) && ids.len() < limit {
                ids.push(id);
                powers.push((z - max) * scale);
            }
        },
    );
    if ids.len() < limit {
        vector::dispatch(Powers(&mut powers));
        return Distribution::sparse(ids, powers);
    }
    let mut weights = Vec::with_capacity(logits.len());
    vector::dispatch(Exponentials::<true> { logits, max, scale, cut, values: &mut weights });
    Distribution::dense(weights)
}

/// Returns the factor from a natural logarithm over `temperature` to a logarithm of base two. Finite, so that 0 stays
/// 0.
pub(super) fn scale(temperature: f32) -> f32 {
    (std::f32::consts::LOG2_E / temperature).min(1e30)
}

/// Returns `2^y` for `y <= 0`; 0 below the normal numbers.
#[inline(always)]
pub(super) fn power<const FUSED: bool>(y: f32) -> f32 {
    let value = exp2::<FUSED>(vector::max(y, -126.0));
    if y >= -126.0 { value } else { 0.0 }
}

/// Calls `each` for the tokens of every block whose greatest logit `wanted` wants.
fn visit(logits: &[f32], wanted: impl FnMut(f32) -> bool, each: impl FnMut(TokenId, f32)) {
    vector::dispatch(Visit { logits, wanted, each });
}

struct Visit<'a, W, E> {
    logits: &'a [f32],
    wanted: W,
    each: E,
}

impl<W: FnMut(f32) -> bool, E: FnMut(TokenId, f32)> Kernel for Visit<'_, W, E> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        for (index, block) in self.logits.chunks(BLOCK).enumerate() {
            let wanted = match block.first_chunk::<BLOCK>() {
                Some(block) => (self.wanted)(block_max(block)),
                None => true,
            };
            if wanted {
                for (i, &z) in block.iter().enumerate() {
                    (self.each)((index * BLOCK + i) as TokenId, z);
                }
            }
        }
    }
}

struct Greatest<'a>(&'a [f32]);

impl Kernel for Greatest<'_> {
    type Output = (f32, bool);

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> (f32, bool) {
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        let mut top = [f32::NEG_INFINITY; LANES];
        let mut unsound = [0u32; LANES];
        for lanes in chunks {
            for i in 0..LANES {
                top[i] = vector::max(lanes[i], top[i]);
                // NaN compares as false.
                unsound[i] |= if lanes[i] < f32::INFINITY { 0 } else { 1 };
            }
        }
        let max = top.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
        (max, unsound.iter().all(|&flag| flag == 0) && rest.iter().all(|&z| z < f32::INFINITY))
    }
}

struct ExpSum<'a> {
    logits: &'a [f32],
    max: f32,
}

impl Kernel for ExpSum<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f64 {
        let mut total = 0.0;
        // Short sums in single precision, so that rounding stays at a few units of the last place.
        for part in self.logits.chunks(16 * BLOCK) {
            let (chunks, rest) = part.as_chunks::<LANES>();
            let mut sums = [0.0f32; LANES];
            for lanes in chunks {
                for (sum, &z) in sums.iter_mut().zip(lanes) {
                    *sum += power::<false>((z - self.max) * std::f32::consts::LOG2_E);
                }
            }
            total += sums.iter().map(|&s| f64::from(s)).sum::<f64>();
            total +=
                rest.iter().map(|&z| f64::from(power::<false>((z - self.max) * std::f32::consts::LOG2_E))).sum::<f64>();
        }
        total
    }
}

struct TopK<'a> {
    logits: &'a [f32],
    k: usize,
    candidates: &'a mut Vec<Candidate>,
}

impl Kernel for TopK<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        // Whenever four times as many as needed are collected, the lower ones go and raise the bar for the rest. A
        // later token of the same logit as the lowest kept one has a higher id and would lose to it, hence `>`.
        let limit = (4 * self.k).max(4 * BLOCK);
        let mut bar = f32::NEG_INFINITY;
        for (index, block) in self.logits.chunks(BLOCK).enumerate() {
            if let Some(block) = block.first_chunk::<BLOCK>()
                && block_max(block) <= bar
            {
                continue;
            }
            for (i, &z) in block.iter().enumerate() {
                if z > bar {
                    self.candidates.push(((index * BLOCK + i) as TokenId, z));
                }
            }
            if self.candidates.len() >= limit {
                bar = keep_first(self.candidates, self.k);
            }
        }
    }
}

/// The computation of `2^y` in place.
struct Powers<'a>(&'a mut [f32]);

impl Kernel for Powers<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for y in self.0 {
            *y = power::<FUSED>(*y);
        }
    }
}

struct Exponentials<'a, const CUT: bool> {
    logits: &'a [f32],
    max: f32,
    scale: f32,
    /// Cut below which tokens get 0, where `CUT` is set.
    cut: Cut,
    values: &'a mut Vec<f32>,
}

impl<const CUT: bool> Kernel for Exponentials<'_, CUT> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (index, part) in self.logits.chunks(BLOCK).enumerate() {
            let mut weights = [0.0; BLOCK];
            for (i, (weight, &z)) in weights.iter_mut().zip(part).enumerate() {
                let value = power::<FUSED>((z - self.max) * self.scale);
                let kept = !CUT || self.cut.keeps((index * BLOCK + i) as TokenId, z);
                *weight = if kept { value } else { 0.0 };
            }
            self.values.extend_from_slice(&weights[..part.len()]);
        }
    }
}
