//! The law of hybrid inference, for the device and the verifier alike. Pure: no files, no clock, no threads, no runtime.
//!
//! Everything that decides about tokens is here, once, so that both sides of the wire call the same code:
//!
//! | module | decides |
//! |---|---|
//! | [`model`], [`chat`] | what is needed of a language model: vocabulary, tokens, sequences, chat template |
//! | [`sampling`] | how logits become the distribution that a token is drawn from |
//! | [`uncertainty`] | how unsure the draft model is about a token |
//! | [`calibration`], [`gate`] | what that uncertainty means for a pair of models, and whether a token is judged |
//! | [`window`] | when drafted tokens are sent to be judged, by what everything costs |
//! | [`speculative`] | which drafted tokens stand, and what replaces one that does not |
//! | [`protocol`], [`verification`] | the bodies on the wire, and the verifier's bookkeeping of one session |
//!
//! Time is an argument and randomness a seed ([`rng`]): the same inputs give the same result on every machine.

pub mod affine;
pub mod calibration;
pub mod cancel;
pub mod chat;
pub mod fingerprint;
pub mod gate;
pub mod model;
pub mod protocol;
pub mod rng;
pub mod sampling;
pub mod speculative;
pub mod uncertainty;
mod vector;
pub mod verification;
pub mod window;
