//! The server over its own HTTPS, by theme. One binary: linking llama.cpp once is enough.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod connections;
mod device;
mod endings;
mod equality;
mod failures;
mod flat;
mod grammars;
mod hostile;
mod judging;
mod limits;
mod logs;
mod prefixes;
mod progress;
mod refusals;
mod repeats;
mod running_ahead;
mod scheduling;
mod sessions;
mod support;
mod synthetic;
mod traffic;
mod wire;
mod writing;
