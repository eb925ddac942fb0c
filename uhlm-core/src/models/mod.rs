//! Getting models onto the device and keeping them there.
//!
//! A [`ModelStore`] is a folder. [`ModelStore::download`] brings a file into it from any HTTPS address or from a Hugging Face
//! repository ([`Source`]), from several mirrors if there are; it resumes after a broken connection or a killed process,
//! and a file gets its name only when it is whole, hashes to what was asked for and reads as GGUF. [`catalogue`] lists
//! pairs of draft and target that are known to share a vocabulary.
//!
//! Which model fits the device's memory is [`crate::memory`]'s matter, when to load on which network the app's:
//! [`ModelStore::set_metered`] takes what it knows.

pub mod catalogue;
mod client;
mod disk;
mod download;
mod error;
mod partial;
mod source;
mod store;
mod transfer;

pub use error::DownloadError;
pub use source::{InvalidSource, Source};
pub use store::{ModelStore, StoreConfig, StoreError, StoredModel, UnfinishedModel, Verification};
pub use transfer::{DownloadRequest, Phase, Progress, Transfer, TransferEvent};
