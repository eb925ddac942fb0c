//! Replies with a grammar: every text is of it, and it is the target's own under the mask, whatever drafted it.

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no users")]
#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

mod bridged;
mod cost;
mod endings;
mod equality;
mod gateway;
mod real;
mod refusals;
mod schemas;
mod support;
mod validity;
