//! The text that reaches the verifier, what the record says of it, and that nothing is sent without consent.
#![allow(missing_docs)] // a test binary has no users

mod consent;
mod device;
mod sockets;
mod support;
