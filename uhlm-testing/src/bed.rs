//! A bed for whole sessions: device, link and verifier on one virtual clock, everything from one seed.
//!
//! [`history`](history()) runs `uhlm_core`'s own session against target sessions of two replicas behind a network that
//! loses, repeats, delays and breaks off, and checks what the session says ([`check`]). Nothing races: the session's
//! thread is the only one that moves the clock, answers reach it as deliveries of that clock, and the thread that
//! runs the history waits meanwhile. So a history that fails is run again by its number.
//!
//! | part | decides |
//! |---|---|
//! | [`plan`] | what a seed makes of options, models, ways and faults |
//! | [`clock`] | when which thread goes on |
//! | [`network`], [`uplink`] | what becomes of a message |
//! | `server` | what replicas do with requests |
//! | [`check`] | what a session may say |

pub mod check;
pub mod clock;
pub mod dice;
pub mod draft;
pub mod faults;
mod history;
pub mod network;
pub mod plan;
mod server;
#[cfg(test)]
mod slow;
pub mod uplink;
mod wire;

pub use history::{Summary, Violation, history};
