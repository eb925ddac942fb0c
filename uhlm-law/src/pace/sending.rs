//! The moment at which drafted tokens are sent.
//!
//! Decides by what the device knows at the moment; the session's loop and the [`forecast`](super::forecast) both ask
//! here, so that what is foreseen is what is done.

use super::Policy;
use crate::window::{Costs, Window};

/// Length of the longest window, in tokens, unless an app asks for shorter ones.
pub const LONGEST_WINDOW: usize = 16;
/// Smallest chance that drafting ahead is not all in vain; below it, the device stops.
pub const LEAST_SURVIVAL: f64 = 0.1;
/// Largest number of windows in flight while the target waits for drafts.
pub(super) const IN_FLIGHT: usize = 2;
/// Part of a step before the pass begins by which the next draft has to be expected for a draft to be held for it:
/// drafts and passes do not take the same time each time, and a draft that is late costs a pass.
const SLACK: f64 = 0.25;

/// The device's knowledge when a token has joined the open window.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The drafted tokens that were not sent.
    pub window: &'a Window,
    /// Probability that the next drafted token is rejected.
    pub next_beta: f64,
    /// Time for which a window that is sent now waits for the target to end its pass, in seconds; 0 where it is idle.
    pub wait: f64,
    /// Largest number of windows in flight.
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

/// A device's knowledge of a target that makes one pass after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// Time of the last pass that the device heard of, in seconds.
    pub last: f64,
    /// Expected time of the pass that began when that one ended, in seconds. It judges what had come by then, and where
    /// rows cost time, a pass without drafts is over in half the time of one that judges three.
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
