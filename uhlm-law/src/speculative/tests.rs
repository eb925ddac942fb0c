use proptest::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::*;
use crate::rng::{Rng, Stream};

const VOCABULARY: usize = 12;

/// A rule under test: whether a level is accepted, and how a rejected token is replaced. The broken ones show that the
/// harness sees what it is there to see.
#[derive(Clone, Copy)]
struct Rule {
    accepts: fn(f32, f32) -> bool,
    replace: fn(&Distribution, &Distribution, &mut Rng, &mut Rng) -> TokenId,
}

/// What the library does, with the replacement that the verdict brings for this `p`; more draws when they run out.
const RIGHT: Rule = Rule {
    accepts,
    replace: |p, q, device, verifier| {
        let mut replacement = super::replacement(p, verifier);
        loop {
            match resample(&replacement, q, device) {
                Resampled::Token(id) => return id,
                Resampled::Exhausted => replacement = Replacement::Draws(draws(p, DRAWS_PER_REJECTION, verifier)),
            }
        }
    },
};

/// As [`RIGHT`], always with draws, one at a time: most verdicts are exhausted first.
const ONE_DRAW: Rule = Rule {
    accepts,
    replace: |p, q, device, verifier| {
        loop {
            if let Resampled::Token(id) = resample_from_draws(&draws(p, 1, verifier), q, device) {
                return id;
            }
        }
    },
};

/// As [`RIGHT`], always with the whole support.
const SUPPORT: Rule = Rule {
    accepts,
    replace: |p, q, device, _| match resample(&Replacement::Support(p.iter().collect()), q, device) {
        Resampled::Token(id) => id,
        Resampled::Exhausted => TokenId::MAX,
    },
};

/// One token by the rule: drafted from `q`, judged with `p`, replaced if rejected.
fn token(rule: Rule, q: &Distribution, p: &Distribution, device: &mut Rng, verifier: &mut Rng) -> (TokenId, bool) {
    let d = q.quantile(device.uniform());
    let w = acceptance_level(device.uniform_positive(), q.prob(d));
    if (rule.accepts)(w, p.prob(d)) { (d, true) } else { ((rule.replace)(p, q, device, verifier), false) }
}

fn streams(seed: u64) -> (Rng, Rng) {
    (Rng::new(seed, Stream::Acceptance), Rng::new(seed, Stream::Verdict))
}

/// The p-value of counts against a distribution (chi-square); cells that expect less than five are put together. A token
/// outside the support gives 0.
fn p_value(counts: &[u64], p: &Distribution) -> f64 {
    let n = counts.iter().sum::<u64>() as f64;
    let (mut statistic, mut cells) = (0.0, 0);
    let (mut rest, mut rest_expected) = (0.0, 0.0);
    for (id, &count) in counts.iter().enumerate() {
        let expected = n * f64::from(p.prob(id as TokenId));
        if expected == 0.0 && count > 0 {
            return 0.0;
        }
        if expected < 5.0 {
            rest += count as f64;
            rest_expected += expected;
        } else {
            statistic += (count as f64 - expected).powi(2) / expected;
            cells += 1;
        }
    }
    if rest_expected > 0.0 {
        statistic += (rest - rest_expected).powi(2) / rest_expected.max(1.0);
        cells += 1;
    }
    let freedom = f64::from(cells - 1).max(1.0);
    1.0 - ChiSquared::new(freedom).expect("positive").cdf(statistic)
}

fn p_value_of_rule(rule: Rule, q: &Distribution, p: &Distribution, n: usize, seed: u64) -> f64 {
    let (mut device, mut verifier) = streams(seed);
    let mut counts = vec![0u64; VOCABULARY];
    for _ in 0..n {
        counts[token(rule, q, p, &mut device, &mut verifier).0 as usize] += 1;
    }
    p_value(&counts, p)
}

fn distribution(support: usize) -> impl Strategy<Value = Distribution> {
    prop::collection::vec(prop_oneof![1 => Just(0.0f64), 3 => 0.01f64..1.0, 1 => 1.0f64..20.0], support)
        .prop_filter_map("no mass", |w| Distribution::from_weights((0..).zip(w)))
}

fn fixed_pair() -> (Distribution, Distribution) {
    let of = |w: [f64; VOCABULARY]| Distribution::from_weights((0..).zip(w)).expect("positive weights");
    (
        of([30.0, 20.0, 10.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 1.0]),
        of([5.0, 25.0, 4.0, 20.0, 8.0, 10.0, 1.0, 9.0, 3.0, 8.0, 0.0, 7.0]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// 64 pairs x 3 forms x 20,000 tokens; each chi-square test at 1e-7, so a false alarm in 50,000 runs.
    #[test]
    fn the_output_is_distributed_as_the_target_alone(
        q in distribution(VOCABULARY),
        p in prop_oneof![distribution(VOCABULARY), distribution(5)],
        seed in any::<u64>(),
    ) {
        for rule in [RIGHT, ONE_DRAW, SUPPORT] {
            let value = p_value_of_rule(rule, &q, &p, 20_000, seed);
            prop_assert!(value > 1e-7, "p-value {}", value);
        }
    }

    /// The level decides as the exact product would, `p` being any `f32`, ties included.
    #[test]
    fn rounding_a_level_never_changes_a_decision(
        u in prop_oneof![Just(1.0f64), Just(0.5), 1e-16f64..1.0],
        q in prop_oneof![Just(1.0f32), 1e-30f32..1.0],
        p in 0.0f32..1.0,
    ) {
        let exact = u * f64::from(q);
        let near = exact as f32;
        for p in [p, near, near.next_up(), near.next_down().max(0.0), q] {
            prop_assert_eq!(accepts(acceptance_level(u, q), p), exact <= f64::from(p), "{} {} {}", u, q, p);
        }
        prop_assert!(acceptance_level(u, q) > CONTEXT_LEVEL);
    }

    /// A window of any length and levels: rows in order, none after the first rejection, one more for a bonus only.
    #[test]
    fn judging_asks_for_the_rows_it_needs_and_reports_their_probabilities(
        rows in prop::collection::vec(distribution(VOCABULARY), 9),
        window in prop::collection::vec((0u32..VOCABULARY as u32, prop_oneof![Just(0.0f32), 0.0f32..0.6]), 0..8),
        bonus in any::<bool>(),
    ) {
        let (draft, levels): (Vec<TokenId>, Vec<f32>) = window.into_iter().unzip();
        let mut asked = Vec::new();
        let judgement = judge(
            &draft,
            &levels,
            bonus,
            |i| {
                asked.push(i);
                Ok::<_, std::convert::Infallible>(rows[i].clone())
            },
            &mut Rng::new(1, Stream::Verdict),
        );
        let Ok(judgement) = judgement;
        let first = (0..draft.len()).find(|&i| levels[i] > rows[i].prob(draft[i]));
        let seen = first.map_or(draft.len(), |i| i + 1);
        prop_assert_eq!(judgement.accepted, first.unwrap_or(draft.len()));
        let probs: Vec<f32> = (0..seen).map(|i| rows[i].prob(draft[i])).collect();
        prop_assert_eq!(judgement.probs, probs);
        let expected_rows = seen + usize::from(first.is_none() && bonus);
        prop_assert_eq!(asked, (0..expected_rows).collect::<Vec<_>>());
        match judgement.outcome {
            Outcome::Accepted { bonus: token } => {
                prop_assert!(first.is_none() && token.is_some() == bonus);
                prop_assert!(token.is_none_or(|id| rows[draft.len()].prob(id) > 0.0));
            }
            Outcome::Rejected { replacement: Replacement::Support(entries) } => {
                let p = &rows[seen - 1];
                prop_assert!(entries.len() <= FULL_SUPPORT_MAX);
                prop_assert_eq!(entries, p.iter().collect::<Vec<_>>());
            }
            Outcome::Rejected { replacement: Replacement::Draws(draws) } => {
                let p = &rows[seen - 1];
                prop_assert_eq!(draws.len(), DRAWS_PER_REJECTION);
                prop_assert!(draws.iter().all(|&(id, value)| value > 0.0 && value == p.prob(id)));
            }
            Outcome::Void => prop_assert!(false, "judging never voids"),
        }
    }
}

#[test]
fn a_token_is_accepted_with_probability_min_1_p_over_q() {
    // 200,000 tokens; for each drafted id the share accepted lies within six standard errors: a false alarm in 4e7.
    let (q, p) = fixed_pair();
    let (mut device, _) = streams(3);
    let (mut drafted, mut accepted) = ([0u32; VOCABULARY], [0u32; VOCABULARY]);
    for _ in 0..200_000 {
        let d = q.quantile(device.uniform());
        let w = acceptance_level(device.uniform_positive(), q.prob(d));
        drafted[d as usize] += 1;
        accepted[d as usize] += u32::from(accepts(w, p.prob(d)));
    }
    for id in 0..VOCABULARY {
        let expected = f64::from(p.prob(id as u32) / q.prob(id as u32)).min(1.0);
        let n = f64::from(drafted[id]);
        let error = (expected * (1.0 - expected) / n).sqrt();
        let share = f64::from(accepted[id]) / n;
        assert!((share - expected).abs() <= 6.0 * error, "{id}: {share} for {expected}");
        assert!(
            (f64::from(rejection_probability(q.prob(id as u32), p.prob(id as u32))) - (1.0 - expected)).abs() < 1e-6
        );
    }
}

#[test]
fn tokens_after_a_rejection_follow_the_residual_distribution() {
    // 100,000 tokens, about 35,000 rejections, three forms; a false alarm in 3e6.
    let (q, p) = fixed_pair();
    let residual = p.residual(&q).expect("the pair differs");
    for rule in [RIGHT, ONE_DRAW, SUPPORT] {
        let (mut device, mut verifier) = streams(8);
        let mut counts = vec![0u64; VOCABULARY];
        for _ in 0..100_000 {
            if let (id, false) = token(rule, &q, &p, &mut device, &mut verifier) {
                counts[id as usize] += 1;
            }
        }
        assert!(counts.iter().sum::<u64>() > 30_000);
        assert!(p_value(&counts, &residual) > 1e-7);
    }
}

/// The tokens that a window of four leaves behind, at each place with its own `q` and `p` that depend on the token
/// before, against the target's own chain.
#[test]
fn whole_windows_with_their_bonus_are_distributed_as_the_target_s_chain() {
    // 60,000 windows; the joint law of the first three tokens over 4^3 sequences at 1e-7.
    let law = |seed: f64, context: &[TokenId]| {
        let last = context.last().map_or(0.5, |&id| f64::from(id));
        let weights = (0..4).map(|id| (id, ((f64::from(id) * 1.7 + last * 2.3 + seed).sin() * 1.5).exp()));
        Distribution::from_weights(weights).expect("positive weights")
    };
    let (q, p) = (|c: &[TokenId]| law(0.3, c), |c: &[TokenId]| law(1.1, c));
    let (mut device, mut verifier) = streams(21);
    let mut counts = vec![0u64; 64];
    for _ in 0..60_000 {
        let mut text: Vec<TokenId> = Vec::new();
        while text.len() < 3 {
            let start = text.len();
            let mut draft = text.clone();
            let mut levels = Vec::new();
            for _ in 0..2 {
                let row = q(&draft);
                let d = row.quantile(device.uniform());
                levels.push(acceptance_level(device.uniform_positive(), row.prob(d)));
                draft.push(d);
            }
            let window = &draft[start..];
            let Ok(judgement) = judge(
                window,
                &levels,
                true,
                |i| Ok::<_, std::convert::Infallible>(p(&draft[..start + i])),
                &mut verifier,
            );
            text.extend_from_slice(&window[..judgement.accepted]);
            match judgement.outcome {
                Outcome::Accepted { bonus } => text.extend(bonus),
                Outcome::Rejected { replacement } => match resample(&replacement, &q(&text), &mut device) {
                    Resampled::Token(id) => text.push(id),
                    Resampled::Exhausted => unreachable!("a support of four is sent whole"),
                },
                Outcome::Void => unreachable!("judging never voids"),
            }
        }
        counts[(text[0] * 16 + text[1] * 4 + text[2]) as usize] += 1;
    }
    let joint = Distribution::from_weights((0..64u32).map(|i| {
        let text = [i / 16, i / 4 % 4, i % 4];
        let probability = (0..3).map(|n| f64::from(p(&text[..n]).prob(text[n]))).product();
        (i, probability)
    }));
    assert!(p_value(&counts, &joint.expect("positive probabilities")) > 1e-7);
}

#[test]
fn the_harness_catches_broken_rules() {
    // 100,000 tokens each, five times what the property test has for a pair; the right rule passes on the same seeds.
    let (q, p) = fixed_pair();
    let broken: [(&str, Rule); 5] = [
        ("accepts a tenth too rarely", Rule { accepts: |w, p| w < 0.9 * p, ..RIGHT }),
        ("accepts a tenth too often", Rule { accepts: |w, p| w < 1.1 * p, ..RIGHT }),
        ("replaces from p", Rule { replace: |p, _, device, _| p.quantile(device.uniform()), ..RIGHT }),
        (
            "replaces with the mode of the residual",
            Rule { replace: |p, q, _, _| p.residual(q).map_or(0, |r| r.mode().0), ..RIGHT },
        ),
        (
            "guesses where draws run out",
            Rule {
                replace: |p, q, device, verifier| {
                    let draws = draws(p, 2, verifier);
                    match resample_from_draws(&draws, q, device) {
                        Resampled::Token(id) => id,
                        Resampled::Exhausted => draws[1].0,
                    }
                },
                ..RIGHT
            },
        ),
    ];
    for seed in 0..5 {
        assert!(p_value_of_rule(RIGHT, &q, &p, 100_000, seed) > 1e-7);
        for (name, rule) in broken {
            let value = p_value_of_rule(rule, &q, &p, 100_000, seed);
            assert!(value < 1e-7, "a rule that {name} passes with {value}");
        }
    }
}

#[test]
fn context_is_accepted_even_where_the_target_excludes_it() {
    assert!(accepts(CONTEXT_LEVEL, 0.0));
    assert!(!accepts(acceptance_level(1e-16, 1e-30), 0.0));
}

#[test]
fn equal_distributions_never_reject_and_leave_no_residual() {
    let (q, _) = fixed_pair();
    assert_eq!(q.residual(&q), None);
    assert!(q.total_variation(&q) == 0.0);
    let (mut device, mut verifier) = streams(4);
    assert!((0..10_000).all(|_| token(RIGHT, &q, &q, &mut device, &mut verifier).1));
}

#[test]
fn a_coupled_draw_has_its_distribution_s_law_whatever_the_key() {
    // 200,000 keys in a row; the largest standard error of a share is 0.0011, six of them are a false alarm below 1e-8.
    let p = Distribution::from_weights([(3, 0.5), (700, 0.3), (31_999, 0.15), (5, 0.05)]).expect("positive weights");
    let mut counts = std::collections::HashMap::new();
    for key in 0..200_000u64 {
        *counts.entry(coupled_draw(&p, key)).or_insert(0u32) += 1;
    }
    for (id, p) in p.iter() {
        let share = f64::from(counts[&id]) / 200_000.0;
        assert!((share - f64::from(p)).abs() < 0.0066, "{id}: {share}");
    }
}

#[test]
fn two_coupled_draws_agree_at_least_as_often_as_the_theorem_says() {
    // 50,000 keys: the standard error is at most 0.0022.
    let p = Distribution::from_weights((0..50).map(|i| (i, 1.0 / f64::from(i + 1)))).expect("positive weights");
    let q = Distribution::from_weights((0..50).map(|i| (i, 1.0 / f64::from(i % 7 + i + 1)))).expect("positive weights");
    let mut rng = Rng::new(4, Stream::Simulation);
    let keys: Vec<u64> = (0..50_000).map(|_| rng.next_u64()).collect();
    let alike = keys.iter().filter(|&&key| coupled_draw(&p, key) == coupled_draw(&q, key)).count() as f64 / 50_000.0;
    let distance = p.total_variation(&q);
    assert!(distance > 0.09 && alike > (1.0 - distance) / (1.0 + distance) - 0.011, "{alike} at distance {distance}");
    let independent: f64 = p.iter().map(|(id, p)| f64::from(p) * f64::from(q.prob(id))).sum();
    assert!(alike > 5.0 * independent, "{alike}, {independent} by independent draws");
}
