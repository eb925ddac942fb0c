//! The law of the draw, alone and shared. The tests are deterministic: a chance of a false alarm is over the choice of
//! the constants, made once.

use super::super::{ChainInput, Distribution, SamplingChain, SamplingParams, Scratch, TokenId};
use crate::noise::tests::statistics::{ALARM, chi_square, deviations};
use crate::noise::tests::{numbered, position};
use crate::noise::{PositionKey, TokenKeys};
use crate::token::TokenKind;

/// Sixteen logits of probabilities between 0.5 % and 30 % at temperature 0.7.
const LOGITS: [f32; 16] = [1.9, 0.0, -0.4, 0.8, 1.2, -0.2, 0.5, -0.9, 0.9, 0.1, -0.6, 1.5, 0.3, -0.1, 0.7, -0.7];

/// Returns `softmax(z / T)` in double precision.
fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let weights: Vec<f64> = logits.iter().map(|&z| (f64::from(z) / temperature).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

struct Drawer {
    chain: SamplingChain,
    keys: TokenKeys,
    scratch: Scratch,
}

impl Drawer {
    fn new(p: SamplingParams, keys: TokenKeys) -> Self {
        Self { chain: SamplingChain::new(p).expect("parameters in range"), keys, scratch: Scratch::default() }
    }

    fn draw(&mut self, logits: &[f32], position: PositionKey) -> TokenId {
        let input = ChainInput { logits, history: &[], mask: None };
        self.chain.winner(input, &mut self.scratch, &self.keys, position).expect("finite logits").id
    }

    /// Counts how often each token is drawn at `draws` places: seeds from 0 on, a thousand offsets from 0 on in each.
    fn counts(&mut self, logits: &[f32], draws: u64) -> Vec<u64> {
        let mut counts = vec![0; logits.len()];
        for i in 0..draws {
            counts[self.draw(logits, position(i / 1000, 0, i % 1000, 0)) as usize] += 1;
        }
        counts
    }
}

fn at(temperature: f32) -> SamplingParams {
    SamplingParams { temperature, ..SamplingParams::default() }
}

/// Returns the chance of `draws` draws from the sixteen tokens under the law `softmax(z / 0.7)`, each probability off
/// by a share of `off` in turns up and down.
fn chance(draws: u64, off: f64) -> f64 {
    let counts = Drawer::new(at(0.7), numbered(16)).counts(&LOGITS, draws);
    let mut law = softmax(&LOGITS, f64::from(0.7f32));
    for (i, p) in law.iter_mut().enumerate() {
        *p *= if i % 2 == 0 { 1.0 + off } else { 1.0 - off };
    }
    let sum: f64 = law.iter().sum();
    chi_square(&counts, &law.iter().map(|p| p / sum * draws as f64).collect::<Vec<_>>())
}

/// 10^6 draws, 16 tokens; chance of a false alarm 1e-9. Notices a relative deviation of the probabilities of 1.05 %
/// (root mean square, weighted by probability) with a chance of 99 %.
#[test]
fn draws_are_distributed_as_the_softmax() {
    let chance = chance(1_000_000, 0.0);
    assert!(chance > ALARM, "{chance}");
}

/// 10^6 draws; passes by chance with a probability below 1e-3.
#[test]
fn the_test_notices_a_law_that_is_off_by_one_and_a_quarter_percent() {
    let chance = chance(1_000_000, 0.0125);
    assert!(chance < ALARM, "{chance}");
}

/// 10^8 draws; chance of a false alarm 1e-9. Notices a relative deviation of 0.105 % with a chance of 99 %.
#[test]
#[ignore = "takes half a minute"]
fn a_hundred_million_draws_are_distributed_as_the_softmax() {
    let chance = chance(100_000_000, 0.0);
    assert!(chance > ALARM, "{chance}");
}

/// 10^6 draws from those of 200 tokens that top-k and top-p keep; chance of a false alarm 1e-9. Notices a relative
/// deviation of 1.3 % with a chance of 99 %.
#[test]
fn draws_from_a_truncated_row_are_distributed_as_the_chain_s_distribution() {
    let logits: Vec<f32> = (0..200).map(|i| LOGITS[i % 16] + (i % 11) as f32 / 5.0).collect();
    let p = SamplingParams { top_k: 60, top_p: 0.8, temperature: 1.3, ..SamplingParams::default() };
    let mut drawer = Drawer::new(p, numbered(200));
    let input = ChainInput { logits: &logits, history: &[], mask: None };
    let law = drawer.chain.distribution(input, &mut drawer.scratch).expect("finite logits");
    let counts = drawer.counts(&logits, 1_000_000);
    assert_eq!(counts.iter().filter(|&&n| n > 0).count(), law.iter().count());
    let (kept, expected): (Vec<u64>, Vec<f64>) =
        law.iter().map(|(id, p)| (counts[id as usize], f64::from(p) * 1e6)).unzip();
    let chance = chi_square(&kept, &expected);
    assert!(chance > ALARM, "{chance}");
}

/// 10^6 pairs of draws for each of three kinds of neighbours, 8 x 8 cells; chance of a false alarm 3e-9. Notices a
/// relative deviation of the pairs of 1.25 % with a chance of 99 %.
#[test]
fn draws_at_neighbouring_places_seeds_and_generations_are_independent() {
    let mut drawer = Drawer::new(at(1.0), numbered(8));
    let law = softmax(&LOGITS[..8], 1.0);
    let expected: Vec<f64> = law.iter().flat_map(|a| law.iter().map(move |b| a * b * 1e6)).collect();
    let neighbours: [fn(u64, u32, u64) -> PositionKey; 3] =
        [|s, g, o| position(s, g, o + 1, 0), |s, g, o| position(s + 1, g, o, 0), |s, g, o| position(s, g + 1, o, 0)];
    for neighbour in neighbours {
        let mut counts = vec![0; 64];
        for i in 0..1_000_000u64 {
            let (seed, generation, offset) = (2 * (i / 10_000), 2 * (i / 1000 % 10) as u32, 2 * (i % 1000));
            let first = drawer.draw(&LOGITS[..8], position(seed, generation, offset, 0));
            let second = drawer.draw(&LOGITS[..8], neighbour(seed, generation, offset));
            counts[(first * 8 + second) as usize] += 1;
        }
        let chance = chi_square(&counts, &expected);
        assert!(chance > ALARM, "{chance}");
    }
}

/// 2 x 10^5 pairs of draws for each of 7 distances of the two distributions. The share that matches must not lie more
/// than 6 deviations below the theorem's bound; chance of a false alarm 7e-9 even if it were met with equality. Notices
/// a share that lies 0.9 points below the bound with a chance of 97 %.
#[test]
fn two_draws_that_share_the_tape_match_at_least_as_often_as_the_theorem_says() {
    let mut drawer = Drawer::new(at(1.0), numbered(32));
    let p: Vec<f32> = (0..32).map(|i| LOGITS[i % 16] * 2.0 + (i / 16) as f32).collect();
    for (step, mix) in [0.0f32, 0.02, 0.1, 0.3, 0.6, 1.0, 2.0].into_iter().enumerate() {
        let q: Vec<f32> = (0..32).map(|i| p[i] + mix * LOGITS[(i * 5 + 3) % 16]).collect();
        let distribution = |logits: &[f32]| {
            let law = softmax(logits, 1.0);
            Distribution::from_weights((0..).zip(law)).expect("positive weights")
        };
        let distance = distribution(&p).total_variation(&distribution(&q));
        let draws = 200_000u64;
        let matches = (0..draws)
            .filter(|i| {
                let position = position(step as u64, 0, *i, 0);
                drawer.draw(&p, position) == drawer.draw(&q, position)
            })
            .count() as u64;
        let bound = (1.0 - distance) / (1.0 + distance);
        if mix == 0.0 {
            assert_eq!(matches, draws);
        } else {
            assert!(deviations(matches, draws, bound) > -6.0, "{matches} of {draws} match, the bound is {bound}");
        }
    }
}

fn mixed(hash: u64, id: TokenId) -> u64 {
    (hash ^ u64::from(id)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// All truncations at 500 places; the hash was taken on x86-64 with FMA and holds without and on aarch64.
#[test]
fn winners_and_margins_have_this_hash_on_every_platform() {
    let truncations = [
        at(0.7),
        SamplingParams { top_p: 0.95, ..at(1.0) },
        SamplingParams { top_k: 40, top_p: 0.9, ..at(1.3) },
        SamplingParams { min_p: 0.01, ..at(0.9) },
        SamplingParams { penalty_repeat: 1.1, top_p: 0.5, ..at(1.0) },
    ];
    let keys = numbered(2970);
    let mut hash = 0u64;
    for params in truncations {
        let chain = SamplingChain::new(params).expect("parameters in range");
        for offset in 0..500 {
            // The last block is not full.
            let other = position(1, 0, offset, 0);
            let logits: Vec<f32> = keys.as_slice().iter().map(|&key| other.noise(key) as f32).collect();
            let input = ChainInput { logits: &logits, history: &[1, 2, 3], mask: None };
            let winner = chain.winner(input, &mut Scratch::default(), &keys, position(0, 0, offset, 0));
            let winner = winner.expect("finite logits");
            hash = mixed(hash.rotate_left(7) ^ winner.margin.to_bits(), winner.id);
        }
    }
    assert_eq!(hash, 0x7f92_876b_5f27_c468, "{hash:#018x}");
}

#[test]
fn the_same_text_is_drawn_whatever_its_ids_are() {
    let texts: Vec<String> = (0..500).map(|i| format!("word {i}")).collect();
    let logits: Vec<f32> = (0..500).map(|i| LOGITS[i % 16]).collect();
    let of = |order: &[usize]| {
        let keys = TokenKeys::new(order.iter().map(|&i| (&texts[i], TokenKind::Normal))).expect("distinct keys");
        (Drawer::new(at(1.0), keys), order.iter().map(|&i| logits[i]).collect::<Vec<f32>>())
    };
    let order: Vec<usize> = (0..500).map(|i| i * 7 % 500).collect();
    let ((mut one, row), (mut other, permuted)) = (of(&(0..500).collect::<Vec<_>>()), of(&order));
    for offset in 0..2000 {
        let position = position(3, 1, offset, 0);
        assert_eq!(one.draw(&row, position) as usize, order[other.draw(&permuted, position) as usize]);
    }
}
