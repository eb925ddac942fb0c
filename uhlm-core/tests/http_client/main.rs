//! The HTTPS client against a server on loopback that misbehaves in every way a network can.
#![allow(missing_docs, unreachable_pub)] // a test binary has no users

mod answers;
mod continuations;
mod downloads;
mod exchanges;
mod faults;
mod support;
mod trust;
