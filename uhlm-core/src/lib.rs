//! Uncertainty-aware hybrid inference.

pub mod cancel;
pub mod chat;
pub mod fingerprint;
pub mod link;
#[cfg(feature = "llama")]
pub mod llama;
pub mod model;
pub mod protocol;
pub mod rng;
pub mod runtime;
pub mod sampling;
pub mod speculative;
pub mod verification;
pub mod verifier;
