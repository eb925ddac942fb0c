use super::*;
use crate::rng::{Rng, Stream};

fn source() -> CalibrationSource {
    CalibrationSource {
        draft: Digest([1; 32]),
        target: Digest([2; 32]),
        estimator: Estimator::default(),
        sampling: SamplingParams::default(),
    }
}

fn seen(u: f32, q: f32) -> Features {
    Features { u, q, entropy: 1.0, margin: 1.0 }
}

/// Makes a token that is rejected with probability `beta`, and is where `dice` fall below it.
fn label(u: f32, q: f32, beta: f64, dice: f64) -> Label {
    Label { features: seen(u, q), p: (f64::from(q) * (1.0 - beta)) as f32, matched: dice >= beta }
}

/// Makes labels with `u` uniform and `beta = a u + b` plus uniform noise of the given half-width; no clamping occurs.
fn labels(n: usize, a: f64, b: f64, noise: f64) -> Vec<Label> {
    let mut rng = Rng::new(5, Stream::Simulation);
    (0..n)
        .map(|_| {
            let u = rng.uniform();
            let beta = a * u + b + noise * (2.0 * rng.uniform() - 1.0);
            label(u as f32, 0.5, beta, rng.uniform())
        })
        .collect()
}

#[test]
fn a_known_law_is_recovered() {
    // Slope's standard error: 0.058 / (0.289 sqrt(5000)) = 0.0028; the bound is seven of them (false alarm below
    // 1e-11).
    let calibration = Calibration::fit(&labels(5000, 0.6, 0.15, 0.1), source()).expect("increasing");
    assert!((calibration.law.a - 0.6).abs() < 0.02, "{:?}", calibration.law);
    assert!((calibration.law.b - 0.15).abs() < 0.02, "{:?}", calibration.law);
    assert!(calibration.correlation > 0.9 && calibration.delta > 0.99);
}

#[test]
fn thresholds_shares_and_risks_follow_the_formulas() {
    let calibration = Calibration::fit(&labels(20_000, 0.5, 0.1, 0.0), source()).expect("increasing");
    // u is uniform: share above 0.3 is 0.7, risk is the integral of 0.5 u + 0.1 from 0 to 0.3.
    assert!((calibration.share_sent_at(0.3) - 0.7).abs() < 0.02);
    assert!((calibration.threshold_for_share(0.7) - 0.3).abs() < 0.02);
    let risk = 0.25 * 0.09 + 0.1 * 0.3;
    assert!((calibration.expected_risk(0.3) / risk - 1.0).abs() < 0.05);
    assert!((calibration.threshold_for_risk(risk) - 0.3).abs() < 0.01);
    assert_eq!(calibration.threshold_for_risk(1.0), 1.0);
    assert_eq!(calibration.expected_risk(-0.1), 0.0);
    assert_eq!(calibration.share_sent_at(1.0), 0.0);
}

#[test]
fn shares_and_thresholds_invert_each_other_where_u_is_spread_out() {
    let calibration = Calibration::generic();
    for share in [0.0, 0.05, 0.33, 0.5, 0.9, 1.0] {
        assert!((calibration.share_sent_at(calibration.threshold_for_share(share)) - share).abs() < 1e-5);
    }
}

#[test]
fn the_paper_s_figures_give_the_paper_s_thresholds() {
    let calibration = Calibration::generic();
    assert!((calibration.risk_averse() - 0.073).abs() < 5e-4);
    // The printed a and b give 0.440 where the paper prints 0.431.
    assert!((calibration.risk_prone() - 0.440).abs() < 5e-4);
    assert!(calibration.is_generic() && !calibration.matches(&Digest([0; 32]), &Digest([0; 32])));
    assert_eq!(calibration.check(), Ok(()));
}

#[test]
fn the_risk_bound_holds_and_is_reached_by_the_density_that_follows_the_line() {
    // Cauchy-Schwarz is an equality where f is proportional to a u + b. With a = 1, b = 0, Delta = 1 and f(u) = 2u:
    // R = integral 2u^2 = 2/3 = 1/sqrt(3) sqrt(4/3). Twenty bins see 4/3 as 1.3325.
    let mut calibration = Calibration::generic();
    calibration.law = LinearLaw { a: 1.0, b: 0.0 };
    calibration.delta = 1.0;
    calibration.uncertainty_quantiles = (0..=CELLS).map(|i| (i as f32 / CELLS as f32).sqrt()).collect();
    assert!((calibration.risk_bound() - 2.0 / 3.0).abs() < 0.005, "{}", calibration.risk_bound());
}

#[test]
fn a_run_that_teaches_nothing_is_refused() {
    assert!(matches!(
        Calibration::fit(&labels(49, 0.5, 0.1, 0.0), source()),
        Err(CalibrationError::TooFewLabels { found: 49 })
    ));
    assert!(matches!(
        Calibration::fit(&labels(500, -0.5, 0.6, 0.0), source()),
        Err(CalibrationError::NotIncreasing { slope }) if slope < 0.0
    ));
    let same = vec![label(0.5, 0.5, 0.8, 0.5); 100];
    assert!(matches!(Calibration::fit(&same, source()), Err(CalibrationError::NotIncreasing { .. })));
    let mut damaged = labels(100, 0.5, 0.1, 0.0);
    damaged[7].features.u = f32::NAN;
    assert!(matches!(Calibration::fit(&damaged, source()), Err(CalibrationError::InvalidLabel { index: 7 })));
}

#[test]
fn a_calibration_is_read_back_from_its_text_and_belongs_to_its_pair() {
    let calibration = Calibration::fit(&labels(137, 0.5, 0.1, 0.05), source()).expect("increasing");
    let mut read = Calibration::from_json(&calibration.to_json()).expect("what was written");
    // JSON numbers come back to within one unit in the last place of a double.
    assert!((read.law.a - calibration.law.a).abs() < 1e-15 && (read.law.b - calibration.law.b).abs() < 1e-15);
    assert!((read.correlation - calibration.correlation).abs() < 1e-15);
    (read.law, read.correlation) = (calibration.law, calibration.correlation);
    let (before, after) = (calibration.learned.clone().expect("fitted"), read.learned.expect("read"));
    assert!((before.mismatch_probability(&seen(0.4, 0.5)) - after.mismatch_probability(&seen(0.4, 0.5))).abs() < 1e-12);
    assert_eq!(before.predictions, after.predictions);
    read.learned = calibration.learned.clone();
    assert_eq!(read, calibration);
    assert!(calibration.matches(&Digest([1; 32]), &Digest([2; 32])));
    assert!(!calibration.matches(&Digest([2; 32]), &Digest([1; 32])));
}

#[test]
fn texts_that_are_damaged_or_of_another_version_are_told_apart() {
    let read = |text: &[u8]| Calibration::from_json(text);
    assert_eq!(read(b"{\"version\": 99, \"later\": true}"), Err(InvalidCalibration::WrongVersion { found: 99 }));
    let mut calibration = Calibration::generic();
    let good = calibration.to_json();
    assert!(matches!(read(&good[..good.len() / 2]), Err(InvalidCalibration::Damaged { .. })));
    calibration.law.a = -1.0;
    assert!(matches!(read(&calibration.to_json()), Err(InvalidCalibration::Damaged { .. })));
    calibration = Calibration::generic();
    calibration.uncertainty_quantiles.reverse();
    assert!(matches!(read(&calibration.to_json()), Err(InvalidCalibration::Damaged { .. })));
}

#[test]
fn a_text_that_would_keep_a_device_busy_is_refused() {
    let mut calibration = Calibration::generic();
    for (draws, is_taken) in [(0, false), (1, true), (MAX_DRAWS, true), (MAX_DRAWS + 1, false), (4_000_000_000, false)]
    {
        calibration.estimator = Estimator::SampledTemperaturePerturbation { draws };
        assert_eq!(Calibration::from_json(&calibration.to_json()).is_ok(), is_taken, "{draws} draws");
    }
    // White space is as much JSON as anything else.
    let long = [calibration.to_json(), vec![b' '; MAX_CALIBRATION_BYTES]].concat();
    let refused = Calibration::from_json(&long);
    assert!(matches!(refused, Err(InvalidCalibration::Damaged { reason }) if reason.contains("longer")));
}

/// Makes labels whose `beta` bends as a pair's does: nothing up to a half, then steeply up; `q` says a little more.
fn bent(n: usize) -> Vec<Label> {
    let mut rng = Rng::new(6, Stream::Simulation);
    let mut label = || {
        let (u, q) = (rng.uniform().powi(2), 0.1 + 0.9 * rng.uniform());
        let beta = 1.0 / (1.0 + (-(12.0 * u - 7.0 - q)).exp());
        label(u as f32, q as f32, beta, rng.uniform())
    };
    (0..n).map(|_| label()).collect()
}

#[test]
fn the_learned_law_follows_a_bend_that_the_line_cuts_off() {
    let calibration = Calibration::fit(&bent(3000), source()).expect("increasing");
    let learned = calibration.learned.expect("enough labels");
    let held_out = &bent(4000)[3000..];
    let mse = |predict: &dyn Fn(&Label) -> f64| {
        held_out.iter().map(|l| (predict(l) - l.rejection_probability()).powi(2)).sum::<f64>() / held_out.len() as f64
    };
    let line = mse(&|l| calibration.law.rejection_probability(l.u()));
    let curve = mse(&|l| learned.mismatch_probability(&l.features));
    assert!(curve < line / 20.0, "{curve} against {line}");
    assert_eq!(learned.mismatch_probability(&seen(f32::NAN, 0.5)), 1.0);
}

#[test]
fn labels_that_leave_inputs_undetermined_still_give_a_learned_law() {
    // At temperature 0 every q(d) is 1.
    let labels: Vec<Label> = bent(500)
        .into_iter()
        .map(|l| Label { features: Features { q: 1.0, ..l.features }, p: l.p / l.features.q, ..l })
        .collect();
    let learned = Calibration::fit(&labels, source()).expect("increasing").learned.expect("finite");
    let (low, high) = (learned.mismatch_probability(&seen(0.05, 1.0)), learned.mismatch_probability(&seen(0.9, 1.0)));
    assert!(low < 0.05 && high > 0.8, "{low} {high}");
}

#[test]
fn a_text_of_the_first_version_is_read_and_has_no_learned_law() {
    let mut calibration = Calibration::fit(&labels(137, 0.5, 0.1, 0.05), source()).expect("increasing");
    (calibration.version, calibration.learned) = (1, None);
    let read = Calibration::from_json(&calibration.to_json()).expect("what was written");
    assert_eq!((read.version, read.learned), (CALIBRATION_VERSION, None));
}

#[test]
fn a_law_of_the_second_version_goes_on_without_the_noise() {
    let calibration = Calibration::fit(&bent(500), source()).expect("increasing");
    let mut old: serde_json::Value = serde_json::from_slice(&calibration.to_json()).expect("what was written");
    let law = serde_json::json!({
        "weights": [-2.0, 1.0, 3.0, 0.5, -0.25, 0.125],
        "information": vec![[0.1, 0.0, 0.0, 0.0, 0.0, 0.0]; 6],
    });
    (old["version"], old["learned"]) = (2.into(), law);
    let read = |text: &serde_json::Value| Calibration::from_json(text.to_string().as_bytes());
    let law = read(&old).expect("version 2").learned.expect("a law");
    assert_eq!(law.weights, [-2.0, 1.0, 3.0, 0.5, -0.25, 0.125, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!((law.information[5][0], law.information[6], law.predictions.is_none()), (0.1, [0.0; 10], true));
    let at = |margin, entropy| law.mismatch_probability(&Features { margin, entropy, ..seen(0.6, 0.4) });
    assert_eq!(at(0.0, 0.0), at(f32::INFINITY, 3.0));
    for damaged in [serde_json::json!(vec![1.0; 7]), serde_json::json!([]), serde_json::json!(vec![0.0; 10])] {
        old["learned"]["weights"] = damaged;
        assert!(matches!(read(&old), Err(InvalidCalibration::Damaged { .. })));
    }
}

#[test]
fn the_learned_law_sees_how_narrowly_a_token_won() {
    // Tokens of one u and q, of which the margin alone says whether the target writes another.
    let mut rng = Rng::new(8, Stream::Simulation);
    let probability = |margin: f64| 1.0 / (1.0 + (2.0 + 3.0 * margin.ln()).exp());
    let mut labels: Vec<Label> = (0..4000)
        .map(|i| {
            let margin = -3.0 * (1.0 - rng.uniform()).ln();
            let features = Features { margin: margin as f32, ..seen((i % 97) as f32 / 97.0, 0.5) };
            Label { features, p: 0.5 - 0.2 * features.u, matched: rng.uniform() >= probability(margin) }
        })
        .collect();
    let law = Calibration::fit(&labels, source()).expect("increasing").learned.expect("fitted");
    // 4,000 tokens, an eighth of which differ: standard error 0.03 and less where most of them are.
    for margin in [0.2f32, 0.5, 1.0, 3.0] {
        let expected = law.mismatch_probability(&Features { margin, ..seen(0.5, 0.5) });
        assert!((expected - probability(f64::from(margin))).abs() < 0.08, "{margin}: {expected}");
    }
    assert!(law.mismatch_probability(&Features { margin: f32::INFINITY, ..seen(0.5, 0.5) }) < 0.01);
    assert_eq!(law.mismatch_probability(&Features { margin: f32::NAN, ..seen(0.5, 0.5) }), 1.0);
    // What is outside its range is no label.
    labels[3].features.margin = -1.0;
    assert!(matches!(Calibration::fit(&labels, source()), Err(CalibrationError::InvalidLabel { index: 3 })));
}
