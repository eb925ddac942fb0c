//! `exact` writes, token by token, what the target alone writes with the same seed: over the full path, device,
//! HTTPS, server, real models.

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no users")]
#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

mod batches;
mod broken;
mod equality;
mod gpu;
mod law;
mod padding;
mod recording;
mod support;
