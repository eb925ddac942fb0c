//! Fixtures for tests that cross parts: synthetic models, goodness-of-fit statistics.

pub mod goodness;
pub mod synthetic;
