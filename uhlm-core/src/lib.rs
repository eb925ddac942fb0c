//! Uncertainty-aware hybrid inference: a small model drafts on the device, a large one judges where it must.
//!
//! An [`Engine`](engine::Engine) loads a draft model (GGUF, through llama.cpp) once. A [`Session`](session::Session)
//! is one conversation on it, mostly with a [`Verifier`](verifier::Verifier) that runs the target model elsewhere.
//! Each reply is a [`Generation`](generation::Generation): a stream of [`Event`](event::Event)s that is pulled, and
//! that stops both models when it is cancelled or dropped.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use uhlm_core::engine::Engine;
//! use uhlm_core::event::Event;
//! use uhlm_core::options::{GenerationOptions, Prompt, SessionOptions};
//! use uhlm_core::privacy::Consent;
//! use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
//! use uhlm_llama::LoadOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::load("draft.gguf", &LoadOptions::default())?;
//! let verifier = HttpVerifier::new(HttpConfig::new("https://verifier.example"))?;
//! // Without consent nothing leaves the device.
//! let options = SessionOptions { consent: Consent::Conversation, ..SessionOptions::default() };
//! let session = engine.session(Some(Arc::new(verifier)), options)?;
//!
//! let mut generation = session.generate(Prompt::Chat("What is 17 + 25?".into()), GenerationOptions::default())?;
//! while let Some(event) = generation.blocking_next() {
//!     match event? {
//!         Event::Committed { token, .. } => print!("{}", token.text),
//!         Event::Finished { statistics, .. } => println!("\n{:.1} tokens/s", statistics.tokens_per_second()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - In [`Mode::Exact`](mode::Mode::Exact) the text is, token by token, what the target model alone writes with the
//!   same seed, whatever the draft model, the windows and the network do ([`uhlm_law::noise`] has the rule). It is so
//!   for the probabilities of the pass that judged a token: how many rows share a pass moves them a little, and near
//!   ties can fall either way (`uhlm bench noise` measures how often).
//! - Committed text is never taken back: not by a verdict, not by a failure, not by cancelling.
//! - `q`, the draft model's distribution, never leaves the device, and nothing does without [`privacy::Consent`].
//! - No call blocks, but for loading a model and those named `blocking_`.
//!
//! # Cancel safety
//! Every async function may be dropped at any await point. Dropping a generation stops the draft model within one
//! decode step and resets the HTTP/2 stream of the request in flight, which takes it out of the verifier's queue.

pub mod calibration_file;
pub mod clock;
pub mod device;
pub mod engine;
pub mod error;
pub mod event;
pub mod generation;
pub mod link;
pub mod metrics;
pub mod mode;
pub mod options;
pub mod origin;
pub mod privacy;
pub mod seed;
pub mod session;
mod state;
pub mod verifier;
