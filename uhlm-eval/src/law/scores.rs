//! Scores how well numbers predict rejections. A token is rejected with probability beta, which is known: scores use it
//! as a soft label, which takes the random numbers of acceptance out of them.

/// Returns Pearson's correlation; 0 where one of the values does not vary.
#[must_use]
pub fn pearson(points: &[(f64, f64)]) -> f64 {
    let n = points.len().max(1) as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |m, p| (m.0 + p.0 / n, m.1 + p.1 / n));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}

/// Returns Spearman's rank correlation; equal values share their mean rank.
#[must_use]
pub fn spearman(points: &[(f64, f64)]) -> f64 {
    let x = ranks(points.iter().map(|p| p.0));
    let y = ranks(points.iter().map(|p| p.1));
    pearson(&x.into_iter().zip(y).collect::<Vec<_>>())
}

fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.enumerate().map(|(i, value)| (value, i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; order.len()];
    let mut start = 0;
    while start < order.len() {
        let end = start + order[start..].partition_point(|entry| entry.0 <= order[start].0);
        let rank = (start + end - 1) as f64 / 2.0;
        order[start..end].iter().for_each(|entry| ranks[entry.1] = rank);
        start = end;
    }
    ranks
}

/// Returns the area under the ROC curve of `score` for rejection. Each `(score, beta)` is a rejected token with weight
/// beta and an accepted one with weight `1 - beta`; equal scores count half. The area is 0.5 where only one kind
/// occurs.
#[must_use]
pub fn auc(points: &[(f64, f64)]) -> f64 {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut area, mut start) = (0.0, 0.0, 0);
    while start < sorted.len() {
        let end = start + sorted[start..].partition_point(|p| p.0 <= sorted[start].0);
        let rejected: f64 = sorted[start..end].iter().map(|p| p.1).sum();
        let accepted = (end - start) as f64 - rejected;
        area += rejected * (below + accepted / 2.0);
        below += accepted;
        start = end;
    }
    let rejected: f64 = points.iter().map(|p| p.1).sum();
    let whole = rejected * (points.len() as f64 - rejected);
    if whole > 0.0 { area / whole } else { 0.5 }
}

/// Returns the Brier score of `(prediction, beta)`: the expected squared error against the drawn verdict.
#[must_use]
pub fn brier(points: &[(f64, f64)]) -> f64 {
    let sum: f64 = points.iter().map(|(p, beta)| beta * (1.0 - p).powi(2) + (1.0 - beta) * p * p).sum();
    sum / points.len().max(1) as f64
}

/// Returns the expected calibration error over ten bins of equally many tokens.
#[must_use]
pub fn calibration_error(points: &[(f64, f64)]) -> f64 {
    const BINS: usize = 10;
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bin = |i: usize| &sorted[i * sorted.len() / BINS..(i + 1) * sorted.len() / BINS];
    let gap = |bin: &[(f64, f64)]| bin.iter().map(|(p, beta)| p - beta).sum::<f64>().abs();
    (0..BINS).map(|i| gap(bin(i))).sum::<f64>() / points.len().max(1) as f64
}

/// Returns the risk for each of `shares`, the shares of tokens that are sent. The tokens with the highest scores are
/// sent; the risk is the sum of beta over the others, divided by the number of all tokens.
#[must_use]
pub fn risk_curve(points: &[(f64, f64)], shares: &[f64]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = sorted.len().max(1) as f64;
    let risk = |share: f64| {
        let skipped = ((1.0 - share) * n).round() as usize;
        sorted.iter().take(skipped).map(|p| p.1).sum::<f64>() / n
    };
    shares.iter().map(|&share| (share, risk(share))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_agree_with_values_worked_out_by_hand() {
        let points = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.5)];
        assert!((spearman(&points) - 1.0).abs() < 1e-12 && pearson(&points) > 0.99);
        assert!((spearman(&[(1.0, 1.0), (1.0, 2.0), (2.0, 3.0)]) - 0.866_025_4).abs() < 1e-6);
        // Positives stand at 0.8 and 0.4, negatives at 0.6 and 0.2: three of four pairs are in order.
        let hard = [(0.8, 1.0), (0.6, 0.0), (0.4, 1.0), (0.2, 0.0)];
        assert!((auc(&hard) - 0.75).abs() < 1e-12);
        assert!((auc(&[(0.5, 1.0), (0.5, 0.0)]) - 0.5).abs() < 1e-12);
        assert!((brier(&[(0.3, 0.5)]) - (0.5 * 0.49 + 0.5 * 0.09)).abs() < 1e-12);
        assert!((risk_curve(&hard, &[0.5])[0].1 - 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_prediction_that_equals_beta_has_no_calibration_error() {
        let points: Vec<_> = (0..100).map(|i| (f64::from(i) / 100.0, f64::from(i) / 100.0)).collect();
        assert!(calibration_error(&points) < 1e-12);
        let off: Vec<_> = points.iter().map(|p| (p.0 + 0.1, p.1)).collect();
        assert!((calibration_error(&off) - 0.1).abs() < 1e-9);
    }
}
