//! What goes wrong in a history, and how often it did.

use std::collections::BTreeMap;
use std::fmt;

/// Something that goes wrong, or comes between.
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

/// The chances of what befalls single messages and passes, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    /// Of [`Fault::LostRequest`], and of [`Fault::LostReset`].
    pub lost: usize,
    /// Of [`Fault::Unreachable`].
    pub unreachable: usize,
    /// Of [`Fault::Busy`].
    pub busy: usize,
    /// Of [`Fault::Repeated`].
    pub repeated: usize,
    /// Of [`Fault::LateRequest`] and of [`Fault::LateFrame`].
    pub late: usize,
    /// Of [`Fault::Cut`].
    pub cut: usize,
    /// Of [`Fault::Silent`].
    pub silent: usize,
    /// Of [`Fault::FailedPass`].
    pub failed: usize,
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Fault, u64>);

impl Counts {
    /// Counts one more.
    pub fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// Adds another history's.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(&fault, count)| *self.0.entry(fault).or_default() += count);
    }

    /// Returns how often a fault happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Returns the number of kinds that happened.
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
