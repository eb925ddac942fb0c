//! Keeps the open window and the cost model that closed it.

/// Weight of a pass beside the device's time.
pub(super) const PASS_WEIGHT: f64 = 2.5;

/// The drafted tokens that are not sent: their number, and the probability that all of them are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) len: usize,
    pub(super) survival: f64,
}

impl FromIterator<f64> for Window {
    fn from_iter<I: IntoIterator<Item = f64>>(betas: I) -> Self {
        betas.into_iter().fold(Self { len: 0, survival: 1.0 }, |window, beta| Self {
            len: window.len + 1,
            survival: window.survival * (1.0 - beta.clamp(0.0, 1.0)),
        })
    }
}

impl Window {
    /// Tells whether it paid to wait for one more token, which is rejected with probability `next_beta`. The device
    /// loses `risk x draft` by waiting, and gains `(1 - risk) x next_beta x blocked / 2`, weighed by [`PASS_WEIGHT`]
    /// because each window costs the target a pass. Here `risk` is the probability that a token of the window is
    /// rejected, `blocked` the time for which a window keeps the way shut for the next, and `draft` that of one pass of
    /// the draft model, both in seconds.
    pub(super) fn waiting_pays(&self, next_beta: f64, blocked: f64, draft: f64) -> bool {
        PASS_WEIGHT * self.survival * next_beta * blocked / 2.0 > (1.0 - self.survival) * draft
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_goes_out_at_the_sign_of_risk() {
        // Waiting costs as much as it gains at odds of 2.5 x 0.05 x 0.1546 / 2 / 0.0246 = 0.393.
        let pays = |betas: &[f64]| betas.iter().copied().collect::<Window>().waiting_pays(0.05, 0.1546, 0.0246);
        assert!(pays(&[0.28]) && !pays(&[0.29]) && pays(&[0.001; 8]));
    }
}
