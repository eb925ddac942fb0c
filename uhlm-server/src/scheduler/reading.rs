//! Decides how many tokens of long prompts go into one pass of the engine.
//!
//! A pass cannot be broken off, and while it lasts nobody else is served: no session opens, no window is judged, and a
//! client that went away is not noticed. On an engine that reads 60 tokens a second a pass of 512 takes 8.5 s. So a
//! pass takes no more of a prompt than is read in about a second; engines that are faster than that fill their passes.

/// Longest time that a pass may spend on long prompts, in seconds.
const PIECE_SECONDS: f64 = 1.0;
/// Smallest number of tokens of long prompts that a pass may have, unless the engine's passes are shorter than that.
const LEAST_PIECE: usize = 8;

/// Measured speed at which the engine reads prompts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Moving average of the seconds per token in passes with a part of a long prompt; `None` before the first.
    seconds: Option<f64>,
}

impl Reading {
    /// Takes note that a pass of `tokens` tokens, with a part of a long prompt, took `seconds`.
    pub(super) fn observe(&mut self, tokens: usize, seconds: f64) {
        let each = seconds / tokens.max(1) as f64;
        self.seconds = Some(self.seconds.map_or(each, |mean| (mean + each) / 2.0));
    }

    /// Returns how many tokens of long prompts go into a pass of at most `batch_size` tokens: an eighth of `batch_size`
    /// before anything was measured.
    pub(super) fn piece(self, batch_size: usize) -> usize {
        let piece = match self.seconds {
            None => batch_size / 8,
            // The cast saturates: beyond what an integer holds, it gives the largest one.
            Some(seconds) => (PIECE_SECONDS / seconds.max(1e-9)) as usize,
        };
        piece.max(LEAST_PIECE).min(batch_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_engines_read_for_a_second_and_fast_ones_fill_their_passes() {
        let mut reading = Reading::default();
        assert_eq!(reading.piece(512), 64);
        reading.observe(64, 64.0 / 60.0);
        assert_eq!(reading.piece(512), 60);
        (0..20).for_each(|_| reading.observe(60, 0.02));
        assert_eq!(reading.piece(512), 512);
        (0..20).for_each(|_| reading.observe(512, 2000.0));
        assert_eq!(reading.piece(512), LEAST_PIECE);
        assert_eq!(reading.piece(1), 1, "an engine of single tokens");
    }
}
