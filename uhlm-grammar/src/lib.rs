//! Grammars of replies: which tokens of a vocabulary may come next.
//!
//! [`Tables`] are made of a vocabulary once. They compile a [`Grammar`] into a [`Compiled`] one, which makes a
//! [`Matcher`] for each reply. The reading of schemas, expressions and grammars, and the walk through the vocabulary,
//! are [llguidance](https://docs.rs/llguidance)'s; this crate decides what is let through to it, how much work a
//! grammar may take, and which tokens are forced. Pure: no files, no clock in what it decides, no engine.
//!
//! # What is the same on both sides
//! The answers of a matcher are a function of the grammar, the vocabulary, the tokenizer and the tokens of the reply.
//! Device and verifier ask it about the same tokens, so both draw from the same masked logits.
//!
//! # Hostile grammars
//! A grammar comes from an app, and on a verifier from anybody. It is within
//! [`MAX_GRAMMAR_BYTES`](uhlm_law::grammar::MAX_GRAMMAR_BYTES), it is compiled on a thread of its own with a deep stack
//! and a deadline, and it has limits on states, on steps and on items (`limits`). What exceeds them is a
//! [`GrammarError`], or later a [`ConstraintError`].

mod error;
mod limits;
mod matcher;
mod source;
mod tables;
mod tokens;

pub use error::GrammarError;
pub use limits::COMPILE_TIME;
pub use matcher::Matcher;
pub use tables::{Compiled, Tables};
pub use uhlm_law::grammar::{Constraint, ConstraintError, Grammar};

#[cfg(test)]
mod tests;
