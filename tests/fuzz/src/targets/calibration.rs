//! The JSON text of a calibration: one that is taken gives numbers in range whatever it is asked for, and gates that
//! can be used.

use uhlm_law::calibration::{Calibration, Features};
use uhlm_law::gate::{Gate, Goal};

use crate::Target;

pub(crate) const TARGET: Target = Target { name: "calibration", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "null",
    "-1",
    "1e400",
    "1e-400",
    "4294967296",
    "0.9999999",
    "\"version\":3",
    "{\"sampled_temperature_perturbation\":{\"draws\":4000000000}}",
    "\"entropy\"",
    "[]",
    "{}",
    ",",
    "0",
    "1",
];

fn run(data: &[u8]) {
    let Ok(calibration) = Calibration::from_json(data) else { return };
    let again = Calibration::from_json(&calibration.to_json());
    assert!(again.is_ok(), "what was taken is written so that it is taken again: {again:?}");
    let is_share = |value: f64| (0.0..=1.0).contains(&value);
    let is_threshold = |value: f32| (0.0..=1.0).contains(&value);
    assert!(is_threshold(calibration.risk_averse()) && is_threshold(calibration.risk_prone()));
    for i in 0..=8 {
        let x = f64::from(i) / 8.0;
        assert!(is_share(calibration.share_sent_at(x as f32)), "{x}");
        assert!(is_share(calibration.expected_risk(x as f32)), "{x}");
        assert!(is_threshold(calibration.threshold_for_share(x)), "{x}");
        assert!(is_threshold(calibration.threshold_for_risk(x)), "{x}");
    }
    assert!(is_share(calibration.mean_beta()));
    // May be anything but a panic: it is a figure for people.
    let _ = calibration.risk_bound();
    for goal in [Goal::ShareSent(0.3), Goal::Risk(0.05)] {
        let mut gate = Gate::new(&calibration, goal);
        for i in 0..40 {
            let u = i as f32 / 40.0;
            let features = Features { u, q: 1.0 - u / 2.0, entropy: 3.0 * u, margin: 4.0 * (1.0 - u) };
            gate.observe_draft(&features);
            if gate.is_uncertain(&features) {
                gate.observe_verdict(&features, i % 3 > 0, Some(0.5));
            }
            assert!(!gate.threshold().is_nan() && !gate.expected_rejection(&features).is_nan());
        }
    }
}

/// Makes one that nothing was measured for, whole and with a learned law, each with few digits: the corpus is small.
fn seeds() -> Vec<Vec<u8>> {
    let compact = |text: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
        value.to_string().into_bytes()
    };
    let generic = compact(&Calibration::generic().to_json());
    let old = String::from_utf8_lossy(&generic).replace("\"version\":3", "\"version\":1").into_bytes();
    vec![generic, old, b"{\"version\":4}".to_vec(), b"[]".to_vec()]
}
