//! The faults of a history, and their counts.

use std::collections::BTreeMap;
use std::fmt;

/// An event that disturbs a history: a fault, or something that comes between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A request is lost, and nothing says so.
    LostRequest,
    /// No connection comes about.
    Unreachable,
    /// The verifier is busy.
    Busy,
    /// A request arrives twice; the second answer goes nowhere.
    Repeated,
    /// A request takes much longer than others, so that later ones overtake it.
    LateRequest,
    /// An answer breaks off.
    Cut,
    /// The rest of an answer is lost, and nothing says so.
    Silent,
    /// A frame takes much longer than others.
    LateFrame,
    /// A reset is lost.
    LostReset,
    /// A pass fails.
    FailedPass,
    /// A replica starts again, without its sessions.
    Restart,
    /// A replica gives the caches of its sessions away.
    CacheEvicted,
    /// A replica forgets its sessions.
    SessionEvicted,
    /// Requests go to the other replica from now on.
    Switch,
    /// Nothing gets through for a while.
    Outage,
    /// The system reports another network.
    NetworkChange,
    /// The app cancels.
    Cancel,
}

/// The chances of the faults of single messages and passes, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    /// Chance of [`Fault::LostRequest`], and of [`Fault::LostReset`].
    pub lost: usize,
    /// Chance of [`Fault::Unreachable`].
    pub unreachable: usize,
    /// Chance of [`Fault::Busy`].
    pub busy: usize,
    /// Chance of [`Fault::Repeated`].
    pub repeated: usize,
    /// Chance of [`Fault::LateRequest`] and of [`Fault::LateFrame`].
    pub late: usize,
    /// Chance of [`Fault::Cut`].
    pub cut: usize,
    /// Chance of [`Fault::Silent`].
    pub silent: usize,
    /// Chance of [`Fault::FailedPass`].
    pub failed: usize,
}

/// The number of times that each fault happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Fault, u64>);

impl Counts {
    /// Counts a fault once more.
    pub fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// Adds another history's counts.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(&fault, count)| *self.0.entry(fault).or_default() += count);
    }

    /// Returns how often a fault happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Returns the number of different faults that happened.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (fault, count)) in self.0.iter().enumerate() {
            write!(f, "{}{fault:?} {count}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
