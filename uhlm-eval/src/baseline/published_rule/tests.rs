use proptest::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use uhlm_law::calibration::rejection_probability;
use uhlm_law::rng::{Rng, Stream};
use uhlm_law::sampling::{Distribution, TokenId};

use super::*;

const VOCABULARY: usize = 12;

/// A rule under test: whether a level is accepted, and what replaces a rejected token. The broken ones show that the
/// harness sees what it is there to see.
#[derive(Clone, Copy)]
struct Rule {
    accepts: fn(f32, f32) -> bool,
    replacement: fn(&Distribution, &Distribution) -> Option<Distribution>,
}

const RIGHT: Rule = Rule { accepts, replacement: |p, q| p.residual(q) };

/// Makes one token by the rule: drafted from `q`, judged with `p`, replaced if rejected; returns also whether it was
/// accepted.
fn token(rule: Rule, q: &Distribution, p: &Distribution, rng: &mut Rng) -> (TokenId, bool) {
    let d = q.quantile(rng.uniform());
    let w = acceptance_level(rng.uniform_positive(), q.prob(d));
    if (rule.accepts)(w, p.prob(d)) {
        return (d, true);
    }
    // Where rounding leaves no residual, `p` itself.
    let replacement = (rule.replacement)(p, q).unwrap_or_else(|| p.clone());
    (replacement.quantile(rng.uniform()), false)
}

/// Returns the p-value of counts against a distribution (chi-square); cells that expect less than five are put
/// together. A token outside the support gives 0.
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
    let mut rng = Rng::new(seed, Stream::Acceptance);
    let mut counts = vec![0u64; VOCABULARY];
    for _ in 0..n {
        counts[token(rule, q, p, &mut rng).0 as usize] += 1;
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

    /// 64 pairs of 20,000 tokens; each chi-square test at 1e-7, so a false alarm in 150,000 runs.
    #[test]
    fn the_output_is_distributed_as_the_target_alone(
        q in distribution(VOCABULARY),
        p in prop_oneof![distribution(VOCABULARY), distribution(5)],
        seed in 0u64..1000,
    ) {
        prop_assert!(p_value_of_rule(RIGHT, &q, &p, 20_000, seed) > 1e-7);
    }

    #[test]
    fn a_level_is_never_below_the_product_and_less_than_one_step_above(u in 1e-9f64..=1.0, q in 1e-7f32..=1.0) {
        let w = acceptance_level(u, q);
        let exact = u * f64::from(q);
        prop_assert!(f64::from(w) >= exact && f64::from(w.next_down()) < exact);
    }
}

#[test]
fn a_token_is_accepted_with_probability_min_1_p_over_q() {
    // 200,000 tokens; for each drafted id the share accepted lies within six standard errors: a false alarm in 4e7.
    let (q, p) = fixed_pair();
    let mut device = Rng::new(3, Stream::Acceptance);
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
fn the_harness_catches_broken_rules() {
    // The right rule passes at 1e-7; each broken one must fail at 1e-12, which 50,000 tokens of this pair show with
    // certainty.
    let (q, p) = fixed_pair();
    let broken = [
        // Accepts whatever the target finds possible.
        Rule { accepts: |_, p| p > 0.0, ..RIGHT },
        // Accepts half as often as it should.
        Rule { accepts: |w, p| w <= p / 2.0, ..RIGHT },
        // Replaces from the target's distribution instead of the residual.
        Rule { replacement: |p, _| Some(p.clone()), ..RIGHT },
        // Replaces from the residual the wrong way round.
        Rule { replacement: |p, q| q.residual(p), ..RIGHT },
    ];
    assert!(p_value_of_rule(RIGHT, &q, &p, 50_000, 4) > 1e-7);
    for (i, rule) in broken.into_iter().enumerate() {
        assert!(p_value_of_rule(rule, &q, &p, 50_000, 4) < 1e-12, "rule {i}");
    }
}

#[test]
fn equal_distributions_never_reject_and_leave_no_residual() {
    let (q, _) = fixed_pair();
    let mut rng = Rng::new(5, Stream::Acceptance);
    assert!((0..10_000).all(|_| token(RIGHT, &q, &q, &mut rng).1));
    assert_eq!(q.residual(&q), None);
}
