//! Measures U-HLM, its baselines and this SDK on the same prompts, seeds, fades and models.
//!
//! Time is virtual: models cost what [`pair::ComputeTimes`] says, messages take what a [`channel::Channel`] says, and
//! a run takes no longer than the real models need for their tokens. This SDK is measured as it is: `uhlm_core`'s own
//! session runs on a [`uhlm_core::clock::VirtualClock`] against a [`verifier::SimulatedVerifier`] that judges with the
//! real target, with a [`memory`] of it, or with a [`trace`]. The methods it is compared with are in [`baseline`], each
//! from its published rule, and in [`yesterday`].

pub mod baseline;
mod bed;
pub mod billing;
pub mod cells;
pub mod channel;
pub mod costs;
pub mod divergence;
pub mod error;
pub mod experiment;
pub mod lab;
pub mod law;
pub mod memory;
pub mod method;
pub mod models;
pub mod oracle;
pub mod paced;
pub mod pair;
pub mod plot;
pub mod product;
pub mod quality;
pub mod questions;
pub mod record;
pub mod replay;
pub mod reply;
pub mod report;
pub mod settings;
pub mod shaper;
pub mod statistics;
pub mod stream;
pub mod summary;
pub mod target;
pub mod tasks;
pub mod trace;
pub mod verifier;
pub mod yesterday;
