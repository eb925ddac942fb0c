//! The text that reaches the verifier, what the record says of it, that nothing is sent without consent, and what
//! whoever sees the packets can read off them.
#![allow(missing_docs)] // a test binary has no users
#![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

mod consent;
mod device;
mod foreground;
mod observer;
mod sockets;
mod support;
