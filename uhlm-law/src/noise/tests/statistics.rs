//! The tests that tell a law from another, as the chance that a right law does worse.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

/// Chance below which a test fails.
pub(crate) const ALARM: f64 = 1e-9;

/// Returns the chance that counts of these expectations lie farther off by Pearson's chi-square. Expectations must be
/// at least 5 or so.
pub(crate) fn chi_square(counts: &[u64], expected: &[f64]) -> f64 {
    assert_eq!(counts.len(), expected.len());
    let statistic: f64 = counts.iter().zip(expected).map(|(&n, e)| (n as f64 - e).powi(2) / e).sum();
    ChiSquared::new((counts.len() - 1) as f64).expect("degrees of freedom").sf(statistic)
}

/// Returns the same where all cells have equal expectations.
pub(crate) fn chi_square_uniform(counts: &[u64]) -> f64 {
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    chi_square(counts, &vec![mean; counts.len()])
}

/// Returns the chance of a greater distance to the uniform law by Kolmogorov and Smirnov, by the first term of its
/// series.
pub(crate) fn kolmogorov_smirnov(mut sample: Vec<f64>) -> f64 {
    sample.sort_unstable_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = sample
        .iter()
        .enumerate()
        .fold(0.0f64, |distance, (i, &x)| distance.max((x - i as f64 / n).abs()).max(((i + 1) as f64 / n - x).abs()));
    2.0 * (-2.0 * n * distance * distance).exp()
}

/// Returns the distance of a binomial count from its mean, in standard deviations.
pub(crate) fn deviations(count: u64, trials: u64, chance: f64) -> f64 {
    let trials = trials as f64;
    (count as f64 - trials * chance) / (trials * chance * (1.0 - chance)).sqrt()
}
