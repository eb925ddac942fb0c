//! Gates that see the noise, on a synthetic pair of which `u` says little and the margin says much.

use super::*;

/// Returns the probability that a token differs, which falls with its margin, the steeper the lower `u` is.
fn mismatch(features: &Features) -> f64 {
    let sum = 3.0 * f64::from(features.u) - 1.0 - 2.5 * f64::from(features.margin).ln();
    1.0 / (1.0 + (-sum).exp())
}

struct Noisy(Rng);

impl Noisy {
    fn new(seed: u64) -> Self {
        Self(Rng::new(seed, Stream::Simulation))
    }

    /// Makes a label. Its `p(d)` is that of a rejection with probability `0.3 u`, whatever the margin.
    fn label(&mut self) -> Label {
        let u = self.0.uniform();
        let margin = -3.0 * (1.0 - self.0.uniform()).ln();
        let features = Features { margin: margin as f32, ..features(u as f32) };
        let matched = self.0.uniform() >= mismatch(&features);
        Label { features, p: (0.5 * (1.0 - 0.3 * u)) as f32, matched }
    }

    fn calibration(&mut self) -> Calibration {
        let labels: Vec<Label> = (0..4000).map(|_| self.label()).collect();
        Calibration::fit(&labels, source()).expect("a synthetic law is increasing")
    }
}

/// Returns the share sent and the probability of a mismatch among what was skipped, per token.
fn run(gate: &mut Gate, pair: &mut Noisy, tokens: usize) -> (f64, f64) {
    let (mut sent, mut risk) = (0.0, 0.0);
    for _ in 0..tokens {
        let label = pair.label();
        let uncertain = gate.is_uncertain(&label.features);
        gate.observe_draft(&label.features);
        if uncertain {
            judge(gate, &label);
            sent += 1.0;
        } else {
            risk += mismatch(&label.features);
        }
    }
    (sent / tokens as f64, risk / tokens as f64)
}

#[test]
fn a_share_is_spent_on_the_tokens_that_most_probably_differ() {
    let calibration = Noisy::new(1).calibration();
    let gate = || Gate::new(&calibration, Goal::ShareSent(0.3));
    let (sent, risk) = run(&mut gate(), &mut Noisy::new(2), 2000);
    let (sent_by_u, risk_by_u) = run(&mut gate().with_predictor(Predictor::LinearLaw), &mut Noisy::new(2), 2000);
    assert!((sent / 0.3 - 1.0).abs() < 0.05 && (sent_by_u / 0.3 - 1.0).abs() < 0.05, "{sent} {sent_by_u}");
    assert!(risk < 0.6 * risk_by_u, "{risk} where u alone leaves {risk_by_u}");
}

#[test]
fn a_risk_is_kept_with_fewer_tokens_sent_by_who_sees_the_noise() {
    // Of 4,000 labels some 1,300 differ; the mean prediction of what is skipped is off by a few per cent of itself, and
    // half of the goal's slack is the law's own error where it is least probable.
    let calibration = Noisy::new(1).calibration();
    let gate = || Gate::new(&calibration, Goal::Risk(0.03));
    let (sent, risk) = run(&mut gate(), &mut Noisy::new(2), 4000);
    let (sent_by_u, _) = run(&mut gate().with_predictor(Predictor::LinearLaw), &mut Noisy::new(2), 4000);
    assert!((risk / 0.03 - 1.0).abs() < 0.2, "{risk}");
    assert!(sent < sent_by_u - 0.1, "{sent} where u alone sends {sent_by_u}");
}

#[test]
fn the_line_learns_nothing_from_a_gate_that_selects_by_the_noise() {
    let calibration = Noisy::new(1).calibration();
    let law = |goal, predictor| {
        let mut gate = Gate::new(&calibration, goal).with_predictor(predictor);
        let mut pair = Noisy::new(3);
        for _ in 0..1000 {
            // Every token is one that the target gives half of what the draft model gives it.
            let label = Label { p: 0.25, ..pair.label() };
            judge(&mut gate, &label);
        }
        (gate.sees_noise(), gate.tracked().law, gate.tracked().delta)
    };
    let (sees_noise, line, delta) = law(Goal::ShareSent(0.3), Predictor::Learned);
    assert!(sees_noise && line == calibration.law && (delta - calibration.delta).abs() < 1e-6);
    for (goal, predictor) in [
        (Goal::ShareSent(0.3), Predictor::LinearLaw),
        (Goal::RiskProne, Predictor::Learned),
        (Goal::Threshold(0.4), Predictor::Learned),
        (Goal::Bytes(9.0), Predictor::Learned),
    ] {
        let (sees_noise, line, _) = law(goal, predictor);
        assert!(!sees_noise && line.rejection_probability(0.5) > calibration.law.rejection_probability(0.5) + 0.1);
    }
}

#[test]
fn the_paper_s_goals_look_at_u_alone() {
    let calibration = Noisy::new(1).calibration();
    for goal in [Goal::RiskAverse, Goal::RiskProne, Goal::Threshold(0.4), Goal::Bytes(9.0)] {
        let gate = Gate::new(&calibration, goal);
        for u in [0.0, 0.2, 0.4, 0.9] {
            let narrow = Features { margin: 0.0, ..features(u) };
            assert_eq!(gate.is_uncertain(&narrow), gate.is_uncertain(&features(u)), "{goal:?} {u}");
            assert_eq!(gate.is_uncertain(&narrow), u > gate.threshold());
        }
    }
}

#[test]
fn a_calibration_that_never_saw_the_noise_leaves_skipping_to_u() {
    let mut calibration = Noisy::new(1).calibration();
    calibration.learned.as_mut().expect("fitted").predictions = None;
    let gate = Gate::new(&calibration, Goal::ShareSent(0.3));
    assert!(!gate.sees_noise() && !Gate::new(&Calibration::generic(), Goal::Risk(0.1)).sees_noise());
    assert!((gate.threshold() - calibration.threshold_for_share(0.3)).abs() < 0.02);
}
