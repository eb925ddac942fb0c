//! The API of [`uhlm_core`] for Kotlin and Swift, through UniFFI.
//!
//! Types, conversions and one call a function. Everything that decides is in the core, defaults included: an option
//! that is left out here has the core's. The names are the core's, too, with three exceptions that the generators ask
//! for: objects begin with `Uhlm`, an error's text is its `reason` (a Kotlin exception has a `message` already), and
//! durations are seconds, because Kotlin's generated ones need a newer Android than ours.
//!
//! A type of the core whose fields all exist in Kotlin and Swift is the core's own, described by `uniffi::remote`;
//! others, with durations, paths or `usize`, have a record of their own here and one conversion.
//!
//! # Rules of the border
//! - Pull, not push: [`UhlmGeneration::next`] waits for an event, and no event is pushed from a thread of ours. Only
//!   what the app lends is called back: a [`TokenProvider`], a [`Redactor`], a [`ToolRunner`], a [`LoadProgress`] and a
//!   [`LogSink`].
//! - There is one error, [`UhlmError`], whose kind says what failed.
//! - No call blocks its thread; what takes long is `async`.
//! - A generation that is cancelled, or whose last handle is gone, stops both models.
//! - A panic becomes an internal error of the generated code; none unwinds into the app.

mod catalogue;
mod choices;
mod config;
mod device;
mod engine;
mod error;
mod event;
mod generation;
mod keeping;
mod kit;
mod law;
mod logging;
mod models;
mod privacy;
mod seconds;
mod session;
mod statistics;
mod summary;
mod thread;
mod token;
mod tools;
mod totals;
mod verifier;

pub use catalogue::{CatalogueModel, CataloguePair, catalogue_pairs};
pub use choices::{DraftAhead, Grammar, Mode, OfflinePolicy, Overflow, Prompt, Thinking};
pub use config::{Accelerator, CachePrecision, GenerationOptions, LinkOptions, ModelOptions, SessionOptions};
pub use device::{DeviceState, MemoryEstimate, Thermal, available_memory, check_memory};
pub use engine::{LoadProgress, ModelInfo, NoGpu, UhlmEngine};
pub use error::{ErrorKind, Recovery, SavedSessionFault, UhlmError, error_title, recovery_hint};
pub use event::{
    Decision, FinishReason, GenerationEvent, LinkCause, LinkState, Origin, TokenLogProbability, TokenText, Why,
};
pub use generation::UhlmGeneration;
pub use kit::{KitStatus, UhlmKit};
pub use law::{CloseRule, Estimator, Goal, LogitBias, Pace, Predictor, SamplingParams};
pub use logging::{LogError, LogLevel, LogSink, install_log_sink};
pub use models::{
    DownloadEvent, DownloadPhase, DownloadRequest, RemoteFile, StoreOptions, StoredModel, StoredPart, UhlmDownload,
    UhlmModelStore, UnfinishedModel,
};
pub use privacy::{Consent, RedactionError, Redactor, Sent, SentKind, SentRecord};
pub use session::{ContextUse, Message, Role, SessionStatus, UhlmSession, UhlmStatusUpdates};
pub use statistics::{OriginCounts, Statistics};
pub use summary::{SummaryOptions, SummaryStep, UhlmSummary};
pub use token::{TokenError, TokenProvider};
pub use tools::{ToolCall, ToolChoice, ToolDefinition, ToolError, ToolResult, ToolRunner, ToolUse, Tools};
pub use totals::{Budget, Totals, totals_from_json, totals_sum, totals_to_json};
pub use verifier::{RemoteOptions, TrustPolicy, UhlmVerifier, VerifierInfo, VerifierLink};

uniffi::setup_scaffolding!();

/// Returns the version of this library.
#[uniffi::export]
#[must_use]
pub fn uhlm_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
