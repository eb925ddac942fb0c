//! The source of a seed where nobody gave one.

use std::hash::{BuildHasher as _, RandomState};

/// Draws a seed from the operating system's entropy, by way of the randomly keyed hasher of the standard library.
pub(crate) fn fresh() -> u64 {
    // There are two independently keyed hashers: each `RandomState` is keyed from OS entropy.
    RandomState::new().hash_one(std::time::SystemTime::now())
        ^ RandomState::new().hash_one(std::process::id()).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ() {
        // The seeds are equal by chance once in 2^64.
        assert_ne!(fresh(), fresh());
    }
}
