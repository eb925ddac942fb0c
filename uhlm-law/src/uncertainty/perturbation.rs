//! Temperature perturbation without its sampling noise, in one pass over the logits.
//!
//! `u = 1 - (1/2) integral over theta from 0 to 2 of softmax(z/theta)[d]`, the expectation of the paper's estimate
//! over temperatures and draws (Rao-Blackwell; the paper, arXiv 2412.12687v2, samples both). The integral is a
//! Gauss-Legendre quadrature with eight nodes, and `softmax(z/theta)[d] = 1 / Z(1/theta)` with `Z(beta) = sum
//! exp(beta (z_i - z_d))`, so that no maximum has to be found first.
//!
//! Taken plainly that is eight exponentials for each of V tokens. But only tokens near the drafted one matter at low
//! temperatures, and the many others only as a sum, which is smooth in `beta`. So the row is split:
//! - the *head*, `z_i > z_d - 4`, usually a handful: summed at each node;
//! - the *bulk*, the rest: one exponential `e = exp((z_i - z_d) / 2)` gives `Z` at `beta` = 1/2, 1 and 2 as sums of
//!   `e`, `e^2` and `e^4`; `ln Z` is a parabola through these three in between (exactly so if the bulk's logits are
//!   Gaussian), and at most `exp(-4 (beta - 2))` of the last beyond.

use super::{Uncertainty, finite_logit};
use crate::sampling::TokenId;
use crate::vector::{self, BLOCK, Kernel, LANES, block_max, exp2, exp2_coarse, mul_add};

/// Nodes on [0, 2] and their weights, which sum to 1 (the factor 1/2 is in them).
const NODES: [(f32, f32); 8] = [
    (1.960_29, 0.050_614_268),
    (1.796_666_5, 0.111_190_52),
    (1.525_532_4, 0.156_853_32),
    (1.183_434_6, 0.181_341_89),
    (0.816_565_36, 0.181_341_89),
    (0.474_467_59, 0.156_853_32),
    (0.203_333_52, 0.111_190_52),
    (0.039_710_144, 0.050_614_268),
];

/// Distance below the drafted token's logit within which logits belong to the head.
const HEAD: f32 = 4.0;
/// Exponent of two below which `e` is not taken: 152,000 such tokens add 3e-4 to `Z(1/2)`, and `e^4` stays normal.
const FLOOR: f32 = -29.0;

/// The estimator [`super::Estimator::TemperaturePerturbation`].
#[derive(Clone, Debug, Default)]
pub(super) struct TemperaturePerturbation {
    /// Differences `z_i - z_d` of the head.
    head: Vec<f32>,
}

impl Uncertainty for TemperaturePerturbation {
    fn estimate(&mut self, logits: &[f32], drafted: TokenId) -> f32 {
        // Beyond any model's range, differences of logits lose their meaning in single precision.
        let Some(z_d) = finite_logit(logits, drafted).filter(|z| z.abs() < 1e4) else { return 1.0 };
        self.head.clear();
        vector::dispatch(Estimate { logits, z_d, head: &mut self.head })
    }
}

struct Estimate<'a> {
    logits: &'a [f32],
    z_d: f32,
    head: &'a mut Vec<f32>,
}

impl Kernel for Estimate<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f32 {
        let mut bulk = Bulk::new(self.z_d);
        let cut = self.z_d - HEAD;
        let (blocks, rest) = self.logits.as_chunks::<BLOCK>();
        for block in blocks {
            if block_max(block) > cut {
                bulk.add::<FUSED>(&split(block, cut, self.z_d, self.head));
            } else {
                bulk.add::<FUSED>(block);
            }
        }
        let mut last = [f32::NEG_INFINITY; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        bulk.add::<FUSED>(&split(&last, cut, self.z_d, self.head));

        let bulk = bulk.finish();
        let kept: f32 = NODES
            .iter()
            .map(|&(theta, weight)| weight / (head_sum::<FUSED>(self.head, 1.0 / theta) + bulk.at(1.0 / theta)))
            .sum();
        (1.0 - kept).clamp(0.0, 1.0)
    }
}

/// Moves a block's head out of it.
#[inline(always)]
fn split(block: &[f32; BLOCK], cut: f32, z_d: f32, head: &mut Vec<f32>) -> [f32; BLOCK] {
    let mut bulk = *block;
    for z in &mut bulk {
        if *z > cut {
            head.push(*z - z_d);
            *z = f32::NEG_INFINITY;
        }
    }
    bulk
}

/// Returns `sum exp(beta x)` over the head. It may be infinite.
#[inline(always)]
fn head_sum<const FUSED: bool>(head: &[f32], beta: f32) -> f32 {
    let scale = beta * std::f32::consts::LOG2_E;
    let power = |x: f32| exp2::<FUSED>((x * scale).clamp(-126.0, 126.0));
    let (chunks, rest) = head.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for lanes in chunks {
        for (sum, &x) in sums.iter_mut().zip(lanes) {
            *sum += power(x);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|&x| power(x)).sum::<f32>()
}

/// Sums of `e`, `e^2` and `e^4` over the bulk, lane by lane.
struct Bulk {
    offset: f32,
    sums: [[f32; LANES]; 3],
}

impl Bulk {
    /// Half of `log2 e`, so that `exp2(SCALE x) = exp(x/2)`.
    const SCALE: f32 = std::f32::consts::LOG2_E / 2.0;

    #[inline(always)]
    fn new(z_d: f32) -> Self {
        Self { offset: -z_d * Self::SCALE, sums: [[0.0; LANES]; 3] }
    }

    #[inline(always)]
    fn add<const FUSED: bool>(&mut self, block: &[f32; BLOCK]) {
        let [mut s1, mut s2, mut s4] = self.sums;
        for lanes in block.as_chunks::<LANES>().0 {
            for i in 0..LANES {
                // NaN and -inf become the floor.
                let y = vector::max(mul_add::<FUSED>(lanes[i], Self::SCALE, self.offset), FLOOR);
                let e = exp2_coarse::<FUSED>(y);
                let square = e * e;
                s1[i] += e;
                s2[i] += square;
                s4[i] = mul_add::<FUSED>(square, square, s4[i]);
            }
        }
        self.sums = [s1, s2, s4];
    }

    #[inline(always)]
    fn finish(self) -> Partition {
        let [half, one, two] = self.sums.map(|lanes| lanes.iter().sum::<f32>().ln());
        Partition { half, one, two }
    }
}

/// `ln Z` of the bulk at 1/2, 1 and 2.
struct Partition {
    half: f32,
    one: f32,
    two: f32,
}

impl Partition {
    /// Returns `Z` of the bulk at `beta` of at least 1/2.
    #[inline(always)]
    fn at(&self, beta: f32) -> f32 {
        let ln = if beta < 2.0 {
            self.half * ((beta - 1.0) * (beta - 2.0) / 0.75) - self.one * ((beta - 0.5) * (beta - 2.0) / 0.5)
                + self.two * ((beta - 0.5) * (beta - 1.0) / 1.5)
        } else {
            self.two - HEAD * (beta - 2.0)
        };
        ln.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, Stream};

    /// Returns the integral with 400 midpoints, every exponential in double precision: the limit of K to infinity.
    fn limit(logits: &[f32], drafted: usize) -> f64 {
        const K: u32 = 400;
        let z_d = f64::from(logits[drafted]);
        let mean: f64 = (0..K)
            .map(|k| {
                let theta = 2.0 * (f64::from(k) + 0.5) / f64::from(K);
                1.0 / logits.iter().map(|&z| ((f64::from(z) - z_d) / theta).exp()).sum::<f64>()
            })
            .sum();
        1.0 - mean / f64::from(K)
    }

    /// Makes Gaussian logits with a few peaks, as a language model's rows look.
    fn row(v: usize, sigma: f64, peaks: &[f64], rng: &mut Rng) -> Vec<f32> {
        let mut logits: Vec<f32> = (0..v)
            .map(|_| {
                let radius = (-2.0 * rng.uniform_positive().ln()).sqrt();
                (sigma * radius * (std::f64::consts::TAU * rng.uniform()).cos()) as f32
            })
            .collect();
        for &peak in peaks {
            logits[(rng.uniform() * v as f64) as usize] = peak as f32;
        }
        logits
    }

    #[test]
    fn one_pass_agrees_with_the_limit_of_many_temperatures() {
        let mut rng = Rng::new(11, Stream::Simulation);
        let (mut sum, mut worst, mut n) = (0.0, 0.0f64, 0.0);
        for v in [50, 1000, 4099] {
            for sigma in [0.5, 2.0, 3.0] {
                for top in [0.0, 4.0, 8.0, 14.0, 20.0, 30.0] {
                    let peaks: Vec<f64> = (0..6).map(|i| top - 1.3 * f64::from(i) * rng.uniform()).collect();
                    let logits = row(v, sigma, &peaks, &mut rng);
                    let mut order: Vec<usize> = (0..v).collect();
                    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
                    for drafted in [order[0], order[1], order[4], order[v / 2]] {
                        let u = TemperaturePerturbation::default().estimate(&logits, drafted as u32);
                        let error = (f64::from(u) - limit(&logits, drafted)).abs();
                        (sum, worst, n) = (sum + error, worst.max(error), n + 1.0);
                    }
                }
            }
        }
        // The worst is the quadrature's own, where softmax(z/theta)[d] jumps at a low temperature.
        assert!(worst < 0.01, "worst {worst}");
        assert!(sum / n < 0.001, "mean {}", sum / n);
    }

    #[test]
    fn the_paper_s_sampled_form_has_this_as_its_mean() {
        // 40,000 draws: standard error at most 0.0025; 0.0125 is five of them, a false alarm in 2e6.
        let mut rng = Rng::new(5, Stream::Simulation);
        let logits = row(300, 2.0, &[7.0, 6.0, 5.5], &mut rng);
        let drafted = logits.iter().position(|&z| z == 6.0).expect("a peak") as u32;
        let mut sampled = super::super::Estimator::SampledTemperaturePerturbation { draws: 40_000 }.build(3);
        let exact = TemperaturePerturbation::default().estimate(&logits, drafted);
        assert!((sampled.estimate(&logits, drafted) - exact).abs() < 0.0125, "{exact}");
    }

    #[test]
    fn a_shift_of_all_logits_changes_nothing() {
        let mut rng = Rng::new(6, Stream::Simulation);
        let logits = row(1000, 3.0, &[12.0, 11.0], &mut rng);
        let shifted: Vec<f32> = logits.iter().map(|z| z - 40.0).collect();
        let mut u = TemperaturePerturbation::default();
        assert!((u.estimate(&logits, 3) - u.estimate(&shifted, 3)).abs() < 1e-4);
    }
}
