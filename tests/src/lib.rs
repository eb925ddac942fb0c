//! Fixtures for tests that cross parts: the bundled pair behind a real server, synthetic models, statistics, faults.

pub mod counted;
pub mod faulty;
pub mod file_server;
pub mod gguf;
pub mod goodness;
pub mod identity;
pub mod killed;
pub mod pair;
pub mod parrot;
pub mod proxy;
pub mod served;
pub mod spy;
pub mod synthetic;
