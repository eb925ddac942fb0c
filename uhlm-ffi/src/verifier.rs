//! The HTTPS client of a verifier.

use std::sync::Arc;

use tokio::sync::oneshot;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{Verifier, VerifierError, VerifierExt as _};
use uhlm_law::digest::Digest;
use uhlm_net::PairingLink;

use crate::error::UhlmError;
use crate::seconds::duration;
use crate::token::{Provider, TokenProvider};

/// The server certificates that are accepted.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum TrustPolicy {
    /// A valid certificate for the host from one of Mozilla's root authorities, compiled in.
    BundledRoots,
    /// A valid certificate for the host from one of these authorities, and no other.
    Pem {
        /// PEM certificates.
        roots: String,
    },
    /// A valid certificate for the host whose key, moreover, is one of those named.
    Pins {
        /// SHA-256 over the DER of the certificate's `SubjectPublicKeyInfo`, in hex. Name the key in use and at least
        /// one backup that is kept offline, or losing the first locks every installed app out.
        pins: Vec<String>,
        /// PEM certificates of the authorities to verify against first; nothing for the bundled ones.
        roots: Option<String>,
    },
    /// The certificate with this SHA-256 and no other, for a self-signed certificate in development.
    Fingerprint {
        /// SHA-256 over the DER of the certificate, in hex. `uhlm serve` prints it.
        sha256: String,
    },
}

impl TrustPolicy {
    pub(crate) fn into_core(self) -> Result<uhlm_net::TrustPolicy, UhlmError> {
        let digest = |text: &str| text.parse::<Digest>().map_err(UhlmError::invalid);
        Ok(match self {
            Self::BundledRoots => uhlm_net::TrustPolicy::BundledRoots,
            Self::Pem { roots } => uhlm_net::TrustPolicy::Pem(roots.into_bytes()),
            Self::Pins { pins, roots } => uhlm_net::TrustPolicy::Pins {
                pins: pins.iter().map(|pin| digest(pin)).collect::<Result<_, _>>()?,
                roots: roots.map(String::into_bytes),
            },
            Self::Fingerprint { sha256 } => uhlm_net::TrustPolicy::Fingerprint(digest(&sha256)?),
        })
    }
}

/// The address of a verifier, and whom to trust.
#[derive(Clone, Debug, uniffi::Record)]
pub struct RemoteOptions {
    /// Address of the verifier, without `/v2/...`: `https://host[:port][/path]`.
    pub endpoint: String,
    /// Certificates that are accepted. Left out: `BundledRoots`.
    #[uniffi(default)]
    pub trust: Option<TrustPolicy>,
    /// Whether a verifier that lacks TLS 1.3 is spoken to. Left out: it is not.
    #[uniffi(default = false)]
    pub tls12: bool,
    /// Longest time for name resolution, TCP and TLS together, in seconds. Left out: 5.
    #[uniffi(default)]
    pub connect_timeout_seconds: Option<f64>,
    /// The `User-Agent` header. Left out: none is sent.
    #[uniffi(default)]
    pub user_agent: Option<String>,
}

/// The model that a verifier serves.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct VerifierInfo {
    /// Name of the target model.
    pub model: String,
    /// Largest length of a session's text, in tokens.
    pub context: u32,
    /// Whether the verifier hands whole replies to a chat service, by which nothing can be judged: only `RemoteOnly` is
    /// to be had then.
    #[uniffi(default = false)]
    pub hands_off: bool,
}

/// A verifier over HTTPS. Make one for each server: sessions that share it share its connection.
#[derive(uniffi::Object)]
pub struct UhlmVerifier {
    client: Arc<HttpVerifier>,
}

impl std::fmt::Debug for UhlmVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UhlmVerifier")
    }
}

impl UhlmVerifier {
    pub(crate) fn client(&self) -> Arc<dyn Verifier> {
        Arc::clone(&self.client) as _
    }
}

#[uniffi::export]
impl UhlmVerifier {
    /// Makes the client. It connects with the first call.
    ///
    /// # Errors
    /// `InvalidOptions`.
    #[uniffi::constructor(default(tokens))]
    pub fn new(options: RemoteOptions, tokens: Option<Arc<dyn TokenProvider>>) -> Result<Arc<Self>, UhlmError> {
        let mut config = HttpConfig::new(options.endpoint);
        config.trust = options.trust.map_or(Ok(uhlm_net::TrustPolicy::default()), TrustPolicy::into_core)?;
        if let Some(seconds) = options.connect_timeout_seconds {
            config.connect_timeout = duration("connect_timeout_seconds", seconds)?;
        }
        config.user_agent = options.user_agent;
        config.tls12 = options.tls12;
        config.token = tokens.map(|tokens| Arc::new(Provider(tokens)) as _);
        Ok(Arc::new(Self { client: Arc::new(HttpVerifier::new(config).map_err(UhlmError::invalid)?) }))
    }

    /// Asks the verifier which model it serves. This also opens the connection, so that the first reply need not wait
    /// for that.
    ///
    /// # Errors
    /// `Offline`, `ServerBusy`, `Unauthorized`, `Untrusted`, `Refused`.
    #[uniffi::method(default(timeout_seconds = 10.0))]
    pub async fn info(&self, timeout_seconds: f64) -> Result<VerifierInfo, UhlmError> {
        let deadline = duration("timeout_seconds", timeout_seconds)?;
        let (sender, answer) = oneshot::channel();
        // Held until the answer is there: dropped, it resets the request.
        let _call = self.client.info(deadline, move |result| drop(sender.send(result)));
        let info = answer.await.unwrap_or(Err(VerifierError::Cancelled))?.value;
        Ok(VerifierInfo { model: info.model, context: info.limits.context, hands_off: info.hands_off })
    }

    /// Gives the connection up, so that the next request makes a new one. This is for an app that was told of a new
    /// network, or came back from the background.
    pub fn reconnect(&self) {
        self.client.reconnect();
    }
}

/// A link that pairs the app with a verifier, `uhlm://verifier?...`, as `uhlm serve --qr` shows it to a camera. An
/// object and not a record, so that nothing prints the token that it holds.
#[derive(Debug, uniffi::Object)]
pub struct VerifierLink {
    link: PairingLink,
}

#[uniffi::export]
impl VerifierLink {
    /// Reads a link. Nothing is asked for over the network; ask the person before the verifier is used.
    ///
    /// # Errors
    /// `InvalidOptions`.
    #[uniffi::constructor]
    pub fn new(text: &str) -> Result<Arc<Self>, UhlmError> {
        Ok(Arc::new(Self { link: text.parse().map_err(UhlmError::invalid)? }))
    }

    /// Returns the address of the verifier, for `RemoteOptions`.
    pub fn endpoint(&self) -> String {
        self.link.endpoint.clone()
    }

    /// Returns whom to trust, for `RemoteOptions`: the one certificate that the link names, or `BundledRoots`.
    pub fn trust(&self) -> TrustPolicy {
        self.fingerprint().map_or(TrustPolicy::BundledRoots, |sha256| TrustPolicy::Fingerprint { sha256 })
    }

    /// Returns the SHA-256 of the certificate that alone is trusted, in hex; nothing where a root authority vouches for
    /// it.
    pub fn fingerprint(&self) -> Option<String> {
        self.link.fingerprint.map(|digest| digest.to_string())
    }

    /// Returns the bearer token that the link holds. Keep it where the system keeps secrets.
    pub fn token(&self) -> Option<String> {
        self.link.token.as_ref().map(|token| token.expose().to_owned())
    }
}
