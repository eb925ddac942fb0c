//! The parts that every client of this SDK shares on the network.
//!
//! Decides whom a client trusts ([`TrustPolicy`]), where its bearer tokens come from ([`TokenProvider`]), that nobody
//! sees them ([`Secret`]), what a link holds that pairs an app with a verifier ([`PairingLink`]), how long a busy
//! server wants to be left alone ([`retry_after`]), and on which one thread of the process all that runs ([`runtime`]).
//! What is asked for over the connection, and what a failure means, is the business of the verifier's client and of the
//! downloads.

mod distrust;
mod environment;
mod pairing;
mod retry_after;
pub mod runtime;
mod secret;
mod tls;
mod token;
mod trust;

pub use rustls::ClientConfig;

pub use self::distrust::distrust_in;
pub use self::environment::trust_from_environment;
pub use self::pairing::{InvalidLink, PairingLink};
pub use self::retry_after::retry_after;
pub use self::secret::Secret;
pub use self::tls::client_config;
pub use self::token::{BearerToken, InvalidToken, TokenCache, TokenError, TokenFuture, TokenProvider};
pub use self::trust::{TrustError, TrustPolicy};
