//! The policies that can be chosen: whether the device drafts, what the target may do without drafts, and what a window
//! weighs.

use crate::advance::{Grant, Grants};
use crate::window::PASS_WEIGHT;

/// The way in which a reply is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Whether the device drafts. Where it does not, the target writes alone and streams.
    pub drafts: bool,
    /// Passes that the target may make without drafts.
    pub grants: Grants,
    /// Weight of a pass beyond the device's time, where a window is held for one more token: the greater, the longer
    /// the windows. Without meaning where the target runs on in any case.
    pub weight: f64,
    /// Whether a window goes out in time for the target to take it up as soon as it has ended its pass. Else it is held
    /// until the target is idle, which makes longer windows and fewer passes.
    pub early: bool,
}

/// Weights without grants, from "as fast as windows alone can be" on.
const WEIGHTS: [f64; 5] = [1.0, 1.6, 2.5, 4.0, 6.0];
/// Further weights up to "as few passes as can be", for an app that has a budget of them.
const THRIFTY_WEIGHTS: [f64; 2] = [16.0, 64.0];
/// Limited grants, after a mismatch and after agreement. The target writes the token after a mismatch while the device
/// hears of it, which is time that it would wait.
const LIMITED: [(Grant, Grant); 5] = [
    (Grant::Passes(1), Grant::NONE),
    (Grant::Passes(2), Grant::NONE),
    (Grant::Unlimited, Grant::NONE),
    (Grant::Passes(1), Grant::Passes(1)),
    (Grant::Unlimited, Grant::Passes(1)),
];
const LIMITED_WEIGHTS: [f64; 3] = [1.0, 2.5, 6.0];
const EARLY: [bool; 2] = [false, true];

impl Policy {
    /// Windows alone, held and weighed as the evaluation found best where nothing is known yet.
    pub const WINDOWS: Self = Self { drafts: true, grants: Grants::NONE, weight: PASS_WEIGHT, early: false };
    /// The target writes on whatever comes, and judges what has come.
    pub const RUN_AHEAD: Self = Self { drafts: true, grants: Grants::UNLIMITED, weight: 1.0, early: true };
    /// The target writes alone.
    pub const STREAM: Self = Self { drafts: false, ..Self::RUN_AHEAD };

    /// Tells whether the target writes on until the reply ends, whatever it is sent.
    #[must_use]
    pub fn runs_on(&self) -> bool {
        self.grants == Grants::UNLIMITED
    }

    /// Returns all policies that can be chosen; `runs_ahead` tells whether the verifier makes passes without drafts,
    /// `saves` whether passes are to be saved at any price.
    pub(super) fn all(runs_ahead: bool, saves: bool) -> Vec<Self> {
        let held = |weights: &'static [f64], grants| {
            let each = move |&weight: &f64| EARLY.map(|early| Self { drafts: true, grants, weight, early });
            weights.iter().flat_map(each)
        };
        let mut all: Vec<_> = held(&WEIGHTS, Grants::NONE).collect();
        if saves {
            all.extend(held(&THRIFTY_WEIGHTS, Grants::NONE));
        }
        if runs_ahead {
            all.extend([Self::RUN_AHEAD, Self::STREAM]);
            for (after_mismatch, after_agreement) in LIMITED {
                let grants = Grants { after_mismatch, after_agreement };
                all.extend(held(&LIMITED_WEIGHTS, grants));
            }
        }
        all
    }
}
