//! An order among requests: those with one key have their turns as they came, those of others do not wait for them.
//!
//! A request with a grammar takes seconds until the grammar is compiled, and one with a long prompt until its body has
//! come. A later request of the session is of no use before it: the session knows nothing of the generation that the
//! first one begins, so it would be refused, asked again at once, and refused again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The right to go on, which waiters get in order.
type Right = Arc<tokio::sync::Mutex<()>>;

/// The order among the requests of each key.
#[derive(Debug)]
pub(crate) struct Order<K> {
    /// The right of each key that a request has or waits for.
    rights: Mutex<HashMap<K, Right>>,
}

impl<K> Default for Order<K> {
    fn default() -> Self {
        Self { rights: Mutex::default() }
    }
}

impl<K: Copy + Eq + Hash> Order<K> {
    /// Waits for the turn of a request: until those with the same key that asked before have given theirs back, by
    /// dropping it.
    pub(crate) async fn turn(&self, key: K) -> Turn<'_, K> {
        let mut turn = Turn { order: self, key, held: None };
        let right = Arc::clone(self.rights().entry(key).or_default());
        turn.held = Some(right.lock_owned().await);
        turn
    }

    fn rights(&self) -> MutexGuard<'_, HashMap<K, Right>> {
        // Each change of it is complete before anything can panic.
        self.rights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of a request, or its place among those that wait for one.
#[derive(Debug)]
pub(crate) struct Turn<'a, K: Copy + Eq + Hash> {
    order: &'a Order<K>,
    key: K,
    held: Option<OwnedMutexGuard<()>>,
}

impl<K: Copy + Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        let mut rights = self.order.rights();
        drop(self.held.take());
        // Whoever has the right or waits for it has a copy of it; the last one to go takes it away.
        if let Entry::Occupied(right) = rights.entry(self.key)
            && Arc::strong_count(right.get()) == 1
        {
            right.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_with_one_key_have_their_turns_in_order_and_others_at_once() {
        let order = Arc::new(Order::default());
        let told = Arc::new(Mutex::new(Vec::new()));
        let first = order.turn("a").await;
        let wait = |number: u8| {
            let (order, told) = (Arc::clone(&order), Arc::clone(&told));
            tokio::spawn(async move {
                let _turn = order.turn("a").await;
                told.lock().expect("nobody panics").push(number);
            })
        };
        let waiting: Vec<_> = (0..5).map(wait).collect();
        tokio::task::yield_now().await;
        drop(order.turn("b").await);
        assert!(told.lock().expect("nobody panics").is_empty());
        // One that goes away while it waits keeps nobody.
        waiting[2].abort();
        drop(first);
        for task in waiting {
            let _ = task.await;
        }
        assert_eq!(*told.lock().expect("nobody panics"), [0, 1, 3, 4]);
        assert!(order.rights().is_empty());
    }
}
