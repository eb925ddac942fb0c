//! The verifier of U-HLM: a large target model that judges what many devices draft, and writes on for them, over HTTPS.
//!
//! [`Server::bind`] loads a model and listens, [`Server::run_until`] or [`Server::spawn`] serves. What is spoken is
//! `uhlm-verify/2`, described in `docs/protocol.md`; what a session holds and does next is
//! [`uhlm_law::advance::TargetSession`]'s, and the same code serves the in-process verifier.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use uhlm_server::{Server, ServerConfig};
//!
//! let server = Server::bind(ServerConfig::new("target.gguf")).await?;
//! if let Some(certificate) = server.certificate() {
//!     println!("{} with SPKI pin {}", server.url(), certificate.spki);
//! }
//! server.run_until(async { drop(tokio::signal::ctrl_c().await) }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//! One thread owns the target and decodes for all sessions (`scheduler`); everything else is tokio tasks that never
//! block. Each server has its own thread, certificate and counters, so tests run several in one process.
//!
//! # Cancellation, on the wire too
//! A client that resets an answer takes back what it has granted and drafted, within one pass of the engine; what was
//! decided stays, and a repeat of the request brings it. No reset ends a session.
//!
//! # What is logged
//! Session names cut to eight digits, counts, errors of engine and transport, and for each request its route, status,
//! time and trace (W3C `traceparent`). No text, no tokens, no credentials.

#[cfg(feature = "clap")]
mod accelerator_arg;
mod access;
#[cfg(feature = "clap")]
mod args;
mod auth;
mod config;
mod connection;
mod descriptors;
mod error;
mod exchange;
mod frames;
mod grammars;
pub mod hand_off;
#[cfg(feature = "clap")]
mod hand_off_args;
mod limits;
#[cfg(feature = "clap")]
mod log_format;
mod metrics;
mod order;
mod owner;
mod request_log;
mod router;
mod scheduler;
mod server;
mod session;
mod session_id;
mod signal;
pub mod target;
mod tls;
mod trace_context;
pub mod upstream;
#[cfg(feature = "clap")]
mod upstream_args;
mod visit;
mod wire;

#[cfg(feature = "clap")]
pub use accelerator_arg::AcceleratorArg;
#[cfg(feature = "clap")]
pub use args::ServeArgs;
pub use auth::{AuthError, MIN_TOKEN_LENGTH, Tokens};
pub use config::{DEFAULT_PORT, ServerConfig};
pub use error::ServerError;
#[cfg(feature = "clap")]
pub use hand_off_args::HandOffArgs;
pub use limits::{Limits, OwnerLimits};
#[cfg(feature = "clap")]
pub use log_format::LogFormat;
pub use metrics::{Metrics, Snapshot};
pub use server::{Server, ServerHandle};
pub use signal::shutdown_signal;
pub use target::EngineOptions;
pub use tls::{Certificate, TlsError, TlsSource};
#[cfg(feature = "clap")]
pub use upstream_args::UpstreamArgs;
