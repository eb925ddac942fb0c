//! The law of hybrid inference, for the device and the verifier alike. Pure: no files, no clock, no threads, no
//! runtime.
//!
//! Everything that decides about tokens is here, once, so that both sides of the wire call the same code:
//!
//! | module | decides |
//! |---|---|
//! | [`model`], [`chat`] | what is needed of a language model: vocabulary, tokens, sequences, chat template |
//! | [`token`] | what a token is: its id and its kind |
//! | [`noise`] | the random numbers that device and verifier share, one a position and token |
//! | [`sampling`] | how logits become the distribution that a token is drawn from, and the draw with shared noise |
//! | [`grammar`] | which form a reply is to have; which tokens that allows is asked of whoever reads grammars |
//! | [`uncertainty`] | how unsure the draft model is about a token |
//! | [`calibration`], [`gate`] | what that uncertainty means for a pair of models, and whether a token is judged |
//! | [`pass_times`] | how many drafted tokens a pass of the target is worth judging, by what passes have taken |
//! | [`ngram`] | which tokens the conversation proposes where a reply repeats it, and whether reading them ahead pays |
//! | [`window`] | when drafted tokens are sent to be judged, by what everything costs |
//! | [`pace`] | what the target's passes are worth: whether it runs ahead, and how long drafts are held together |
//! | [`advance`] | which drafted tokens stand: the protocol between device and verifier, and both sides of a session |
//! | [`bridge`] | how a draft model proposes for a target with another vocabulary |
//!
//! The arithmetic of what is learnt is in [`regression`]. Time is an argument and randomness a seed ([`rng`]): the same
//! inputs give the same result on every machine.

pub mod advance;
pub mod affine;
pub mod bridge;
pub mod calibration;
pub mod cancel;
pub mod chat;
pub mod digest;
pub mod fingerprint;
pub mod gate;
pub mod grammar;
pub mod model;
pub mod ngram;
pub mod noise;
pub mod pace;
pub mod pass_times;
pub mod regression;
pub mod rng;
pub mod sampling;
pub mod text;
pub mod token;
pub mod uncertainty;
mod vector;
pub mod window;
