//! The program as a person meets it: wrong input, pipes that close, hostile names, whom it trusts, what it
//! never prints, and its own storms.
#![allow(missing_docs)] // a test binary has no users

mod hostile;
mod pulling;
mod secrets;
mod storms;
mod support;
mod wrong_input;
