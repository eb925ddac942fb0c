//! Fixtures for tests that cross parts: the bundled pair behind a real server, synthetic models, statistics.

pub mod goodness;
pub mod pair;
pub mod served;
pub mod synthetic;
