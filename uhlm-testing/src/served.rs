//! A real `uhlm-server` with the bundled target, over HTTPS on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_law::advance::Info;
use uhlm_law::digest::Digest;
use uhlm_llama::Accelerator;
use uhlm_net::TrustPolicy;
use uhlm_server::target::Target;
use uhlm_server::{EngineOptions, Metrics, Server, ServerConfig, ServerHandle};

use crate::pair;

/// A running server, which is shut down when it is dropped.
pub struct Served {
    runtime: Runtime,
    handle: Option<ServerHandle>,
    fingerprint: Digest,
}

impl Served {
    /// Starts a server on any free port.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|config| config)
    }

    /// Starts a server with the settings that `configure` makes of the usual ones.
    #[must_use]
    pub fn start_with(configure: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        Self::start_on(None, configure)
    }

    /// Starts a server on another engine than its own.
    #[must_use]
    pub fn start_with_target(target: Box<dyn Target>) -> Self {
        Self::start_on(Some(target), |config| config)
    }

    /// Starts a server with other settings, on another engine than its own if one is given.
    #[must_use]
    pub fn start_on(target: Option<Box<dyn Target>>, configure: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        // Threads that spin for each other are slow where other tests want the cores.
        let engine = EngineOptions { accelerator: Accelerator::Cpu, threads: 1, ..EngineOptions::default() };
        let config = ServerConfig { listen, engine, ..ServerConfig::new(pair::file("demo-target.gguf")) };
        let config = configure(config);
        let server = match target {
            Some(target) => runtime.block_on(Server::with_target(config, target)),
            None => runtime.block_on(Server::bind(config)),
        };
        let server = server.expect("a server");
        let fingerprint = server.certificate().expect("a self-signed certificate").fingerprint;
        let handle = {
            let _inside = runtime.enter();
            server.spawn()
        };
        Self { runtime, handle: Some(handle), fingerprint }
    }

    fn handle(&self) -> &ServerHandle {
        self.handle.as_ref().expect("taken only by drop and stop")
    }

    /// Returns what the server tells of itself.
    #[must_use]
    pub fn info(&self) -> &Info {
        self.handle().info()
    }

    /// Returns the URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        self.handle().url().to_owned()
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.handle().local_addr()
    }

    /// Returns the trust in the server's certificate alone.
    #[must_use]
    pub fn trust(&self) -> TrustPolicy {
        TrustPolicy::Fingerprint(self.fingerprint)
    }

    /// Returns the SHA-256 hash of the server's certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Returns a client of the server.
    #[must_use]
    pub fn verifier(&self) -> Arc<HttpVerifier> {
        let config = HttpConfig::new(self.url()).with_trust(self.trust());
        Arc::new(HttpVerifier::new(config).expect("a client"))
    }

    /// Returns the counters of the server.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(self.handle().metrics())
    }

    /// Shuts the server down and waits until it has ended.
    pub fn stop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.runtime.block_on(handle.shutdown()).expect("no panic in the server");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A test that fails already must not panic again here.
        if let Some(handle) = self.handle.take() {
            let outcome = self.runtime.block_on(handle.shutdown());
            assert!(outcome.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

#[cfg(test)]
mod tests;
