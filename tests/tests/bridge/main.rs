//! Models with different vocabularies: the text is the target's own, whatever the draft model's tokens are.

#![allow(missing_docs, unreachable_pub, reason = "a test binary has no users")]
#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

mod choices;
mod equality;
mod session;
mod support;
mod tokenizers;
mod wrong_pairs;
