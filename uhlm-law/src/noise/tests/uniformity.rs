//! Tests that `U` is uniform and `G` a Gumbel variable, over the inputs that are expected: 0, 1, 2, ...

use super::statistics::{ALARM, chi_square_uniform, deviations, kolmogorov_smirnov};
use super::{numbered, position};
use crate::noise::{gumbel, reach};

/// Returns the bits over `seeds` seeds, `offsets` offsets and `tokens` tokens, each counted from 0.
fn bits(seeds: u64, offsets: u64, tokens: u32) -> impl Iterator<Item = u64> {
    let keys = numbered(tokens);
    let positions = (0..seeds).flat_map(move |seed| (0..offsets).map(move |offset| position(seed, 0, offset, 0)));
    positions.flat_map(move |position| keys.as_slice().iter().map(|&key| position.bits(key)).collect::<Vec<_>>())
}

/// 10^6 uniforms; chance of a false alarm 2e-9. Notices a relative deviation of 2.1 % (root mean square over 1,024
/// cells) with a chance of 99 %.
#[test]
fn uniforms_over_seeds_offsets_and_tokens_from_zero_are_uniform() {
    let sample: Vec<u64> = bits(100, 100, 100).collect();
    let mut counts = vec![0; 1024];
    for bits in &sample {
        counts[(gumbel::uniform(*bits) * 1024.0) as usize] += 1;
    }
    let chance = chi_square_uniform(&counts);
    assert!(chance > ALARM, "{chance}");
    let chance = kolmogorov_smirnov(sample.iter().map(|&bits| gumbel::uniform(bits)).collect());
    assert!(chance > ALARM, "{chance}");
}

/// 10^6 values; chance of a false alarm 1e-9.
#[test]
fn the_noise_has_the_gumbel_distribution() {
    let sample = bits(10, 1000, 100).map(|bits| (-(-gumbel::noise(bits)).exp()).exp()).collect();
    let chance = kolmogorov_smirnov(sample);
    assert!(chance > ALARM, "{chance}");
}

/// 1.6 x 10^7 values: 53 counts of a bit and 32 of a tail, each within 6.8 deviations; chance of a false alarm 1e-9.
/// Notices a tail beyond `2^-16` that is 60 % too heavy with a chance of 97 %.
#[test]
fn every_bit_is_fair_and_both_tails_have_their_weight_down_to_a_65536th() {
    let mut ones = [0u64; 64];
    let (mut low, mut high) = ([0u64; 17], [0u64; 17]);
    let mut trials = 0;
    for bits in bits(50, 80, 4000) {
        trials += 1;
        for (i, ones) in ones.iter_mut().enumerate() {
            *ones += bits >> i & 1;
        }
        low[(bits.leading_zeros() as usize).min(16)] += 1;
        high[(bits.leading_ones() as usize).min(16)] += 1;
    }
    for (i, &count) in ones.iter().enumerate().skip(11) {
        assert!(deviations(count, trials, 0.5).abs() < 6.8, "bit {i}: {count} of {trials}");
    }
    for k in 1..=16 {
        for tail in [&low, &high] {
            let count = tail[k..].iter().sum();
            assert!(deviations(count, trials, 0.5f64.powi(k as i32)).abs() < 6.8, "2^-{k}: {count} of {trials}");
        }
    }
}

/// Returns bits of all sizes of `1 - U`, evenly over its logarithm.
fn of_all_sizes(count: u64) -> impl Iterator<Item = u64> {
    let place = position(0, 0, 0, 0);
    numbered(1000).as_slice().to_vec().into_iter().cycle().zip(0..count).map(move |(key, i)| {
        let random = position(i, 0, 0, 0).bits(key) ^ place.bits(key);
        !(random >> (random % 64) >> (i % 2))
    })
}

#[test]
fn bits_always_reach_their_own_noise() {
    let ends = [0, 1, (1 << 11) - 1, 1 << 11, 1 << 62, 1 << 63, u64::MAX >> 1, u64::MAX - (1 << 11), u64::MAX];
    for bits in of_all_sizes(2_000_000).chain(ends) {
        let noise = gumbel::noise(bits);
        let limit = reach(noise);
        assert!(limit.is_some_and(|limit| !bits <= limit), "{bits:#x} makes {noise}, reach {limit:?}");
    }
}

#[test]
fn whoever_does_not_reach_makes_less_and_few_reach_in_vain() {
    let (mut reached, mut vain) = (0, 0);
    for (bits, other) in of_all_sizes(1_000_000).zip(of_all_sizes(1_000_007).skip(7)) {
        let floor = gumbel::noise(other);
        match reach(floor) {
            Some(limit) if !bits <= limit => {
                reached += 1;
                vain += u32::from(gumbel::noise(bits) < floor);
            }
            _ => assert!(gumbel::noise(bits) < floor, "{bits:#x} reaches {floor}"),
        }
    }
    assert!(reached > 100_000 && vain * 10 < reached, "{vain} of {reached}");
}

#[test]
fn the_reach_is_defined_for_every_floor() {
    for floor in [f64::NEG_INFINITY, -1e300, -4.0, 0.0, 0.69, f64::NAN] {
        assert_eq!(reach(floor), Some(u64::MAX), "{floor}");
    }
    for floor in [36.8, 44.0, 45.0, 1e300, f64::INFINITY] {
        assert_eq!(reach(floor), None, "{floor}");
    }
    let limits: Vec<Option<u64>> = (0..370).map(|i| reach(f64::from(i) / 10.0)).collect();
    assert!(limits.windows(2).all(|pair| pair[1].unwrap_or(0) <= pair[0].unwrap_or(0)));
}
