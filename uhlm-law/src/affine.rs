//! The time that a pass takes as a function of its tokens, learnt from earlier passes.

/// Weighted sums of a least-squares line `t0 + t1 n` for the time of `n` tokens; older points fade, so that it follows
/// a machine whose load changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Affine {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Affine {
    /// Factor on the weight of a point with every later one: a point counts half after 34 more.
    const KEEP: f64 = 0.98;

    /// Adds a point: `x` tokens took the time `y`.
    pub fn add(&mut self, x: f64, y: f64) {
        self.weight = self.weight * Self::KEEP + 1.0;
        self.x = self.x * Self::KEEP + x;
        self.y = self.y * Self::KEEP + y;
        self.xx = self.xx * Self::KEEP + x * x;
        self.xy = self.xy * Self::KEEP + x * y;
    }

    /// Returns intercept and slope, neither negative, as a decode takes no time back; `None` before the first point.
    pub fn fit(&self) -> Option<(f64, f64)> {
        if self.weight <= 0.0 {
            return None;
        }
        let (mean_x, mean_y) = (self.x / self.weight, self.y / self.weight);
        let variance = self.xx / self.weight - mean_x * mean_x;
        // Windows of (nearly) one length do not tell the slope; the mean is then the best guess.
        if variance <= 1e-6 * (1.0 + mean_x * mean_x) {
            return Some((mean_y, 0.0));
        }
        let slope = (self.xy / self.weight - mean_x * mean_y) / variance;
        if slope <= 0.0 {
            return Some((mean_y, 0.0));
        }
        let intercept = mean_y - slope * mean_x;
        if intercept < 0.0 { Some((0.0, self.xy / self.xx)) } else { Some((intercept, slope)) }
    }

    /// Returns the time of a pass over so many tokens; `None` before the first point.
    pub fn at(&self, tokens: usize) -> Option<f64> {
        self.fit().map(|(t0, t1)| t0 + t1 * tokens as f64)
    }
}
