//! Uncertainty-aware hybrid inference.

pub mod calibration;
pub mod cancel;
pub mod chat;
pub mod fingerprint;
pub mod gate;
#[cfg(feature = "llama")]
pub mod llama;
pub mod model;
pub mod protocol;
pub mod rng;
pub mod sampling;
pub mod speculative;
pub mod uncertainty;
mod vector;
pub mod verification;
pub mod verifier;
