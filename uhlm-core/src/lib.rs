//! Uncertainty-aware hybrid inference.

pub mod calibration;
pub mod cancel;
pub mod chat;
#[cfg(feature = "llama")]
pub mod engine;
pub mod error;
pub mod event;
pub mod fingerprint;
pub mod gate;
pub mod generation;
pub mod link;
#[cfg(feature = "llama")]
pub mod llama;
pub mod metrics;
pub mod model;
pub mod protocol;
pub mod rng;
mod round;
pub mod runtime;
pub mod sampling;
pub mod session;
pub mod speculative;
mod text;
pub mod uncertainty;
mod vector;
pub mod verification;
pub mod verifier;
pub mod window;
