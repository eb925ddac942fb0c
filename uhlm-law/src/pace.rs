//! The pace: the worth of the target's passes, and what follows from it for drafts, grants and windows.
//!
//! Device and target write the same text, so the target need not wait for drafts: it can run ahead and stream. What
//! it is granted, whether the device drafts at all, and how long drafted tokens are held together are a [`Policy`].
//! Which one serves a [`Pace`] best depends on everything that can be measured ([`Costs`](crate::window::Costs)) and on
//! how well the drafts are hit and foreseen; so the [`Pacer`] tries each policy on the last tokens by a [`forecast`]
//! and takes the one with the least
//!
//! ```text
//! seconds a token  x  (passes a token) ^ lambda
//! ```
//!
//! with `lambda` 0 for [`Pace::Fastest`], 0.15 for [`Pace::Balanced`] and 1 for [`Pace::Thrifty`], among those that
//! take at most 1 % and 8 % longer than the fastest windows without grants: however much a pass counts, a reader waits.
//!
//! | file | decides |
//! |---|---|
//! | `policy` | what can be chosen |
//! | `sending` | whether drafted tokens are sent now, under a policy |
//! | `forecast` | what a policy would have taken for the last tokens |
//! | `pacer` | which policy holds |

mod forecast;
mod pacer;
mod policy;
mod sending;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use forecast::{Forecast, Tried, forecast};
pub use pacer::Pacer;
pub use policy::Policy;
pub use sending::{LEAST_SURVIVAL, LONGEST_WINDOW, Moment, Rhythm};

/// The worth of a pass of the target, in the mode `exact`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Nothing but time counts. Never slower than streaming the target, and plain streaming, at one pass a token,
    /// where the target is faster than the device.
    Fastest,
    /// A pass counts a little: a quarter fewer passes are worth 4 % of the time, as far as that is no slower than the
    /// fastest windows.
    #[default]
    Balanced,
    /// As few passes as speed allows: half the passes are worth twice the time, as far as that is nearly as fast as the
    /// fastest windows.
    Thrifty,
}

impl Pace {
    /// All paces.
    pub const ALL: [Self; 3] = [Self::Fastest, Self::Balanced, Self::Thrifty];

    /// Returns the exponent `lambda` of the passes a token.
    #[must_use]
    pub fn exponent(self) -> f64 {
        match self {
            Self::Fastest => 0.0,
            Self::Balanced => 0.15,
            Self::Thrifty => 1.0,
        }
    }

    /// Returns the factor by which a reply may take longer than with the fastest windows without grants.
    fn may_lose(self) -> f64 {
        match self {
            Self::Fastest => 1.0,
            Self::Balanced => 1.01,
            Self::Thrifty => 1.08,
        }
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fastest => "fastest",
            Self::Balanced => "balanced",
            Self::Thrifty => "thrifty",
        })
    }
}

/// The text names no pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pace: fastest, balanced or thrifty")]
pub struct InvalidPace;

impl FromStr for Pace {
    type Err = InvalidPace;

    fn from_str(text: &str) -> Result<Self, InvalidPace> {
        Self::ALL.into_iter().find(|pace| pace.to_string() == text).ok_or(InvalidPace)
    }
}
