//! How an [`HttpVerifier`](super::HttpVerifier) is set up: where it connects, whom it trusts, when it tries again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use uhlm_law::advance::Encoding;
use uhlm_net::{TokenProvider, TrustError, TrustPolicy};

/// When a request is sent a second time: only before anything of an answer came, so that it means the same as the
/// first; and it never waits past the call's deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Allows a second attempt at all.
    pub enabled: bool,
    /// The pause before it is drawn uniformly from half of this to this.
    pub back_off: Duration,
    /// The longest `Retry-After` that is waited for within a call; a longer one is
    /// [`VerifierError::Busy`](crate::verifier::VerifierError::Busy) at once.
    pub max_busy_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { enabled: true, back_off: Duration::from_millis(100), max_busy_wait: Duration::from_secs(1) }
    }
}

/// Settings of an [`HttpVerifier`](super::HttpVerifier).
#[derive(Clone)]
pub struct HttpConfig {
    /// Where `/v2/...` begins: `https://host[:port][/path]`.
    pub endpoint: String,
    /// Allows `http://` to this machine's own loopback, for development behind a tunnel.
    pub plain_loopback: bool,
    /// Gives bearer tokens; `None` sends no credentials.
    pub token: Option<Arc<dyn TokenProvider>>,
    /// Which certificates are accepted.
    pub trust: TrustPolicy,
    /// Lets in verifiers that lack TLS 1.3.
    pub tls12: bool,
    /// How bodies are encoded.
    pub encoding: Encoding,
    /// The longest time for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// When a request is sent a second time.
    pub retry: RetryPolicy,
    /// The `User-Agent` header; `None` sends none.
    pub user_agent: Option<String>,
}

impl HttpConfig {
    /// The defaults for an endpoint: bundled roots, no token, binary bodies.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            plain_loopback: false,
            token: None,
            trust: TrustPolicy::default(),
            tls12: false,
            encoding: Encoding::default(),
            connect_timeout: Duration::from_secs(5),
            retry: RetryPolicy::default(),
            user_agent: None,
        }
    }

    /// With a provider of bearer tokens.
    #[must_use]
    pub fn with_token(self, token: impl TokenProvider + 'static) -> Self {
        Self { token: Some(Arc::new(token)), ..self }
    }

    /// With another trust policy.
    #[must_use]
    pub fn with_trust(self, trust: TrustPolicy) -> Self {
        Self { trust, ..self }
    }
}

impl std::fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpConfig")
            .field("endpoint", &self.endpoint)
            .field("trust", &self.trust)
            .field("encoding", &self.encoding)
            .field("has_token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

/// Why no client could be made of a [`HttpConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint is not one that can be used.
    #[error("endpoint: {reason}")]
    Endpoint {
        /// Reason, for developers.
        reason: String,
    },
    /// The trust policy holds no certificate or pin, or one that cannot be read.
    #[error("trust policy: {reason}")]
    Trust {
        /// Reason, for developers.
        reason: String,
    },
    /// The system gives no threads or sockets, or the HTTP client rejects a value.
    #[error("cannot start the client: {reason}")]
    Start {
        /// Message of the system or the HTTP client.
        reason: String,
    },
}

impl From<TrustError> for ConfigError {
    fn from(error: TrustError) -> Self {
        Self::Trust { reason: error.reason }
    }
}

/// Reads the endpoint and makes it end in a slash, so that paths can be joined to it.
pub(super) fn endpoint(config: &HttpConfig) -> Result<Url, ConfigError> {
    let refuse = |reason: &str| Err(ConfigError::Endpoint { reason: reason.into() });
    let mut url = Url::parse(&config.endpoint).map_err(|error| ConfigError::Endpoint { reason: error.to_string() })?;
    match url.scheme() {
        "https" => {}
        "http" if !config.plain_loopback => return refuse("https is required"),
        "http" if !is_loopback(&url) => return refuse("plain http is for loopback addresses only"),
        "http" => {}
        _ => return refuse("https is required"),
    }
    if !url.has_host() {
        return refuse("a host is missing");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("credentials belong into the token, not into the address");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("a query or fragment has no place in it");
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(endpoint_text: &str, plain_loopback: bool) -> Result<String, ConfigError> {
        endpoint(&HttpConfig { plain_loopback, ..HttpConfig::new(endpoint_text) }).map(String::from)
    }

    #[test]
    fn endpoints_are_https_and_keep_their_path() {
        assert_eq!(read("https://host", false).as_deref(), Ok("https://host/"));
        assert_eq!(read("https://host:8443/llm/a", false).as_deref(), Ok("https://host:8443/llm/a/"));
        for refused in
            ["http://host", "http://127.0.0.1", "ftp://host", "host", "https://u:p@host", "https://host/?a=1"]
        {
            assert!(matches!(read(refused, false), Err(ConfigError::Endpoint { .. })), "{refused}");
        }
    }

    #[test]
    fn plain_http_needs_the_flag_and_a_loopback_address() {
        for allowed in ["http://127.0.0.1:80", "http://[::1]:8000", "http://localhost"] {
            assert!(read(allowed, true).is_ok(), "{allowed}");
        }
        for refused in ["http://10.0.0.1", "http://localhost.example", "http://127.0.0.1.example"] {
            assert!(matches!(read(refused, true), Err(ConfigError::Endpoint { .. })), "{refused}");
        }
    }

    #[test]
    fn settings_print_no_token() {
        let token = uhlm_net::BearerToken::new("s3cret").expect("a token");
        assert!(!format!("{:?}", HttpConfig::new("https://host").with_token(token)).contains("s3cret"));
    }
}
