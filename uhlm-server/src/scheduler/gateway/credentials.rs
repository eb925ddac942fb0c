//! Keys and certificates for whoever is asked, from their files.

use std::path::Path;

use uhlm_net::{BearerToken, Secret, TrustPolicy};

use crate::error::ServerError;

/// Reads a key. Its file is named in an error, and nothing of what is in it.
pub(super) fn key(path: &Path) -> Result<BearerToken, ServerError> {
    let unusable = |reason: String| ServerError::Config(format!("the key in {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map(Secret::from).map_err(|error| unusable(error.to_string()))?;
    BearerToken::new(text.expose().trim()).map_err(|error| unusable(error.to_string()))
}

pub(super) fn trust(path: &Path) -> Result<TrustPolicy, ServerError> {
    let unusable = |error: std::io::Error| ServerError::Config(format!("{}: {error}", path.display()));
    Ok(TrustPolicy::Pem(std::fs::read(path).map_err(unusable)?))
}
