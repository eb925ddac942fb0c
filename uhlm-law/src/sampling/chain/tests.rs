mod winner;

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::sampling::LogitBias;

/// Runs the chain as its definition reads, with a full sort and double precision; the fast one must agree with it.
fn plain(p: &SamplingParams, input: ChainInput<'_>) -> Result<Vec<(TokenId, f64)>, SamplingError> {
    let mut candidates: Vec<(TokenId, f32)> = (0..)
        .zip(input.logits.iter().copied())
        .filter(|&(id, _)| input.mask.is_none_or(|mask| mask.allows(id)))
        .collect();
    if candidates.is_empty() {
        return Err(SamplingError::EmptyMask);
    }
    if candidates.iter().any(|c| c.1.is_nan() || c.1 == f32::INFINITY) {
        return Err(SamplingError::NonFiniteLogits);
    }
    for (id, z) in &mut candidates {
        *z += p.logit_bias.iter().find(|token| token.id == *id).map_or(0.0, |token| token.bias);
    }
    if p.has_penalties() {
        let recent = &input.history[input.history.len().saturating_sub(p.penalty_last_n as usize)..];
        for (id, z) in &mut candidates {
            let n = recent.iter().filter(|&&other| other == *id).count();
            if n > 0 {
                *z = if *z <= 0.0 { *z * p.penalty_repeat } else { *z / p.penalty_repeat };
                *z -= n as f32 * p.penalty_frequency + p.penalty_presence;
            }
        }
    }
    candidates.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0)));
    let max = candidates[0].1;
    if max == f32::NEG_INFINITY {
        return Err(SamplingError::NonFiniteLogits);
    }
    if p.is_greedy() {
        return Ok(vec![(candidates[0].0, 1.0)]);
    }
    if p.top_n_sigma > 0.0 {
        // In the order of ids, in which the fast one adds up.
        let mut by_id = vec![f32::NEG_INFINITY; input.logits.len()];
        candidates.iter().for_each(|&(id, z)| by_id[id as usize] = z);
        let bound = deviation::bound(&by_id, max, p.top_n_sigma);
        candidates.retain(|c| c.1 >= bound);
    }
    if p.top_k > 0 {
        candidates.truncate(p.top_k as usize);
    }
    if p.top_p < 1.0 {
        let sum: f64 = candidates.iter().map(|c| f64::from(c.1 - max).exp()).sum();
        let mut cumulative = 0.0;
        let last = candidates.iter().position(|c| {
            cumulative += f64::from(c.1 - max).exp();
            cumulative >= f64::from(p.top_p) * sum
        });
        candidates.truncate(last.map_or(candidates.len(), |i| i + 1));
    }
    if p.min_p > 0.0 {
        candidates.retain(|c| c.1 >= max + depth(p.min_p));
    }
    let weight = |z: f32| (f64::from(z - max) / f64::from(p.temperature)).exp();
    let sum: f64 = candidates.iter().map(|c| weight(c.1)).sum();
    candidates.sort_by_key(|c| c.0);
    Ok(candidates.iter().map(|&(id, z)| (id, weight(z) / sum)).collect())
}

fn params() -> impl Strategy<Value = SamplingParams> {
    (
        prop_oneof![Just(0.0f32), Just(1.0), 0.05f32..3.0],
        prop_oneof![Just(0u32), 1u32..20, 1u32..2000],
        prop_oneof![Just(1.0f32), 0.01f32..1.0],
        prop_oneof![Just(0.0f32), Just(1.0), 0.001f32..0.5],
        prop_oneof![Just((0u32, 1.0f32, 0.0f32, 0.0f32)), (1u32..40, 0.5f32..2.0, -1.0f32..1.0, -1.0f32..1.0)],
        (prop_oneof![2 => Just(0.0f32), 1 => 0.1f32..4.0], biases()),
    )
        .prop_map(|(temperature, top_k, top_p, min_p, penalties, (top_n_sigma, logit_bias))| SamplingParams {
            temperature,
            top_k,
            top_p,
            min_p,
            penalty_last_n: penalties.0,
            penalty_repeat: penalties.1,
            penalty_frequency: penalties.2,
            penalty_presence: penalties.3,
            top_n_sigma,
            logit_bias,
        })
}

/// Returns lists of a few tokens, none of them twice, some beyond the vocabulary.
fn biases() -> impl Strategy<Value = Vec<LogitBias>> {
    let some = prop::collection::btree_map(0u32..70, -5.0f32..5.0, 1..6);
    prop_oneof![
        2 => Just(Vec::new()),
        1 => some.prop_map(|some| some.into_iter().map(|(id, bias)| LogitBias { id, bias }).collect()),
    ]
}

/// Returns rows of all sizes around the block length: smooth ones, ones full of ties, ones with `-inf`.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        8 => -12.0f32..12.0,
        4 => (-4i8..4).prop_map(f32::from),
        1 => Just(f32::NEG_INFINITY),
    ];
    prop_oneof![
        prop::collection::vec(value.clone(), 1..40),
        prop::collection::vec(value, 40..1500),
        prop::collection::vec((-3i8..3).prop_map(f32::from), 1..600),
        // Flat rows, where top-p keeps most tokens.
        prop::collection::vec(-40.0f32..0.0, 500..1500),
        prop::collection::vec(-1.0f32..1.0, 500..1500),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_fast_chain_agrees_with_its_definition(
        logits in logits(),
        p in params(),
        history in prop::collection::vec(0u32..60, 0..50),
        mask in prop_oneof![3 => Just(None), 1 => prop::collection::vec(0u32..1500, 0..300).prop_map(Some)],
    ) {
        let mask = mask.map(|ids| TokenMask::allowing(logits.len(), ids));
        let input = ChainInput { logits: &logits, history: &history, mask: mask.as_ref() };
        let mut scratch = Scratch::default();
        let chain = SamplingChain::new(p.clone()).expect("parameters in range");
        let fast = chain.distribution(input, &mut scratch);
        // The buffers' content does not matter.
        prop_assert_eq!(&fast, &chain.distribution(input, &mut scratch));
        match (fast, plain(&p, input)) {
            (Err(fast), Err(plain)) => prop_assert_eq!(fast, plain),
            (Ok(fast), Ok(plain)) => {
                // Weights below 2^-126 of the greatest are dropped.
                let support: Vec<TokenId> = plain.iter().filter(|e| e.1 > 1e-36).map(|e| e.0).collect();
                let found: Vec<TokenId> = fast.iter().filter(|e| e.1 > 1e-36).map(|e| e.0).collect();
                prop_assert_eq!(found, support);
                for (id, p) in plain {
                    prop_assert!((f64::from(fast.prob(id)) - p).abs() < 1e-6, "{}: {} for {}", id, fast.prob(id), p);
                }
                let sum: f64 = fast.iter().map(|e| f64::from(e.1)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-6, "sum {}", sum);
            }
            (fast, plain) => prop_assert!(false, "{:?} for {:?}", fast, plain),
        }
    }

    #[test]
    fn a_quantile_is_the_first_token_whose_cumulative_probability_exceeds_it(
        weights in prop::collection::vec(prop_oneof![Just(0.0f32), 0.0f32..1.0], 1..5000),
        u in 0.0f64..1.0,
    ) {
        prop_assume!(weights.iter().any(|&w| w > 0.0));
        let ids = (0..weights.len() as u32).collect();
        for p in [Distribution::dense(weights.clone()), Distribution::sparse(ids, weights)] {
            let total: f64 = p.iter().map(|e| f64::from(e.1)).sum();
            let id = p.quantile(u);
            let before: f64 = p.iter().take_while(|e| e.0 < id).map(|e| f64::from(e.1)).sum();
            prop_assert!(p.prob(id) > 0.0);
            prop_assert!(before <= u * total + 1e-12 && u * total < before + f64::from(p.prob(id)) + 1e-12);
        }
    }
}

fn run(p: SamplingParams, logits: &[f32]) -> Vec<(TokenId, f32)> {
    let chain = SamplingChain::new(p).expect("parameters in range");
    let input = ChainInput { logits, history: &[], mask: None };
    chain.distribution(input, &mut Scratch::default()).expect("finite logits").iter().collect()
}

/// Returns logits of the probabilities 0.1, 0.2, 0.3, 0.4, the example that llama.cpp's own sampler tests use.
fn tenths() -> Vec<f32> {
    [0.1f32, 0.2, 0.3, 0.4].map(f32::ln).to_vec()
}

fn close(found: &[(TokenId, f32)], expected: &[(TokenId, f32)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (f, e) in found.iter().zip(expected) {
        assert!(f.0 == e.0 && (f.1 - e.1).abs() < 1e-6, "{found:?} for {expected:?}");
    }
}

#[test]
fn each_filter_does_what_llama_cpp_s_does_worked_out_by_hand() {
    let off = SamplingParams::default;
    let z = tenths();
    close(&run(SamplingParams { top_k: 1, ..off() }, &z), &[(3, 1.0)]);
    close(&run(SamplingParams { top_k: 3, ..off() }, &z), &[(1, 2.0 / 9.0), (2, 3.0 / 9.0), (3, 4.0 / 9.0)]);
    close(&run(SamplingParams { top_p: 0.01, ..off() }, &z), &[(3, 1.0)]);
    close(&run(SamplingParams { top_p: 0.69, ..off() }, &z), &[(2, 3.0 / 7.0), (3, 4.0 / 7.0)]);
    close(&run(SamplingParams { top_p: 0.8, ..off() }, &z), &[(1, 2.0 / 9.0), (2, 3.0 / 9.0), (3, 4.0 / 9.0)]);
    // min-p is relative to the greatest: 0.74 x 0.4 = 0.296 and 0.26 x 0.4 = 0.104.
    close(&run(SamplingParams { min_p: 0.74, ..off() }, &z), &[(2, 3.0 / 7.0), (3, 4.0 / 7.0)]);
    close(&run(SamplingParams { min_p: 0.26, ..off() }, &z), &[(1, 2.0 / 9.0), (2, 3.0 / 9.0), (3, 4.0 / 9.0)]);
    // Temperature 1/2 squares: 1, 4, 9, 16 of 30.
    let squares = [(0, 1.0 / 30.0), (1, 4.0 / 30.0), (2, 9.0 / 30.0), (3, 16.0 / 30.0)];
    close(&run(SamplingParams { temperature: 0.5, ..off() }, &z), &squares);
}

#[test]
fn the_order_is_top_k_top_p_min_p_temperature() {
    let off = SamplingParams::default;
    let z = tenths();
    // After top-k 2 the greatest has 4/7 = 0.571 of the rest: top-p 0.55 keeps it alone. Of all it has 0.4 only, which
    // would keep two.
    close(&run(SamplingParams { top_k: 2, top_p: 0.55, ..off() }, &z), &[(3, 1.0)]);
    // Temperature comes last: at temperature 1/2 the greatest alone would have 0.533 already, yet two are kept.
    let kept = run(SamplingParams { top_p: 0.5, temperature: 0.5, ..off() }, &z);
    close(&kept, &[(2, 9.0 / 25.0), (3, 16.0 / 25.0)]);
}

#[test]
fn equals_at_a_cut_are_kept_from_the_lowest_id_on() {
    let off = SamplingParams::default;
    close(&run(SamplingParams { top_k: 2, ..off() }, &[1.0, 2.0, 1.0, 1.0]).map_ids(), &[(0, 0.0), (1, 0.0)]);
    close(&run(SamplingParams { top_p: 0.5, ..off() }, &[3.0; 8]), &[(0, 0.25), (1, 0.25), (2, 0.25), (3, 0.25)]);
    close(&run(SamplingParams::greedy(), &[1.0, 7.0, 7.0]), &[(1, 1.0)]);
    let long = vec![0.5; 3000];
    let kept = run(SamplingParams { top_k: 100, ..off() }, &long);
    assert_eq!(kept.iter().map(|e| e.0).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

/// Keeps the ids only.
trait MapIds {
    fn map_ids(self) -> Vec<(TokenId, f32)>;
}

impl MapIds for Vec<(TokenId, f32)> {
    fn map_ids(self) -> Vec<(TokenId, f32)> {
        self.into_iter().map(|(id, _)| (id, 0.0)).collect()
    }
}

#[test]
fn penalties_are_llama_cpp_s_worked_out_by_hand() {
    // Token 0 occurs twice, token 1 once: 2/1.25 - 2 x 0.5 - 0.25 = 0.35 and -1 x 1.25 - 0.5 - 0.25 = -2.
    let p = SamplingParams {
        penalty_repeat: 1.25,
        penalty_frequency: 0.5,
        penalty_presence: 0.25,
        penalty_last_n: 3,
        ..SamplingParams::default()
    };
    let chain = SamplingChain::new(p).expect("parameters in range");
    let input = ChainInput { logits: &[2.0, -1.0, 0.0], history: &[2, 2, 0, 1, 0], mask: None };
    let found: Vec<_> = chain.distribution(input, &mut Scratch::default()).expect("finite logits").iter().collect();
    let sum = 0.35f32.exp() + (-2.0f32).exp() + 1.0;
    close(&found, &[(0, 0.35f32.exp() / sum), (1, (-2.0f32).exp() / sum), (2, 1.0 / sum)]);
}

#[test]
fn damaged_rows_no_rows_and_empty_masks_are_refused() {
    let chain = SamplingChain::new(SamplingParams::default()).expect("parameters in range");
    let mask = TokenMask::allowing(3, [7]);
    let result = |logits: &[f32], mask| {
        chain.distribution(ChainInput { logits, history: &[], mask }, &mut Scratch::default()).map(|_| ())
    };
    for bad in [f32::NAN, f32::INFINITY] {
        for (n, place) in [(3, 1), (100, 70), (100, 99)] {
            let mut logits = vec![0.0; n];
            logits[place] = bad;
            assert_eq!(result(&logits, None), Err(SamplingError::NonFiniteLogits));
        }
    }
    assert_eq!(result(&[f32::NEG_INFINITY; 3], None), Err(SamplingError::NonFiniteLogits));
    assert_eq!(result(&[0.0; 3], Some(&mask)), Err(SamplingError::EmptyMask));
    assert_eq!(result(&[], None), Err(SamplingError::EmptyLogits));
    assert_eq!(result(&[], Some(&mask)), Err(SamplingError::EmptyLogits));
}
