//! Settings of a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Tokens;
use crate::hand_off::HandOffOptions;
use crate::limits::Limits;
use crate::target::EngineOptions;
use crate::tls::TlsSource;
use crate::upstream::UpstreamOptions;

/// The port that is listened on unless another is given.
pub const DEFAULT_PORT: u16 = 8443;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The target model, a GGUF file.
    pub model: PathBuf,
    /// Options by which the engine runs the model.
    pub engine: EngineOptions,
    /// Engines behind HTTP that run the target; with them, `model` and `engine` are not used.
    pub upstream: Option<UpstreamOptions>,
    /// A chat service that writes whole replies; with it, `model`, `engine` and `upstream` are not used.
    pub hand_off: Option<HandOffOptions>,
    /// Whether devices whose model has another vocabulary are offered a file with the target's.
    pub offer_vocabulary: bool,
    /// Text files with system prompts that are no secret: what is decoded of them is shared across owners.
    pub system_prompts: Vec<PathBuf>,
    /// The address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Source of the certificate.
    pub tls: TlsSource,
    /// Whether clients without TLS 1.3 are let in.
    pub tls12: bool,
    /// Bearer tokens that are let in.
    pub tokens: Tokens,
    /// A file of further tokens, one per line, that is read again when it changes and, on Unix, at `SIGHUP`.
    pub token_file: Option<PathBuf>,
    /// Whether what follows a token and a `~` tells apart the devices that share it, each an owner of its own. Whoever
    /// has the token can make up labels.
    pub device_labels: bool,
    /// Whether an address other than loopback may be open to everybody.
    pub allow_anonymous: bool,
    /// Limits of what clients may ask and of what the server takes on.
    pub limits: Limits,
    /// Time for which the server goes on as before after `/readyz` has said that it is about to stop, so that whoever
    /// balances load notices.
    pub notice: Duration,
    /// Longest time that answers under way may take when the server stops.
    pub grace: Duration,
}

impl ServerConfig {
    /// Makes the settings of a server for this model on loopback, with a self-signed certificate and no tokens.
    #[must_use]
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self {
            model: model.into(),
            engine: EngineOptions::default(),
            upstream: None,
            hand_off: None,
            offer_vocabulary: true,
            system_prompts: Vec::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            tls: TlsSource::default(),
            tls12: false,
            tokens: Tokens::default(),
            token_file: None,
            device_labels: false,
            allow_anonymous: false,
            limits: Limits::default(),
            notice: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }
}
