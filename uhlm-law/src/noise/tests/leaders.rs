//! The leaders against a full sort.

use proptest::prelude::*;

use super::{numbered, position};
use crate::token::TokenId;

/// Returns all tokens with their noise, the greatest first, the lower id among equals.
fn sorted(tokens: u32, seed: u64) -> Vec<(TokenId, f64)> {
    let (keys, position) = (numbered(tokens), position(seed, 0, 0, 0));
    let mut all: Vec<(TokenId, f64)> = (0..).zip(keys.as_slice()).map(|(id, &key)| (id, position.noise(key))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_leaders_are_the_first_of_a_full_sort(tokens in 0u32..3000, count in 0usize..400, seed in 0u64..1000) {
        let leaders = numbered(tokens).greatest(position(seed, 0, 0, 0), count);
        let mut expected = sorted(tokens, seed);
        expected.truncate(count);
        prop_assert_eq!(leaders, expected);
    }

    #[test]
    fn the_greatest_outside_a_set_is_the_first_of_a_full_sort_that_is_not_in_it(
        tokens in 1u32..3000,
        leaders in 0usize..300,
        others in prop::collection::vec(0u32..4000, 0..300),
        seed in 0u64..1000,
    ) {
        let sorted = sorted(tokens, seed);
        let excluded: Vec<TokenId> = others.into_iter().chain(sorted.iter().map(|e| e.0).take(leaders)).collect();
        let expected = sorted.into_iter().find(|e| !excluded.contains(&e.0));
        prop_assert_eq!(numbered(tokens).greatest_outside(position(seed, 0, 0, 0), &excluded), expected);
    }
}

#[test]
fn leaders_of_a_large_vocabulary_are_found_as_well() {
    let keys = numbered(152_000);
    for seed in 0..3 {
        let (sorted, position) = (sorted(152_000, seed), position(seed, 0, 0, 0));
        assert_eq!(keys.greatest(position, 128), sorted[..128]);
        let leaders: Vec<TokenId> = sorted[..128].iter().map(|leader| leader.0).collect();
        assert_eq!(keys.greatest_outside(position, &leaders), Some(sorted[128]));
        assert_eq!(keys.greatest_outside(position, &leaders[..127]), Some(sorted[127]));
        assert_eq!(keys.greatest_outside(position, &[]), Some(sorted[0]));
    }
}
