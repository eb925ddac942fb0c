//! The server over its own HTTPS, by theme. One binary: linking llama.cpp once is enough.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod continuation;
mod failures;
mod limits;
mod scheduling;
mod sessions;
mod support;
mod synthetic;
mod verify;
mod wire;
