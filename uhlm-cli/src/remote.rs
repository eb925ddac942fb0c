//! Reads the flags that say where the verifier is and whether to trust it, and makes blocking calls to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::Args;
use uhlm_core::verifier::http::{ConfigError, HttpConfig, HttpVerifier};
use uhlm_core::verifier::{Answer, Verifier, VerifierError, VerifierExt as _};
use uhlm_law::advance::Info;
use uhlm_law::digest::Digest;
use uhlm_net::{BearerToken, Secret, TrustPolicy, trust_from_environment};

use crate::failure::Failure;

/// Longest time that a single answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The server that judges.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct RemoteArgs {
    /// The verifier, `https://host:port`
    #[arg(long, env = "UHLM_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Bearer token. Other users of this host can see flags: prefer UHLM_TOKEN
    #[arg(long, env = "UHLM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<Secret>,
    /// Trust exactly the certificate with this SHA-256 (`uhlm serve` prints it)
    #[arg(long, env = "UHLM_FINGERPRINT", value_name = "HEX", conflicts_with_all = ["ca", "pin"])]
    pub(crate) fingerprint: Option<Digest>,
    /// Trust these authorities instead of the public ones; without it SSL_CERT_FILE and SSL_CERT_DIR count
    #[arg(long, env = "UHLM_CA", value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// The server's key must have this SHA-256 (SPKI), besides a valid certificate; may be repeated
    #[arg(long, value_name = "HEX")]
    pub(crate) pin: Vec<Digest>,
    /// Speak TLS 1.2 with a server that lacks 1.3
    #[arg(long, env = "UHLM_CLIENT_TLS12", requires = "server")]
    pub(crate) client_tls12: bool,
}

impl RemoteArgs {
    /// Returns the client's settings; `None` without `--server`.
    pub(crate) fn config(&self) -> Result<Option<HttpConfig>, Failure> {
        let Some(server) = &self.server else { return Ok(None) };
        let trust = match self.fingerprint {
            Some(fingerprint) => TrustPolicy::Fingerprint(fingerprint),
            None => match authorities(self.ca.as_deref())? {
                trust if self.pin.is_empty() => trust,
                TrustPolicy::Pem(roots) => TrustPolicy::Pins { pins: self.pin.clone(), roots: Some(roots) },
                _ => TrustPolicy::Pins { pins: self.pin.clone(), roots: None },
            },
        };
        let config = HttpConfig { plain_loopback: true, tls12: self.client_tls12, ..HttpConfig::new(server) };
        let config = config.with_trust(trust);
        Ok(Some(match &self.token {
            Some(token) => {
                let token = BearerToken::new(token.expose()).map_err(|error| Failure::usage(error.to_string()))?;
                config.with_token(token)
            }
            None => config,
        }))
    }
}

/// Returns the authorities to trust: those of the file that was named, else those of the environment, else the public
/// ones.
pub(crate) fn authorities(file: Option<&Path>) -> Result<TrustPolicy, Failure> {
    match file {
        Some(path) => {
            let unreadable = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
            Ok(TrustPolicy::Pem(std::fs::read(path).map_err(unreadable)?))
        }
        None => match trust_from_environment() {
            Ok(trust) => Ok(trust.unwrap_or_default()),
            Err(error) => Err(Failure::new(error.to_string()).hint("unset the variable, or name a PEM file with --ca")),
        },
    }
}

/// Makes the client, which connects with the first call.
pub(crate) fn connect(config: HttpConfig) -> Result<Arc<dyn Verifier>, Failure> {
    let endpoint = config.endpoint.clone();
    let client = HttpVerifier::new(config).map_err(|error| match error {
        ConfigError::Endpoint { reason } => {
            let failure = Failure::usage(format!("{endpoint} is no address of a server: {reason}"));
            failure.hint("an address looks like https://host:8443")
        }
        error => Failure::usage(error.to_string()),
    })?;
    Ok(Arc::new(client))
}

/// Asks what the verifier serves, and waits for the answer.
pub(crate) fn info(verifier: &dyn Verifier) -> Result<Answer<Info>, VerifierError> {
    let (sender, answer) = channel();
    // After the time below nobody waits for the answer, so an error of sending it is of no interest.
    let call = verifier.info(DEADLINE, move |result| drop(sender.send(result)));
    match answer.recv_timeout(DEADLINE + Duration::from_secs(1)) {
        Ok(result) => {
            call.detach();
            result
        }
        Err(_) => Err(VerifierError::DeadlineExceeded { deadline: DEADLINE }),
    }
}
