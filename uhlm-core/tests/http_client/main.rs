//! The HTTPS client against a server on loopback that misbehaves in every way a network can.
#![allow(missing_docs, unreachable_pub)] // a test binary has no users

mod answers;
mod connections;
mod downloads;
mod exchanges;
mod faults;
mod hostile;
mod streams;
mod support;
mod tokens;
mod trust;
