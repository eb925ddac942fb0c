//! Resources of which there is a limited amount while requests are under way: places in the queue, and bytes of bodies.
//!
//! Decides who may take how much. An amount that was taken is given back when its holder is dropped, so that it cannot
//! outlive the future of its request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uhlm_law::advance::{ErrorBody, ErrorCode};

use super::Owner;

/// The reason why nothing is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The owner would have more than one owner may have.
    Owner,
    /// There is not enough left for anybody.
    All,
}

impl Full {
    /// Makes the refusal of a request by its owner's limit or by the server's. `what` there is too much of.
    pub(crate) fn refusal(self, what: &str) -> ErrorBody {
        match self {
            Self::Owner => ErrorBody::new(ErrorCode::RateLimited, format!("this client has too many {what}")),
            Self::All => ErrorBody::new(ErrorCode::Unavailable, format!("there are too many {what}")),
        }
    }
}

/// The account of how much each owner has taken; the code of it is pure.
#[derive(Debug)]
struct Ledger {
    capacity: usize,
    /// Largest amount that one owner may have.
    each: usize,
    taken: usize,
    by_owner: HashMap<Owner, usize>,
}

impl Ledger {
    fn take(&mut self, owner: Owner, amount: usize) -> Result<(), Full> {
        let has = self.by_owner.get(&owner).copied().unwrap_or(0);
        if amount > self.capacity.saturating_sub(self.taken) {
            return Err(Full::All);
        }
        if amount > self.each.saturating_sub(has) {
            return Err(Full::Owner);
        }
        if amount > 0 {
            self.taken += amount;
            self.by_owner.insert(owner, has + amount);
        }
        Ok(())
    }

    fn give_back(&mut self, owner: Owner, amount: usize) {
        self.taken = self.taken.saturating_sub(amount);
        if let Some(has) = self.by_owner.get_mut(&owner) {
            *has = has.saturating_sub(amount);
            if *has == 0 {
                self.by_owner.remove(&owner);
            }
        }
    }
}

/// A limited amount of something, of which each owner may have a part.
#[derive(Clone, Debug)]
pub(crate) struct Pool(Arc<Mutex<Ledger>>);

impl Pool {
    /// Makes a pool of `capacity`, of which one owner may have `each`.
    pub(crate) fn new(capacity: usize, each: usize) -> Self {
        Self(Arc::new(Mutex::new(Ledger { capacity, each, taken: 0, by_owner: HashMap::new() })))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Each change of it is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an amount for `owner`.
    ///
    /// # Errors
    /// [`Full`], which tells why the amount is not given.
    pub(crate) fn take(&self, owner: Owner, amount: usize) -> Result<Held, Full> {
        self.ledger().take(owner, amount)?;
        Ok(Held { pool: self.clone(), owner, amount })
    }
}

/// An amount that was taken, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pool: Pool,
    owner: Owner,
    amount: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.ledger().give_back(self.owner, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Owner = Owner::Token([1; 32]);
    const B: Owner = Owner::Token([2; 32]);
    const C: Owner = Owner::Token([3; 32]);

    #[test]
    fn one_owner_has_its_part_and_all_together_no_more_than_there_is() {
        let pool = Pool::new(10, 6);
        let _a = (pool.take(A, 4).expect("room"), pool.take(A, 2).expect("room"));
        assert_eq!(pool.take(A, 3).err(), Some(Full::Owner));
        let b = pool.take(B, 4).expect("room");
        assert_eq!(pool.take(C, 1).err(), Some(Full::All));
        drop(b);
        assert!(pool.take(C, 4).is_ok());
    }

    #[test]
    fn what_is_dropped_is_given_back_and_nobody_is_remembered() {
        let pool = Pool::new(5, 5);
        for _ in 0..1000 {
            drop(pool.take(A, 5).expect("room"));
        }
        drop(pool.take(B, 0));
        assert!(pool.ledger().by_owner.is_empty());
        assert_eq!(pool.ledger().taken, 0);
    }
}
