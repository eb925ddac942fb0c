//! Runs a verifier in this process, reached as any other: over TCP and TLS, with its certificate pinned.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use uhlm_core::verifier::Verifier;
use uhlm_core::verifier::http::HttpConfig;
use uhlm_eval::channel::{Channel, PacketChannel};
use uhlm_eval::shaper::Shaper;
use uhlm_law::advance::Info;
use uhlm_net::TrustPolicy;
use uhlm_server::{EngineOptions, Metrics, Server, ServerConfig, ServerHandle, Snapshot};

use crate::failure::Failure;
use crate::remote;

/// A running server on loopback and a client that trusts it. The server stops when this is dropped.
pub(crate) struct Loopback {
    server: Option<ServerHandle>,
    runtime: Runtime,
    metrics: Arc<Metrics>,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) info: Info,
    pub(crate) url: String,
    /// Trust in the certificate that was made for this run.
    pub(crate) trust: TrustPolicy,
    /// Modelled link between client and server, where a round trip is to take time.
    _link: Option<Shaper>,
}

impl Loopback {
    /// Loads the target and serves it on a free port of 127.0.0.1 with a certificate made for this run. Blocks until
    /// the server listens.
    pub(crate) fn start(target: &Path, threads: u32) -> Result<Self, Failure> {
        Self::start_behind(target, threads, Duration::ZERO)
    }

    /// Does as [`Self::start`] with a server that is reached over a link with this round trip, beside the time of
    /// loopback.
    pub(crate) fn start_behind(target: &Path, threads: u32, round_trip: Duration) -> Result<Self, Failure> {
        let config = ServerConfig {
            engine: EngineOptions { threads, ..EngineOptions::default() },
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..ServerConfig::new(target)
        };
        Self::start_all(config, round_trip)
    }

    /// Does as [`Self::start`] with a server of these settings.
    pub(crate) fn start_with(config: ServerConfig) -> Result<Self, Failure> {
        Self::start_all(config, Duration::ZERO)
    }

    fn start_all(config: ServerConfig, round_trip: Duration) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("uhlm-loopback")
            .enable_all()
            .build()
            .map_err(|error| Failure::new(format!("no threads for the server: {error}")))?;
        let server = runtime
            .block_on(async { Ok::<_, uhlm_server::ServerError>(Server::bind(config).await?.spawn()) })
            .map_err(Failure::from)?;
        let trust = server
            .certificate()
            .map(|certificate| TrustPolicy::Fingerprint(certificate.fingerprint))
            .unwrap_or_default();
        let mut address = server.local_addr();
        let mut link = None;
        if !round_trip.is_zero() {
            let channel = Channel::Packet(PacketChannel::steady(round_trip.as_secs_f64() * 1e3));
            let shaper = Shaper::start(address, channel, 0)
                .map_err(|error| Failure::new(format!("no link to the server: {error}")))?;
            address = shaper.address();
            link = Some(shaper);
        }
        let url = format!("https://{address}");
        let verifier = remote::connect(HttpConfig::new(&url).with_trust(trust.clone()))?;
        let (info, metrics) = (server.info().clone(), Arc::clone(server.metrics()));
        Ok(Self { server: Some(server), runtime, metrics, verifier, info, url, trust, _link: link })
    }

    /// Returns the server's counters as they are now.
    pub(crate) fn counters(&self) -> Snapshot {
        self.metrics.snapshot()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let _ = self.runtime.block_on(server.shutdown());
        }
    }
}
