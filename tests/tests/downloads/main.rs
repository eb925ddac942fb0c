//! Downloads from a server on loopback that does everything wrong that a server, a network or a disk can.
#![allow(missing_docs)] // a test binary has no users

mod faults;
mod killed;
mod kits;
mod mirrors;
mod names;
mod plain;
mod room;
mod split;
mod support;
mod trusted;
