//! The mixing of 64 bits that all keys and uniforms come from.
//!
//! Decides the constants; it leaves to its callers what is mixed, and in which order.

/// The fraction of the golden ratio, the step of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
/// number generators").
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The first 64 bits of the fraction of pi: where absorbing starts, chosen by nobody.
pub(super) const START: u64 = 0x243f_6a88_85a3_08d3;

/// Mixes 64 bits: a bijection, each bit of whose result depends on every bit of `x` and that no linear map comes near.
/// The output function of SplitMix64, with David Stafford's constants ("Better bit mixing", 2011, variant 13).
#[inline(always)]
pub(super) fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Takes one more number into a state. The number is mixed before it meets the state, because numbers that count from 0
/// are expected; for a fixed state no two numbers, and for a fixed number no two states, give the same result.
pub(super) fn absorb(state: u64, number: u64) -> u64 {
    mix(state ^ mix(number.wrapping_add(GOLDEN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixing_is_splitmix64_s_by_its_published_numbers() {
        // The first outputs of SplitMix64 from seed 1234567, as listed with the reference implementation.
        let outputs = [1, 2, 3].map(|n: u64| mix(GOLDEN.wrapping_mul(n).wrapping_add(1_234_567)));
        assert_eq!(outputs, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn the_order_in_which_numbers_are_absorbed_matters() {
        assert_ne!(absorb(absorb(START, 1), 2), absorb(absorb(START, 2), 1));
    }
}
