//! The draw that skips logarithms against the plain loop of its definition, bit by bit.

use super::*;
use crate::noise::tests::{numbered, position};
use crate::noise::{PositionKey, TokenKeys};

/// Draws as the definition reads: every kept token's score, sorted.
fn plain_winner(
    chain: &SamplingChain,
    input: ChainInput<'_>,
    keys: &TokenKeys,
    position: PositionKey,
) -> Result<Winner, SamplingError> {
    let mut scratch = Scratch::default();
    let Kept { logits, cut, .. } = chain.kept(input, &mut scratch)?;
    let temperature = chain.params().temperature;
    let mut scores: Vec<(TokenId, f64)> = (0..)
        .zip(logits.iter().copied())
        .filter(|&(id, z)| cut.keeps(id, z) && z > f32::NEG_INFINITY)
        .map(|(id, z)| {
            let noise = position.noise(keys.get(id).expect("a key"));
            let score = f64::from(z) * (1.0 / f64::from(temperature)) + noise;
            (id, if temperature == 0.0 { f64::from(z) } else { score })
        })
        .collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let second = scores.get(1).map_or(f64::NEG_INFINITY, |score| score.1);
    Ok(Winner { id: scores[0].0, margin: scores[0].1 - second })
}

/// Returns temperatures over the whole range, often the usual ones.
fn temperature() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(1.0f32), 1 => Just(0.7), 1 => Just(0.0), 6 => (-2.0f32..2.0).prop_map(|e| 10f32.powf(e))]
}

/// Returns rows as for the distribution, and such whose logits outgrow the noise, so that scores tie.
fn rows() -> impl Strategy<Value = Vec<f32>> {
    let huge = prop_oneof![4 => (-3i8..3).prop_map(|z| f32::from(z) * 1e19), 1 => Just(f32::NEG_INFINITY)];
    let extreme = prop_oneof![Just(f32::MAX), Just(f32::MIN), Just(0.0), Just(f32::MIN_POSITIVE), Just(1e-45)];
    prop_oneof![
        6 => logits(),
        2 => prop::collection::vec(-12.0f32..12.0, 1..4),
        2 => prop::collection::vec(huge, 1..300),
        1 => prop::collection::vec(extreme, 1..300),
        1 => prop::collection::vec(prop_oneof![30 => Just(f32::NEG_INFINITY), 1 => -1.0f32..1.0], 1..1000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn skipping_logarithms_changes_no_bit_of_the_draw(
        logits in rows(),
        p in params(),
        temperature in temperature(),
        history in prop::collection::vec(0u32..60, 0..50),
        mask in prop_oneof![3 => Just(None), 1 => prop::collection::vec(0u32..1500, 0..300).prop_map(Some)],
        seed in any::<u64>(),
        offset in 0u64..10_000,
    ) {
        let mask = mask.map(|ids| TokenMask::allowing(logits.len(), ids));
        let input = ChainInput { logits: &logits, history: &history, mask: mask.as_ref() };
        let chain = SamplingChain::new(SamplingParams { temperature, ..p }).expect("parameters in range");
        let (keys, position) = (numbered(logits.len() as u32), position(seed, 0, offset, 0));
        let mut scratch = Scratch::default();
        let winner = chain.winner(input, &mut scratch, &keys, position);
        prop_assert_eq!(&winner, &plain_winner(&chain, input, &keys, position));
        // The buffers' content does not matter, and both sides of the chain keep the same tokens.
        prop_assert_eq!(&winner, &chain.winner(input, &mut scratch, &keys, position));
        match (winner, chain.distribution(input, &mut scratch)) {
            (Ok(winner), Ok(p)) => {
                prop_assert!(p.prob(winner.id) > 0.0);
                prop_assert!(winner.margin >= 0.0);
                // The probability of any token comes without the distribution.
                for id in [winner.id, (offset % logits.len() as u64) as TokenId, logits.len() as TokenId] {
                    let scored = chain.score(input, &mut scratch, &keys, position, Some(id)).expect("as before");
                    let told = scored.p.expect("a probability");
                    prop_assert_eq!(scored.winner, winner);
                    prop_assert!((told - p.prob(id)).abs() < 1e-5, "{}: {} for {}", id, told, p.prob(id));
                }
                if winner.margin == f64::INFINITY {
                    prop_assert_eq!(p.iter().take(2).count(), 1);
                }
            }
            (winner, p) => prop_assert_eq!(winner.map(|_| ()), p.map(|_| ())),
        }
    }
}

#[test]
fn skipping_logarithms_changes_no_bit_of_the_draw_from_a_large_vocabulary() {
    let keys = numbered(151_936);
    let noise = position(9, 9, 9, 9);
    // Normal to a good approximation: the sum of four uniforms, 12 wide.
    let words = keys.as_slice().chunks(4).cycle();
    let mut logits: Vec<f32> = words
        .zip(0..151_936u32)
        .map(|(four, i)| {
            four.iter().map(|&key| noise.uniform(key) as f32 - 0.5).sum::<f32>() * 5.0 + (i % 7) as f32 / 7.0
        })
        .collect();
    for peak in [None, Some(12.0), Some(20.0)] {
        if let Some(peak) = peak {
            logits[77_777] = peak;
        }
        for temperature in [0.01, 0.3, 0.7, 1.0, 1.5, 100.0] {
            let chain =
                SamplingChain::new(SamplingParams { temperature, ..SamplingParams::default() }).expect("in range");
            for offset in 0..3 {
                let input = ChainInput { logits: &logits, history: &[], mask: None };
                let position = position(0, 0, offset, 0);
                let winner = chain.winner(input, &mut Scratch::default(), &keys, position);
                assert_eq!(winner, plain_winner(&chain, input, &keys, position));
            }
        }
    }
}

fn draw(p: SamplingParams, logits: &[f32]) -> Winner {
    let chain = SamplingChain::new(p).expect("parameters in range");
    let input = ChainInput { logits, history: &[], mask: None };
    let keys = numbered(logits.len() as u32);
    chain.winner(input, &mut Scratch::default(), &keys, position(0, 0, 0, 0)).expect("finite logits")
}

#[test]
fn without_temperature_the_greatest_logit_wins_by_its_lead_the_lowest_id_among_equals() {
    let greedy = SamplingParams::greedy;
    assert_eq!(draw(greedy(), &[1.0, 7.0, 4.5]), Winner { id: 1, margin: 2.5 });
    assert_eq!(draw(greedy(), &[1.0, 7.0, 7.0]), Winner { id: 1, margin: 0.0 });
    assert_eq!(draw(greedy(), &[7.0, 7.0, 1.0]), Winner { id: 0, margin: 0.0 });
    assert_eq!(draw(greedy(), &[3.0]), Winner { id: 0, margin: f64::INFINITY });
    assert_eq!(draw(greedy(), &[f32::NEG_INFINITY, 3.0]), Winner { id: 1, margin: f64::INFINITY });
    // The cuts do not hide the second.
    assert_eq!(draw(SamplingParams { top_k: 1, ..greedy() }, &[3.0, 1.0]), Winner { id: 0, margin: 2.0 });
}

#[test]
fn a_token_that_is_kept_alone_wins_by_an_infinite_margin() {
    let p = SamplingParams { top_k: 1, ..SamplingParams::default() };
    assert_eq!(draw(p, &[1.0, 2.0, 0.0]), Winner { id: 1, margin: f64::INFINITY });
}

#[test]
fn equal_scores_go_to_the_lowest_id() {
    // At this size the noise is below the last bit of a score.
    assert_eq!(draw(SamplingParams::default(), &[-1e19, 1e19, 1e19, 1e19]), Winner { id: 1, margin: 0.0 });
}

#[test]
fn keys_of_another_vocabulary_are_refused() {
    let chain = SamplingChain::new(SamplingParams::default()).expect("parameters in range");
    let result = |logits: &[f32], keys: u32| {
        let input = ChainInput { logits, history: &[], mask: None };
        chain.winner(input, &mut Scratch::default(), &numbered(keys), position(0, 0, 0, 0))
    };
    for keys in [0, 2, 4] {
        let mismatch = SamplingError::VocabularyMismatch { logits: 3, keys: keys as usize };
        assert_eq!(result(&[0.0; 3], keys), Err(mismatch));
    }
    assert_eq!(result(&[], 3), Err(SamplingError::EmptyLogits));
    assert_eq!(result(&[f32::NAN; 3], 3), Err(SamplingError::NonFiniteLogits));
}
