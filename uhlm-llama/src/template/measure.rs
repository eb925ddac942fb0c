//! The measure of a value.

use minijinja::Error;

use super::limits::{ITEM, MAX_DEPTH, fits, fits_items, refused};

/// What a value takes, each value in it counted as often as it occurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Bytes of the texts in it.
    pub(super) bytes: usize,
    /// Number of values, itself included.
    pub(super) items: usize,
    /// Levels of lists and mappings.
    pub(super) depth: usize,
    /// Whether it is data alone: no namespace, loop or other object, which change, or refer to what holds them.
    pub(super) is_data: bool,
}

impl Weight {
    /// Bytes that it counts for where it is read.
    pub(super) fn cost(&self) -> usize {
        self.bytes + ITEM * self.items
    }

    /// Refuses what is larger than one value may be.
    pub(super) fn checked(self) -> Result<Self, Error> {
        fits(self.bytes)?;
        fits_items(self.items)?;
        if self.depth > MAX_DEPTH { Err(too_deep()) } else { Ok(self) }
    }

    /// Adds what a value in it takes.
    pub(super) fn add(&mut self, other: Self) -> Result<(), Error> {
        self.bytes += other.bytes;
        self.items += other.items;
        self.depth = self.depth.max(1 + other.depth);
        self.is_data &= other.is_data;
        self.checked().map(drop)
    }
}

/// Makes the error of a value that is too deep.
pub(super) fn too_deep() -> Error {
    refused(format!("a value of more than {MAX_DEPTH} levels"))
}
