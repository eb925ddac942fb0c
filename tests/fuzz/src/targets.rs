//! The targets, one a file.

pub(crate) mod calibration;
#[cfg(feature = "files")]
pub(crate) mod config;
pub(crate) mod device;
#[cfg(feature = "files")]
pub(crate) mod gguf;
#[cfg(feature = "files")]
pub(crate) mod load;
pub(crate) mod schema;
#[cfg(feature = "files")]
pub(crate) mod session;
#[cfg(feature = "files")]
pub(crate) mod store;
#[cfg(feature = "files")]
pub(crate) mod template;
pub(crate) mod text;
pub(crate) mod tools;
pub(crate) mod verifier;
pub(crate) mod wire;
#[cfg(feature = "files")]
mod written;
