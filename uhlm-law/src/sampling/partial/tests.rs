//! The draw from a part of a row against the draw from the whole one.

use proptest::prelude::*;

use super::*;
use crate::noise::tests::{numbered, position};
use crate::sampling::{ChainInput, SamplingParams, Scratch};

fn chain(params: SamplingParams) -> SamplingChain {
    SamplingChain::new(params).expect("parameters in range")
}

/// Turns logits into the logarithms of their probabilities, as an engine does.
fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    logits.iter().map(|&z| (f64::from(z - max) - sum.ln()) as f32).collect()
}

/// Returns the `top` most probable tokens of a row, among equals those of the highest ids, and the tokens `named`.
fn part(row: &[f32], top: usize, named: &[TokenId]) -> PartialRow {
    let mut order: Vec<TokenId> = (0..row.len() as TokenId).collect();
    order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]).then(b.cmp(&a)));
    let is_whole = top >= row.len();
    let bound = if is_whole { f32::NEG_INFINITY } else { row[order[top - 1] as usize] };
    let mut ids = order[..top.min(row.len())].to_vec();
    ids.extend(named.iter().filter(|&&id| (id as usize) < row.len()));
    ids.sort_unstable();
    ids.dedup();
    PartialRow::new(ids.into_iter().map(|id| (id, row[id as usize])), bound, |_| true).expect("a row")
}

fn whole_winner(chain: &SamplingChain, row: &[f32], history: &[TokenId], seed: u64) -> TokenId {
    let input = ChainInput { logits: row, history, mask: None };
    let keys = numbered(row.len() as u32);
    chain.winner(input, &mut Scratch::default(), &keys, position(seed, 0, 0, 0)).expect("finite logits").id
}

fn params() -> impl Strategy<Value = SamplingParams> {
    (
        prop_oneof![Just(0.0f32), Just(0.7), Just(1.0), 0.05f32..3.0],
        prop_oneof![2 => Just(0u32), 2 => 1u32..20, 1 => 1u32..2000],
        prop_oneof![Just(1.0f32), 0.01f32..1.0, 0.9f32..1.0],
        prop_oneof![Just(0.0f32), Just(1.0), 0.001f32..0.5],
        prop_oneof![2 => Just((0u32, 0.0f32, 0.0f32)), 1 => (1u32..40, -1.0f32..1.0, -1.0f32..1.0)],
    )
        .prop_map(|(temperature, top_k, top_p, min_p, (last_n, frequency, presence))| SamplingParams {
            temperature,
            top_k,
            top_p,
            min_p,
            penalty_last_n: last_n,
            penalty_frequency: frequency,
            penalty_presence: presence,
            ..SamplingParams::default()
        })
}

/// Returns rows that are smooth, full of ties, flat, and peaked.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        prop::collection::vec(-12.0f32..12.0, 2..700),
        prop::collection::vec((-4i8..4).prop_map(f32::from), 2..400),
        prop::collection::vec(-1.0f32..1.0, 2..700),
        prop::collection::vec(prop_oneof![20 => -8.0f32..0.0, 1 => 4.0f32..9.0], 40..700),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_part_gives_the_winner_of_the_whole_row_or_none(
        logits in logits(),
        p in params(),
        top in prop_oneof![1usize..30, 1usize..700],
        named in prop_oneof![Just(0usize), 1usize..40],
        history in prop::collection::vec(0u32..60, 0..50),
        seed in 0u64..1000,
    ) {
        let (row, chain) = (log_softmax(&logits), chain(p));
        let keys = numbered(row.len() as u32);
        let position = position(seed, 0, 0, 0);
        let leaders: Vec<TokenId> = keys.greatest(position, named).into_iter().map(|leader| leader.0).collect();
        let part = part(&row, top, &leaders);
        let expected = whole_winner(&chain, &row, &history, seed);
        match chain.certain_winner(&part, &history, &keys, position) {
            Ok(winner) => prop_assert_eq!(winner, expected, "of {} tokens", row.len()),
            Err(doubt) => {
                prop_assert_eq!(doubt, Uncertain::Unlisted);
                prop_assert!(!part.is_whole(), "a whole row leaves no doubt");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_masked_part_gives_the_winner_of_the_whole_row_under_the_mask_or_none(
        logits in logits(),
        p in params(),
        top in prop_oneof![1usize..30, 1usize..700],
        named in prop_oneof![Just(0usize), 1usize..40],
        allowed in prop_oneof![prop::collection::vec(0u32..700, 1..12), prop::collection::vec(0u32..700, 100..900)],
        history in prop::collection::vec(0u32..60, 0..50),
        seed in 0u64..1000,
    ) {
        let (row, chain) = (log_softmax(&logits), chain(p));
        let keys = numbered(row.len() as u32);
        let position = position(seed, 0, 0, 0);
        let mask = TokenMask::allowing(row.len(), allowed.iter().map(|id| id % row.len() as u32));
        let leaders: Vec<TokenId> = keys.greatest(position, named).into_iter().map(|leader| leader.0).collect();
        let asked = if mask.count() <= named { mask.ids().collect() } else { leaders };
        let part = part(&row, top, &asked);
        let input = ChainInput { logits: &row, history: &history, mask: Some(&mask) };
        let expected = chain.winner(input, &mut Scratch::default(), &keys, position).expect("finite logits").id;
        let Some(masked) = part.masked(&mask) else {
            prop_assert!(!part.is_whole() && mask.count() > named);
            return Ok(());
        };
        match chain.certain_winner(&masked, &history, &keys, position) {
            Ok(winner) => prop_assert_eq!(winner, expected, "of {} tokens", row.len()),
            Err(doubt) => {
                prop_assert_eq!(doubt, Uncertain::Unlisted);
                prop_assert!(!part.is_whole() && mask.count() > named, "all that is allowed is listed");
            }
        }
    }
}

#[test]
fn tokens_that_a_mask_forbids_leave_no_doubt() {
    let (chain, keys) = (chain(SamplingParams::default()), numbered(4000));
    let logits: Vec<f32> = (0..4000).map(|rank| -1.3 * ((rank + 1) as f32).ln()).collect();
    let certain = |mask: &TokenMask| {
        let is_certain = |seed: &u64| {
            let position = position(*seed, 0, 0, 0);
            let part = part(&log_softmax(&logits), 256, &[]);
            part.masked(mask).is_some_and(|part| chain.certain_winner(&part, &[], &keys, position).is_ok())
        };
        (0..400).filter(is_certain).count()
    };
    // The listed tokens, and of the others all, three of four, or one of ten: few and many are looked at in other ways.
    let others = |kept: fn(u32) -> bool| TokenMask::allowing(4000, (0..4000).filter(|&id| id < 256 || kept(id)));
    let masks = [others(|_| true), others(|id| id % 4 > 0), others(|id| id % 10 == 0)];
    let [all, many, few] = masks.each_ref().map(certain);
    assert!(all < many && many < few, "{all} {many} {few}");
}

/// Returns the share of 400 rows of a peaked distribution over 4,000 tokens whose winner a part gives.
fn certain_share(params: &SamplingParams, top: usize, named: usize) -> f64 {
    let (chain, keys) = (chain(params.clone()), numbered(4000));
    let certain = (0..400u64).filter(|&seed| {
        // Zipf's law, each rank at another token.
        let mut logits = vec![0.0_f32; 4000];
        (0..4000usize).for_each(|rank| logits[(rank * 1237 + seed as usize) % 4000] = -1.3 * ((rank + 1) as f32).ln());
        let position = position(seed, 0, 0, 0);
        let leaders: Vec<TokenId> = keys.greatest(position, named).into_iter().map(|leader| leader.0).collect();
        let part = part(&log_softmax(&logits), top, &leaders);
        chain.certain_winner(&part, &[], &keys, position).is_ok()
    });
    certain.count() as f64 / 400.0
}

#[test]
fn most_rows_are_settled_by_the_first_hundreds_and_more_by_those_with_the_greatest_noise() {
    let warm = SamplingParams::default();
    let (few, many, named) =
        (certain_share(&warm, 20, 0), certain_share(&warm, 400, 0), certain_share(&warm, 400, 128));
    assert!(few < many && many < named && named > 0.9, "{few} {many} {named}");
}

#[test]
fn a_cut_within_the_list_settles_every_row() {
    let top_k = SamplingParams { temperature: 0.7, top_k: 40, ..SamplingParams::default() };
    assert_eq!(certain_share(&top_k, 41, 0), 1.0);
    let greedy = SamplingParams::greedy();
    assert_eq!(certain_share(&greedy, 2, 0), 1.0);
    let min_p = SamplingParams { min_p: 0.1, ..SamplingParams::default() };
    assert_eq!(certain_share(&min_p, 20, 0), 1.0);
    // The mass that is not listed decides by how much the place of the cut is unknown.
    let top_p = SamplingParams { top_p: 0.8, ..SamplingParams::default() };
    assert!(certain_share(&top_p, 2000, 0) > 0.95);
}

#[test]
fn a_repeat_penalty_is_refused() {
    let chain = chain(SamplingParams { penalty_repeat: 1.1, ..SamplingParams::default() });
    let row = part(&log_softmax(&[1.0, 0.0]), 2, &[]);
    let drawn = chain.certain_winner(&row, &[], &numbered(2), position(0, 0, 0, 0));
    assert_eq!(drawn, Err(Uncertain::RepeatPenalty));
}

#[test]
fn what_is_no_part_of_a_row_is_refused() {
    let row = |listed: &[(TokenId, f32)], bound| PartialRow::new(listed.iter().copied(), bound, |id| id != 9);
    assert_eq!(row(&[], -1.0), Err(PartialRowError::Empty));
    assert_eq!(row(&[(9, -0.1)], -1.0), Err(PartialRowError::Empty), "a row without a token");
    assert_eq!(row(&[(1, -1.0), (1, -2.0)], -3.0), Err(PartialRowError::Twice { id: 1 }));
    assert_eq!(row(&[(1, 0.5)], -3.0), Err(PartialRowError::NoLogarithm { id: 1, value: 0.5 }));
    assert!(matches!(row(&[(1, f32::NAN)], -3.0), Err(PartialRowError::NoLogarithm { id: 1, .. })));
    assert!(matches!(row(&[(1, -0.1), (2, -0.2)], -3.0), Err(PartialRowError::AboveOne { .. })));
    let holes = row(&[(3, -2.0), (9, -1.0), (1, f32::NEG_INFINITY)], -3.0).expect("a row");
    assert_eq!(holes.listed(), [(3, -2.0)]);
}
