//! Rows of a target model that an engine behind HTTP runs: llama-server, vLLM, SGLang. And replies of a chat service.
//!
//! One question is asked here: the distributions of the tokens at some places of a text ([`Upstream::rows`]). It may be
//! asked any number of times, of any of the engines, so asking again is all that a failure needs. What a row is good
//! for (chain, noise, certainty) is the law's, and whose turn it is to ask is the server's.
//!
//! | module | decides |
//! |---|---|
//! | [`ask`] | what is asked for, and by which checks an answer is one to it |
//! | `engine` | the requests of each kind of engine, and how its answers are read |
//! | `identity` | whether an engine runs the target that it is to run |
//! | `breaker` | when an engine that has failed is tried again |
//! | `rendezvous` | which engine serves which session |
//! | `replica`, `upstream` | one engine with all that is known of it; all of them, repeats and hedges |
//! | [`chat`] | how a chat service is asked for a whole reply, which is all that it gives |
//!
//! Keys of engines go into a header that is marked as sensitive and nowhere else. Bodies are neither logged nor passed
//! on: an engine's message may quote what it was asked.

pub mod ask;
mod breaker;
pub mod chat;
mod engine;
mod error;
mod http;
mod identity;
mod rendezvous;
mod replica;
mod settings;
mod upstream;

pub use self::ask::{Ask, Token, TokenSet};
pub use self::engine::{Abilities, EngineKind, UnknownKind};
pub use self::error::{InvalidAnswer, UpstreamError};
pub use self::identity::{Mismatch, Probe};
pub use self::replica::ReplicaState;
pub use self::settings::{EngineAddress, InvalidUrl, Settings};
pub use self::upstream::{StartError, Upstream};
