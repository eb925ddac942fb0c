//! Decides whether the device drafts, and when a window goes out.

use uhlm_law::pace::LEAST_SURVIVAL;

use super::window::Window;

/// Most tokens of a window.
const MAX_WINDOW: usize = 16;

/// The differences between yesterday's rule and a session of today that sends windows of a fixed length, so that one
/// simulator is checked against the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Length at which a window goes out, in tokens; `None` lets the cost model decide.
    pub length: Option<usize>,
    /// Least probability that all pending tokens stand with which the device goes on drafting ahead, from 0 to 1.
    pub least_survival: f64,
    /// Whether the first token that is drafted behind a window is the guess of the token which its verdict brings, and
    /// is judged by nothing else. Otherwise it begins the next window.
    pub guesses_apart: bool,
    /// Most windows in flight.
    pub in_flight: usize,
}

impl Rule {
    /// Yesterday's rule.
    pub const YESTERDAY: Self = Self { length: None, least_survival: 0.05, guesses_apart: true, in_flight: 2 };

    /// Returns the rule of a session of today with windows of this length.
    #[must_use]
    pub const fn session(length: usize) -> Self {
        Self { length: Some(length), least_survival: LEAST_SURVIVAL, guesses_apart: false, in_flight: 2 }
    }
}

/// The state that the decisions depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) window: Window,
    /// Number of drafted tokens that are not decided yet.
    pub(super) pending: usize,
    /// Probability that all of them are accepted.
    pub(super) survival: f64,
    /// Whether nothing may follow the last drafted token.
    pub(super) is_sealed: bool,
    /// Number of windows whose verdict is awaited.
    pub(super) windows: usize,
    /// Whether the open window waits to be sent.
    pub(super) is_due: bool,
    /// Whether the target is at work on the last window that was sent.
    pub(super) is_at_work: bool,
    /// Probability that the next drafted token is rejected.
    pub(super) next_beta: f64,
    /// Time of a pass over the open window, in seconds.
    pub(super) pass: f64,
    /// Time of a pass of the draft model, in seconds.
    pub(super) draft: f64,
}

impl Rule {
    pub(super) fn can_draft(&self, now: &Situation) -> bool {
        let is_ahead = now.windows > 0 || now.is_due;
        let is_full = now.pending >= MAX_WINDOW * (1 + self.in_flight);
        !now.is_sealed && !is_full && (!is_ahead || now.survival > self.least_survival)
    }

    pub(super) fn closes(&self, now: &Situation) -> bool {
        if now.window.len == 0 {
            return false;
        }
        // A window that finds the target at work would only wait there.
        let pays = || !now.is_at_work && !now.window.waiting_pays(now.next_beta, now.pass, now.draft);
        let most = self.length.unwrap_or(MAX_WINDOW);
        now.window.len >= most || now.is_sealed || (self.length.is_none() && pays())
    }

    /// Tells whether the open window, which is not due, is sent because nothing more can join it.
    pub(super) fn closes_idle(&self, now: &Situation) -> bool {
        !now.is_due && now.windows < self.in_flight && now.window.len > 0
    }
}
