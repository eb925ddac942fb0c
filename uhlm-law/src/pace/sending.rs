//! When drafted tokens are sent.
//!
//! Decides by what the device knows at the moment; the session's loop and the [`forecast`](super::forecast) both ask
//! here, so that what is foreseen is what is done.

use super::Policy;
use crate::window::{Costs, Window};

/// The longest window, in tokens, unless an app asks for shorter ones.
pub const LONGEST_WINDOW: usize = 16;
/// Drafting ahead stops when the chance that it is not all in vain falls below this.
pub const LEAST_SURVIVAL: f64 = 0.1;
/// Windows that are in flight at most while the target waits for drafts.
pub(super) const IN_FLIGHT: usize = 2;
/// A draft is held for the next one only if that is expected to be there this part of a step before the pass begins:
/// drafts and passes do not take the same time each time, and a draft that is late costs a pass.
const SLACK: f64 = 0.25;

/// What the device knows when a token has joined the open window.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The drafted tokens that were not sent.
    pub window: &'a Window,
    /// The probability that the next drafted token is rejected.
    pub next_beta: f64,
    /// Seconds that what is sent now will wait for the target to end the pass that it is at; 0 where it is idle.
    pub wait: f64,
    /// Windows in flight at most.
    pub windows: usize,
}

impl Policy {
    /// Tells whether the open window is sent now.
    ///
    /// A draft that will wait for the target is held as long as the next one would still make the same pass, or until
    /// the target is idle. Where the target runs on, that is all: the pass is made in any case. Where it waits for
    /// drafts, each window costs it a pass, and one more token is waited for while that pays
    /// ([`Costs::waiting_pays`]).
    #[must_use]
    pub fn sends(&self, costs: &Costs, moment: &Moment<'_>) -> bool {
        let most = if self.early { (1.0 + SLACK) * costs.draft } else { 0.0 };
        if moment.wait > most {
            return false;
        }
        self.runs_on() || !costs.waiting_pays(moment.window, moment.next_beta, moment.windows, self.weight)
    }
}

/// What a device knows of a target that makes one pass after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// Seconds that the last pass took of which the device heard.
    pub last: f64,
    /// Seconds that the pass is expected to take that began when that one ended. It judges what had come by then, and
    /// where rows cost time, a pass without drafts is over in half the time of one that judges three.
    pub under_way: f64,
}

impl Rhythm {
    /// Returns the seconds that what is sent now waits for the target, where the last frame came `ago` seconds ago: it
    /// left when a pass ended, half a `round_trip` before it came.
    #[must_use]
    pub fn until_pass(&self, ago: f64, round_trip: f64) -> f64 {
        let over = ago + round_trip - self.under_way;
        if over < 0.0 {
            -over
        } else if self.last > 0.0 {
            self.last - over.rem_euclid(self.last)
        } else {
            0.0
        }
    }
}
