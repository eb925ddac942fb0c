//! The program as a person meets it: wrong input, pipes that close, hostile names, and whom it trusts.
#![allow(missing_docs)] // a test binary has no users

mod hostile;
mod pulling;
mod support;
mod wrong_input;
