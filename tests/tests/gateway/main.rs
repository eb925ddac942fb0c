//! The verifier before engines behind HTTP: the text is the target's own whatever the engines do. They are stand-ins of
//! the documented shapes, run by the bundled target; `real.rs` asks real ones.

#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

mod equality;
mod faults;
mod hand_off;
mod histories;
mod real;
mod refusals;
mod support;
