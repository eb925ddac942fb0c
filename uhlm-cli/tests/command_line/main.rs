//! The program as a person meets it: wrong input, pipes that close, hostile names, whom it trusts, and what
//! it never prints.
#![allow(missing_docs)] // a test binary has no users

mod hostile;
mod pulling;
mod secrets;
mod support;
mod wrong_input;
