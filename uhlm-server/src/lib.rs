//! The verifier of U-HLM: a large target model that judges the windows of many devices over HTTPS.
//!
//! [`Server::bind`] loads a model and listens, [`Server::run_until`] or [`Server::spawn`] serves. What is spoken is
//! `uhlm-verify/1`, described in `docs/protocol.md`; bookkeeping and judging of a session are
//! [`uhlm_law::verification`]'s, and the same code serves the in-process verifier.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use uhlm_server::{Server, ServerConfig};
//!
//! let server = Server::bind(ServerConfig::new("target.gguf")).await?;
//! if let Some(certificate) = server.certificate() {
//!     println!("{} with SPKI pin {}", server.url(), certificate.spki);
//! }
//! server.run_until(async { drop(tokio::signal::ctrl_c().await) }).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//! One thread owns the target and decodes for all sessions (`scheduler`); everything else is tokio tasks that never
//! block. Each server has its own thread, certificate and counters, so tests run several in one process.
//!
//! # Cancellation, on the wire too
//! A client that resets a request takes it out of the queue; one that is being decoded is judged and kept, so that a repeat
//! with the same number brings that verdict. A continuation stops within one token of its stream being reset. No reset
//! ends a session.
//!
//! # What is logged
//! Session names cut to eight digits, counts, and errors of engine and transport. No text, no tokens, no credentials.

mod auth;
mod config;
mod connection;
mod error;
mod exchange;
mod frames;
mod limits;
mod metrics;
mod router;
mod scheduler;
mod server;
mod session;
mod session_id;
mod signal;
pub mod target;
mod tls;
mod wire;

pub use auth::{AuthError, MIN_TOKEN_LENGTH, Tokens};
#[cfg(feature = "clap")]
pub use config::ServeArgs;
pub use config::{DEFAULT_PORT, ServerConfig};
pub use error::ServerError;
pub use limits::Limits;
pub use metrics::{Metrics, Snapshot};
pub use server::{Server, ServerHandle};
pub use signal::shutdown_signal;
pub use target::EngineOptions;
pub use tls::{Certificate, TlsError, TlsSource};
