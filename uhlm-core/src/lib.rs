//! Uncertainty-aware hybrid inference: a small model drafts on the device, a large one judges where it must.
//!
//! An [`Engine`] loads a draft model (GGUF, through llama.cpp) once. A [`Session`]
//! is one conversation on it, mostly with a [`Verifier`] that runs the target model elsewhere.
//! Each reply is a [`Generation`]: a stream of [`Event`]s that is pulled, and
//! that stops both models when it is cancelled or dropped.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use uhlm_core::{
//!     Consent, Engine, Event, GenerationOptions, HttpConfig, HttpVerifier, LoadOptions, Prompt, SessionOptions,
//! };
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
//! What an application needs is here at the root, with what it needs of the crates below. [`verifier`] has the rest for
//! whoever writes a verifier of their own, [`clock`] is for evaluations in another time than the real one.
//!
//! # Guarantees
//! - In [`Mode::Exact`] the text is, token by token, what the target model alone writes with the
//!   same seed, whatever the draft model, the windows and the network do ([`uhlm_law::noise`] has the rule). It is so
//!   for the probabilities of the pass that judged a token: how many rows share a pass moves them a little, and near
//!   ties can fall either way (`uhlm bench noise` measures how often).
//! - Committed text is never taken back: not by a verdict, not by a failure, not by cancelling.
//! - `q`, the draft model's distribution, never leaves the device, and nothing does without [`Consent`].
//! - No call blocks, but for loading a model and those named `blocking_`.
//!
//! # Cancel safety
//! Every async function may be dropped at any await point. Dropping a generation stops the draft model within one
//! decode step and resets the HTTP/2 stream of the request in flight, which takes it out of the verifier's queue.

pub mod calibration_file;
pub mod clock;
mod device;
mod engine;
mod error;
mod event;
mod generation;
mod language;
mod link;
mod metrics;
mod mode;
mod options;
mod origin;
mod prefixes;
mod privacy;
mod saved_session;
mod seed;
mod session;
mod state;
mod summary;
mod tools;
mod totals;
pub mod verifier;
mod vocabulary;
mod whole_file;
mod why;

pub use uhlm_law::calibration::Calibration;
pub use uhlm_law::chat::{DraftModel, Message, Role, TemplateError, TemplateVariables};
pub use uhlm_law::gate::{Goal, Predictor};
pub use uhlm_law::grammar::Grammar;
pub use uhlm_law::model::ModelError;
pub use uhlm_law::pace::Pace;
pub use uhlm_law::sampling::{LogitBias, SamplingError, SamplingParams, TokenId};
pub use uhlm_law::uncertainty::Estimator;
pub use uhlm_law::window::CloseRule;
pub use uhlm_llama::{Accelerator, Backend, CachePrecision, ContextSize, LoadError, LoadOptions, NoGpu};
pub use uhlm_net::{BearerToken, TokenError, TokenFuture, TokenProvider, TrustPolicy};

pub use self::device::{DevicePolicy, DeviceState, Thermal};
pub use self::engine::Engine;
pub use self::error::GenerationError;
pub use self::event::{Event, FinishReason, LinkCause, LinkState, TokenText};
pub use self::generation::{Canceller, Generation};
pub use self::link::LinkConfig;
pub use self::metrics::{OriginCounts, Statistics, VerdictTiming};
pub use self::mode::Mode;
pub use self::options::{
    DraftAhead, GenerationOptions, MAX_TOP_TOKENS, OfflinePolicy, Overflow, Prompt, SessionOptions, Thinking,
    USEFUL_REPLY,
};
pub use self::origin::Origin;
pub use self::privacy::{Consent, RecordOptions, Redaction, Sent, SentKind, SentRecord};
pub use self::saved_session::SavedSessionError;
pub use self::session::summarising::Summary;
pub use self::session::{Session, StatusUpdates};
pub use self::state::{ContextUse, SessionStatus};
pub use self::summary::{Summariser, SummaryOptions, SummaryStep};
pub use self::tools::{
    CallError, Runner, ToolCall, ToolChoice, ToolDefinition, ToolFailure, ToolResult, ToolRunner, ToolUse, Tools,
};
pub use self::totals::{Budget, Totals};
pub use self::verifier::http::{HttpConfig, HttpVerifier};
pub use self::verifier::{Verifier, VerifierError};
pub use self::why::{Decision, TokenLogProbability, Why};
