//! Getting models onto the device and keeping them there.
//!
//! A [`ModelStore`] is a folder. [`ModelStore::download`] brings a file into it from any HTTPS address or from a
//! Hugging Face repository ([`Source`]), from several mirrors if there are; it resumes after a broken connection or a
//! killed process, and a file gets its name only when it is whole and hashes to what was asked for, or reads as GGUF
//! where nobody says that. Two sources with the same file name are two models; a split model's parts are one.
//! A file that something else brought, the system's own download or a person, is checked and taken over
//! ([`ModelStore::adopt`]). [`catalogue`] lists pairs of draft and target that are known to share a vocabulary, and a
//! [`ModelKit`] is one of them with a store.
//!
//! Which model fits the device's memory is [`uhlm_llama::memory`]'s matter, when to load on which network the app's:
//! [`ModelStore::set_metered`] takes what it knows.

mod adopt;
pub mod catalogue;
mod client;
mod config;
mod disk;
mod download;
mod error;
mod handle;
mod held;
mod kit;
mod manifest;
mod naming;
mod pace;
mod partial;
mod parts;
mod progress;
mod request;
mod shared;
mod source;
mod store;
mod stored;
mod whole;

pub use self::adopt::{Adoption, RemoteFile};
pub use self::config::StoreConfig;
pub use self::error::DownloadError;
pub use self::handle::{Transfer, TransferEvent};
pub use self::kit::{KitError, KitStatus, ModelKit};
pub use self::progress::{Phase, Progress};
pub use self::request::DownloadRequest;
pub use self::source::{InvalidSource, Source};
pub use self::store::ModelStore;
pub use self::stored::{StoreError, StoredModel, StoredPart, UnfinishedModel, Verification};
