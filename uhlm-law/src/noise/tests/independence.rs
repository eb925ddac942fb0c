//! Tests that numbers that are neighbours by any of their inputs are independent.

use super::statistics::{ALARM, chi_square_uniform};
use super::{numbered, position};
use crate::noise::TokenKeys;

/// Inputs of the noise: seed, generation, offset, tokens without text, token.
type Inputs = (u64, u32, u64, u32, u32);

type Neighbour = fn(Inputs) -> Inputs;

fn bits(keys: &TokenKeys, (seed, generation, offset, silent, token): Inputs) -> u64 {
    position(seed, generation, offset, silent).bits(keys.get(token).expect("a token"))
}

/// Ways from one set of inputs to one that could resemble it.
const NEIGHBOURS: [(&str, Neighbour); 10] = [
    ("the next seed", |(s, g, o, n, t)| (s + 1, g, o, n, t)),
    ("the next generation", |(s, g, o, n, t)| (s, g + 1, o, n, t)),
    ("the next offset", |(s, g, o, n, t)| (s, g, o + 1, n, t)),
    ("one more silent token", |(s, g, o, n, t)| (s, g, o, n + 1, t)),
    ("the next token", |(s, g, o, n, t)| (s, g, o, n, t + 1)),
    ("seed and generation exchanged", |(s, g, o, n, t)| (u64::from(g) + 1000, s as u32, o, n, t)),
    ("seed and offset exchanged", |(s, g, o, n, t)| (o + 1000, g, s, n, t)),
    ("offset and silent tokens exchanged", |(s, g, o, n, t)| (s, g, u64::from(n), o as u32 + 1000, t)),
    ("the next seed and the offset before", |(s, g, o, n, t)| (s + 1, g, o.wrapping_sub(1), n, t)),
    ("a high bit of the seed", |(s, g, o, n, t)| (s | 1 << 63, g, o, n, t)),
];

/// 10^6 pairs for each of 10 kinds of neighbours, 32 x 32 cells; chance of a false alarm 1e-8. Each notices a relative
/// deviation of 2.1 % (root mean square over the cells) with a chance of 99 %, which is a correlation of 0.021.
#[test]
fn neighbours_by_any_input_are_independent() {
    let keys = numbered(101);
    for (name, neighbour) in NEIGHBOURS {
        let mut counts = vec![0; 1024];
        for i in 0..1_000_000u32 {
            // Even numbers, so that no number is in two pairs.
            let (a, b, token) = (i / 10_000, i / 50 % 200, i % 50);
            let inputs = (2 * u64::from(a), 2 * (a % 7), 2 * u64::from(b), 2 * (b % 3), 2 * token);
            let (x, y) = (bits(&keys, inputs) >> 59, bits(&keys, neighbour(inputs)) >> 59);
            counts[(x * 32 + y) as usize] += 1;
        }
        let chance = chi_square_uniform(&counts);
        assert!(chance > ALARM, "{name}: {chance}");
    }
}

/// Two positions and two tokens make four numbers from two times two keys: 10^6 such fours for each of three pairs of
/// positions, their sum with alternating signs and their sum without carries in 256 cells each; chance of a false alarm
/// 6e-9. A mixing that is linear in either sense fails in every case.
#[test]
fn four_numbers_of_two_positions_and_two_tokens_are_independent() {
    let keys = numbered(2000);
    for (name, neighbour) in [NEIGHBOURS[0], NEIGHBOURS[2], NEIGHBOURS[3]] {
        let (mut sums, mut exclusive) = (vec![0; 256], vec![0; 256]);
        for i in 0..1_000_000u32 {
            let (offset, token) = (2 * (i / 1000), 2 * (i % 1000));
            let first = (0, 0, u64::from(offset), 0, token);
            let second = neighbour(first);
            let next = |(s, g, o, n, t): Inputs| (s, g, o, n, t + 1);
            let [a, b, c, d] = [first, next(first), second, next(second)].map(|inputs| bits(&keys, inputs));
            sums[(a.wrapping_sub(b).wrapping_sub(c).wrapping_add(d) >> 56) as usize] += 1;
            exclusive[((a ^ b ^ c ^ d) >> 56) as usize] += 1;
        }
        for counts in [sums, exclusive] {
            let chance = chi_square_uniform(&counts);
            assert!(chance > ALARM, "{name}: {chance}");
        }
    }
}

/// 4,096 sets of small inputs, 192 bits of the inputs of a position flipped one by one, 64 bits of result: 12,288
/// counts, each within 7.2 deviations of a half; chance of a false alarm 8e-9. Notices a bit that flips in 43 % or 57 %
/// of the cases with a chance of 96 %.
#[test]
fn every_bit_of_the_inputs_flips_every_bit_of_the_result_half_of_the_time() {
    let keys = numbered(16);
    let flips: Vec<Box<dyn Fn(Inputs) -> Inputs>> = (0..64)
        .flat_map(|bit| -> [Box<dyn Fn(Inputs) -> Inputs>; 2] {
            [
                Box::new(move |(s, g, o, n, t)| (s ^ 1 << bit, g, o, n, t)),
                Box::new(move |(s, g, o, n, t)| (s, g, o ^ 1 << bit, n, t)),
            ]
        })
        .chain((0..32).flat_map(|bit| -> [Box<dyn Fn(Inputs) -> Inputs>; 2] {
            [
                Box::new(move |(s, g, o, n, t)| (s, g ^ 1 << bit, o, n, t)),
                Box::new(move |(s, g, o, n, t)| (s, g, o, n ^ 1 << bit, t)),
            ]
        }))
        .collect();
    assert_eq!(flips.len(), 192);
    for (place, flip) in flips.iter().enumerate() {
        let mut flipped = [0i32; 64];
        for i in 0..4096u32 {
            let inputs = (u64::from(i / 256), i % 2, u64::from(i / 16 % 16), 0, i % 16);
            let changed = bits(&keys, inputs) ^ bits(&keys, flip(inputs));
            for (bit, count) in flipped.iter_mut().enumerate() {
                *count += (changed >> bit & 1) as i32;
            }
        }
        for (bit, &count) in flipped.iter().enumerate() {
            // A deviation is 32.
            assert!((count - 2048).abs() < 230, "flip {place}, bit {bit}: {count} of 4096");
        }
    }
}
