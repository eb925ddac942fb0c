//! Uncertainty-aware hybrid inference.

pub mod cancel;
pub mod chat;
pub mod fingerprint;
#[cfg(feature = "llama")]
pub mod llama;
pub mod model;
pub mod protocol;
pub mod rng;
pub mod sampling;
pub mod speculative;
pub mod verification;
pub mod verifier;
