//! The settings of engines.

use std::fmt;
use std::str::FromStr;

use uhlm_net::{BearerToken, TrustPolicy};

use crate::engine::EngineKind;
use crate::identity::Probe;

/// One engine: its kind and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAddress {
    /// Kind of the engine.
    pub kind: EngineKind,
    /// Base of its URLs, `http` or `https`, without a slash at its end.
    pub url: String,
}

impl EngineAddress {
    /// Makes the address of an engine; a slash at the end of the URL is dropped.
    ///
    /// # Errors
    /// [`InvalidUrl`] for what is no URL of HTTP.
    pub fn new(kind: EngineKind, url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self { kind, url: plain_url(url)? })
    }
}

/// Returns a base of URLs without the slash at its end.
pub(crate) fn plain_url(url: &str) -> Result<String, InvalidUrl> {
    // What may hold a password or a key is not quoted.
    let refused = || InvalidUrl(if url.contains(['@', '?']) { "this" } else { url }.to_owned());
    let parsed = reqwest::Url::from_str(url).map_err(|_| refused())?;
    let is_plain = parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none();
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() || !is_plain {
        return Err(refused());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.kind, self.url)
    }
}

/// A text that is no URL of an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no URL of an engine: http or https, a host, and no user, password or query")]
pub struct InvalidUrl(String);

/// The settings of all engines that run one target.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The engines; all of them run the same model.
    pub engines: Vec<EngineAddress>,
    /// Key that all of them are asked with. It goes nowhere else.
    pub key: Option<BearerToken>,
    /// Certificates of engines behind HTTPS that are trusted.
    pub trust: TrustPolicy,
    /// Texts with the ids that they have in the target's vocabulary.
    pub probes: Vec<Probe>,
    /// Largest number of tokens that a row may list; 0 for what each engine allows.
    pub top: usize,
    /// Whether the operator says that the engines' rows do not depend on what shares a batch.
    pub batch_invariant: bool,
}
