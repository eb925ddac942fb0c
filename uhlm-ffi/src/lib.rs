//! What Kotlin and Swift see of [`uhlm_core`], through UniFFI.
//!
//! Types, conversions and one call a function; everything that decides is in the core, defaults included: an option
//! left out here is the core's. The names are the core's, too, with three exceptions that the generators ask for:
//! objects begin with `Uhlm`, error fields are `reason` (a Kotlin exception has a `message` already), and durations are
//! seconds, because Kotlin's generated ones need a newer Android than ours.
//!
//! # Rules of the border
//! - Pull, not push: [`UhlmGeneration::next`] waits for an event; no event is pushed from
//!   a thread of ours. The two things that are called back are what the app lends: a `TokenProvider`
//!   and a [`LogSink`].
//! - No call blocks its thread; what takes long is `async`.
//! - A generation that is cancelled, or whose last handle is gone, stops both models.
//! - A panic becomes an internal error of the generated code; none unwinds into the app.

mod config;
mod device;
mod engine;
mod error;
mod event;
mod generation;
mod law;
mod logging;
mod models;
mod privacy;
mod session;
mod statistics;
mod thread;
mod token;
mod verifier;

pub use config::{
    DraftAhead, GenerationOptions, LinkOptions, Mode, ModelOptions, OfflinePolicy, Overflow, Prompt, SessionOptions,
    Thinking,
};
pub use device::{DeviceState, MemoryEstimate, Thermal, available_memory, check_memory};
pub use engine::{LoadProgress, ModelInfo, UhlmEngine};
pub use error::{Recovery, UhlmError, recovery_hint};
pub use event::{FinishReason, GenerationEvent, LinkCause, LinkState, Origin, TokenText};
pub use generation::UhlmGeneration;
pub use law::{CloseRule, Estimator, Goal, Pace, Predictor, SamplingParams};
pub use logging::{LogLevel, LogSink, install_log_sink};
pub use models::{
    CatalogueModel, CataloguePair, DownloadEvent, DownloadPhase, DownloadRequest, ModelStoreError, StoreOptions,
    StoredModel, UhlmDownload, UhlmModelStore, UnfinishedModel, catalogue_pairs,
};
pub use privacy::{Consent, RedactionError, Redactor, Sent, SentKind, SentRecord};
pub use session::{ContextUse, Message, Role, SessionStatus, UhlmSession, UhlmStatusUpdates};
pub use statistics::{OriginCounts, Statistics};
pub use token::{TokenError, TokenProvider};
pub use verifier::{RemoteOptions, TrustPolicy, UhlmVerifier, VerifierInfo};

uniffi::setup_scaffolding!();

/// The version of this library.
#[uniffi::export]
#[must_use]
pub fn uhlm_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
