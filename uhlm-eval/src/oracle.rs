//! Computes the bound on what any window policy can reach, by a policy that knows every verdict beforehand.
//!
//! The bound is computed offline on HLM's replies, whose accepted and rejected tokens are known. Dynamic programming
//! over positions (and over tokens that were drafted ahead) finds the windows that write a reply in the least time. A
//! window of `g` tokens costs `g t_draft + t_target + RTT`: the time of `g` draft passes, a target pass and a round
//! trip. It brings the tokens up to its first rejection and the resampled one, or all of them and a bonus.

use crate::baseline::trace::Trace;
use crate::pair::ComputeTimes;

/// Length of the longest window that is considered, in tokens: the product's default.
const LONGEST: usize = 16;
/// Most tokens that can be drafted ahead: twice the longest window.
const MAX_AHEAD: usize = 2 * LONGEST;

/// The costs and the freedom of a window policy that knows every verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oracle {
    /// Time of the models' passes.
    pub times: ComputeTimes,
    /// Time of a round on the network, in seconds.
    pub round_trip: f64,
    /// Whether the device drafts on while a verdict travels.
    pub draft_ahead: bool,
}

impl Oracle {
    /// Returns the least time in which these replies can be written, in seconds.
    #[must_use]
    pub fn seconds(&self, traces: &[Trace]) -> f64 {
        traces.iter().map(|trace| self.reply(trace)).sum()
    }

    fn reply(&self, trace: &Trace) -> f64 {
        let n = trace.fates.len();
        let draft = self.times.draft().as_secs_f64();
        let wait = |tokens: usize| self.times.target(tokens).as_secs_f64() + self.round_trip;
        // This many tokens can be drafted while one verdict is awaited; the first is the guess of the bonus.
        let ahead = if self.draft_ahead { (wait(1) / draft) as usize } else { 0 };
        // best[i][f] is the least time from position i to the end with f tokens drafted already.
        let mut best = vec![[f64::INFINITY; MAX_AHEAD + 1]; n + 1];
        best[n] = [0.0; MAX_AHEAD + 1];
        for i in (0..n).rev() {
            for ready in 0..=MAX_AHEAD {
                for g in 1..=LONGEST.min(n - i) {
                    let window = &trace.fates[i..i + g];
                    let cost = g.saturating_sub(ready) as f64 * draft + wait(g);
                    let next = match window.iter().position(|fate| !fate.accepted) {
                        Some(rejected) => best[i + rejected + 1][0],
                        None if i + g == n => 0.0,
                        None => {
                            let guessed = self.draft_ahead && trace.fates[i + g].guessed;
                            let left = (ready.saturating_sub(g) + ahead).saturating_sub(1).min(MAX_AHEAD);
                            best[i + g + 1][if guessed { left } else { 0 }]
                        }
                    };
                    best[i][ready] = best[i][ready].min(cost + next);
                }
            }
        }
        best[0][0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::trace::Fate;

    fn trace(accepted: &[bool]) -> Trace {
        Trace {
            fates: accepted.iter().map(|&accepted| Fate { accepted, guessed: accepted }).collect(),
            ..Trace::default()
        }
    }

    const ORACLE: Oracle = Oracle {
        times: ComputeTimes { draft_ms: 10.0, target_ms: 100.0, target_per_token_ms: 0.0 },
        round_trip: 0.05,
        draft_ahead: false,
    };

    #[test]
    fn a_window_ends_before_the_token_that_would_be_rejected_and_the_bonus_takes_its_place() {
        // Three accepted tokens and a bonus are one window; the last token alone is another.
        let seconds = ORACLE.seconds(&[trace(&[true, true, true, false, true])]);
        assert!((seconds - (0.03 + 0.15 + 0.01 + 0.15)).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn an_accepted_window_brings_a_bonus() {
        // Two drafted tokens and a bonus, in one round.
        let seconds = ORACLE.seconds(&[trace(&[true, true, false])]);
        assert!((seconds - (0.02 + 0.15)).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn drafting_ahead_pays_where_a_bonus_is_guessed() {
        let fates: Vec<bool> = (0..60).map(|i| i % 30 != 29).collect();
        let ahead = Oracle { draft_ahead: true, ..ORACLE };
        assert!(ahead.seconds(&[trace(&fates)]) < ORACLE.seconds(&[trace(&fates)]));
    }
}
