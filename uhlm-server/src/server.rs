//! The server as a whole: sets it up, accepts connections, and stops it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use uhlm_law::advance::{self, Capabilities, Info, PROTOCOL, VocabularyOffer};
use uhlm_law::model::LanguageModel;
use uhlm_law::sampling::TokenId;
use uhlm_llama::{LoadOptions, Model, VocabularyFile};

use crate::access::Access;
use crate::auth::Tokens;
use crate::config::ServerConfig;
use crate::connection::Connections;
use crate::descriptors;
use crate::error::ServerError;
use crate::exchange::Gate;
use crate::grammars::Grammars;
use crate::limits::{Limits, RateLimit};
use crate::metrics::Metrics;
use crate::order::Order;
use crate::owner::pool::Pool;
use crate::router::{App, router};
use crate::scheduler::Scheduler;
use crate::scheduler::gateway::Engines;
use crate::scheduler::gateway::counters::EngineCounters;
use crate::signal::Hangups;
use crate::target::{LlamaTarget, Target, TargetInfo, offered_vocabulary};
use crate::tls::{Certificate, Tls, TlsError, TlsSource};

/// Time between two looks at the files of the certificate and of tokens.
const RELOAD_EVERY: Duration = Duration::from_secs(60);
/// Services that a device can ask of any server beyond judging.
const CAPABILITIES: Capabilities = Capabilities::RUNS_AHEAD.union(Capabilities::MATCHED).union(Capabilities::PROGRESS);
/// Pause after a failed `accept` (no file descriptors left, mostly), before the next one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest grace period after the target has failed, in which those who wait for it are told.
const FAREWELL: Duration = Duration::from_secs(1);

/// Whatever runs the target.
enum Backend {
    /// This process.
    Target(Box<dyn Target>),
    /// Engines behind HTTP.
    Engines(Arc<Engines>),
}

impl Backend {
    fn info(&self) -> &TargetInfo {
        match self {
            Self::Target(target) => target.info(),
            Self::Engines(engines) => &engines.info,
        }
    }

    fn ends(&self) -> Vec<TokenId> {
        match self {
            Self::Target(target) => target.vocabulary().ends(),
            Self::Engines(engines) => engines.lexicon.vocabulary().ends(),
        }
    }

    /// Returns the language by which grammars are read, if there is one.
    fn language(&self) -> Option<Arc<dyn LanguageModel>> {
        match self {
            Self::Target(target) => target.language(),
            // A chat service cannot be kept to a grammar.
            Self::Engines(engines) => (!engines.hands_off()).then(|| engines.lexicon.language()),
        }
    }

    /// Returns what devices can ask for beyond judging. The probability of a token after the chain's cuts cannot be
    /// told from a part of a row.
    fn capabilities(&self, takes_grammars: bool) -> Capabilities {
        let own = match self {
            Self::Target(_) => CAPABILITIES.union(Capabilities::PROBABILITIES).union(Capabilities::WIDER_CHAIN),
            Self::Engines(engines) if engines.hands_off() => Capabilities::RUNS_AHEAD.union(Capabilities::PROGRESS),
            Self::Engines(_) => CAPABILITIES,
        };
        if takes_grammars { own.union(Capabilities::GRAMMAR) } else { own }
    }

    /// Returns the file with the vocabulary that is offered to devices with another one, if any is.
    fn vocabulary_file(&self) -> Option<VocabularyFile> {
        match self {
            Self::Target(target) => target.vocabulary_file(),
            Self::Engines(engines) => engines.vocabulary_file.clone(),
        }
    }

    /// Returns the number of contexts that the target's capacity is divided into.
    fn contexts(&self) -> u32 {
        match self {
            Self::Target(target) => target.contexts(),
            Self::Engines(_) => 1,
        }
    }

    /// Tells whether a chat service writes whole replies.
    fn hands_off(&self) -> bool {
        match self {
            Self::Target(_) => false,
            Self::Engines(engines) => engines.hands_off(),
        }
    }

    /// Describes the engines, for people; empty where this process runs the target.
    fn describe(&self) -> String {
        match self {
            Self::Target(_) => String::new(),
            Self::Engines(engines) => engines.describe(),
        }
    }

    fn start(
        self,
        limits: &Limits,
        offered: advance::Limits,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Scheduler, JoinHandle<()>)> {
        match self {
            Self::Target(target) => Scheduler::start(target, limits, offered, metrics),
            Self::Engines(engines) => {
                match EngineCounters::new(Arc::clone(&engines)) {
                    Ok(counters) => metrics.add(counters),
                    Err(error) => tracing::error!(%error, "the engines' counters are not shown"),
                }
                Scheduler::start_gateway(engines, limits, offered, metrics)
            }
        }
    }
}

/// Reads a system prompt; a line feed at the end of the file is none of it.
fn system_prompt(file: &Path) -> Result<String, ServerError> {
    let read = std::fs::read_to_string(file);
    let mut text = read.map_err(|error| ServerError::Config(format!("{}: {error}", file.display())))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// A server that listens; [`Self::run_until`] or [`Self::spawn`] serves.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    tls: Option<Tls>,
    thread: JoinHandle<()>,
    /// Whether there is a file of tokens.
    reloads: bool,
    notice: Duration,
    grace: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Loads the model of `config`, or reaches the engines that run it, binds its address and starts the scheduler's
    /// thread. Takes as long as the model takes to load. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError`]: nothing runs then.
    pub async fn bind(config: ServerConfig) -> Result<Self, ServerError> {
        // Mistakes in the settings are better reported before gigabytes are read.
        config.limits.check()?;
        if let Some(file) = &config.token_file {
            Tokens::read(file)?;
        }
        if let Some(hand_off) = &config.hand_off {
            if !config.offer_vocabulary {
                return Err(ServerError::Config(
                    "devices need the vocabulary that carries a chat service's text".into(),
                ));
            }
            let engines = Engines::hand_off(hand_off).await?;
            return Self::on(config, Backend::Engines(Arc::new(engines))).await;
        }
        if let Some(upstream) = &config.upstream {
            let engines = Engines::start(upstream, config.offer_vocabulary).await?;
            return Self::on(config, Backend::Engines(Arc::new(engines))).await;
        }
        let (path, engine, offers) = (config.model.clone(), config.engine.clone(), config.offer_vocabulary);
        let system_prompts =
            config.system_prompts.iter().map(|file| system_prompt(file)).collect::<Result<Vec<_>, _>>()?;
        let load = move || -> Result<LlamaTarget, ServerError> {
            let crate::EngineOptions { accelerator, gpu_layers, batch_invariant, .. } = engine;
            let options = LoadOptions { accelerator, gpu_layers, batch_invariant, ..LoadOptions::default() };
            let model = Model::load(&path, &options)?;
            let backend = model.backend();
            match &backend.no_gpu {
                None => tracing::info!(backend = backend.name, device = backend.description, "the target is on a GPU"),
                Some(reason) => tracing::info!(%reason, device = backend.description, "the target is on the CPU"),
            }
            let target = LlamaTarget::new(model, &engine)?;
            let declared = target.declaring(&system_prompts);
            let target = declared.map_err(|error| ServerError::Config(format!("--system-prompt: {error}")))?;
            Ok(target.offering(offered_vocabulary(&path, offers)))
        };
        let failed = |error: tokio::task::JoinError| ServerError::Config(format!("loading the model failed: {error}"));
        let target = tokio::task::spawn_blocking(load).await.map_err(failed)??;
        Self::with_target(config, Box::new(target)).await
    }

    /// Makes a server as [`Self::bind`] does, with a target that is there already: `config.model` and `config.engine`
    /// are not used.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn with_target(config: ServerConfig, target: Box<dyn Target>) -> Result<Self, ServerError> {
        Self::on(config, Backend::Target(target)).await
    }

    async fn on(config: ServerConfig, backend: Backend) -> Result<Self, ServerError> {
        let ServerConfig { listen, tls, tls12, allow_anonymous, limits, notice, grace, .. } = config;
        let reloads = config.token_file.is_some();
        let access = Access::new(config.tokens, config.token_file, config.device_labels)?;
        limits.check()?;
        descriptors::raise(limits.connections);
        access.tokens().check_exposure(listen, allow_anonymous)?;
        if tls == TlsSource::Off && !listen.ip().is_loopback() {
            return Err(TlsError::PlainOnPublicAddress.into());
        }
        let tls = Tls::new(&tls, tls12)?;
        let failed = |source| ServerError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let vocabulary_file = backend.vocabulary_file();
        let grammars = Grammars::new(backend.language(), backend.ends());
        let about = backend.info();
        let context = if limits.context == 0 { about.context } else { limits.context.min(about.context) };
        let info = Info {
            protocol: PROTOCOL.into(),
            model: about.name.clone(),
            fingerprint: about.fingerprint,
            vocabulary: about.vocabulary.whole,
            capabilities: backend.capabilities(grammars.are_there()),
            limits: advance::Limits {
                vocabulary_size: about.vocabulary_size,
                context: context.min(about.capacity as u32 / backend.contexts().max(1)),
                max_draft: limits.draft as u32,
                max_body: limits.body as u32,
            },
            ends: backend.ends(),
            blocks: about.vocabulary.blocks.clone(),
            engine: backend.describe(),
            vocabulary_file: vocabulary_file
                .as_ref()
                .map(|file| VocabularyOffer { sha256: file.digest(), bytes: file.bytes().len() as u32 }),
            hands_off: backend.hands_off(),
        };
        let metrics = Arc::new(Metrics::new());
        let (scheduler, thread) =
            backend.start(&limits, info.limits, Arc::clone(&metrics)).map_err(ServerError::Thread)?;
        let bytes = Pool::new(limits.bytes, limits.owner.bytes_of(limits.bytes));
        let gate = Gate { access, rate: RateLimit::new(&limits), bytes, limits, metrics };
        let app = Arc::new(App {
            gate,
            scheduler,
            grammars,
            arrivals: Order::default(),
            turns: Order::default(),
            info,
            vocabulary_file,
            leaving: AtomicBool::new(false),
        });
        Ok(Self { listener, address, app, tls, thread, reloads, notice, grace })
    }

    /// Returns the address that is listened on, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL for a client on this host: the self-signed certificate is valid for `localhost` too.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Returns the certificate; `None` without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.tls.as_ref().map(|tls| &tls.certificate)
    }

    /// Returns the answer to `/v2/info`.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.app.info
    }

    /// Returns the counters; the handle stays good after the server's end.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.app.gate.metrics)
    }

    /// Serves until `shutdown` completes, then stops in order: `/readyz` says so, after the notice there are no new
    /// connections, answers under way are given (for at most the grace period), the target's thread ends.
    ///
    /// Dropping the future ends all connections at once.
    ///
    /// # Errors
    /// [`ServerError::TargetStopped`] where the target's thread has ended by itself. Nothing can be answered then, and
    /// the process should end with a failure, so that whoever supervises it starts it anew.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { listener, app, mut tls, thread, reloads, notice, grace, .. } = self;
        let _stop_when_dropped = StopOnDrop(app.scheduler.clone());
        let (stop, stopping) = watch::channel(false);
        let limits = app.gate.limits.clone();
        let places = Arc::new(Semaphore::new(limits.connections));
        let connections = Arc::new(Connections {
            router: router(Arc::clone(&app)),
            tls: tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.config))),
            strangers: Pool::new(usize::MAX, limits.strangers),
            limits,
            metrics: Arc::clone(&app.gate.metrics),
            stopping,
        });
        let mut tasks = JoinSet::new();
        let mut reload = tokio::time::interval(RELOAD_EVERY);
        let mut hangups = Hangups::new(reloads);
        let mut leaves = std::pin::pin!(async {
            shutdown.await;
            app.leaving.store(true, Ordering::Release);
            tokio::time::sleep(notice).await;
        });
        let has_failed = loop {
            tokio::select! {
                () = leaves.as_mut() => break false,
                () = app.scheduler.ended() => break true,
                (stream, peer, place) = accept(&listener, &places) => {
                    let connections = Arc::clone(&connections);
                    tasks.spawn(async move {
                        connections.serve(stream, peer).await;
                        drop(place);
                    });
                }
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed");
                    }
                }
                () = hangups.next() => reload_tokens(&app, true),
                _ = reload.tick() => {
                    reload_tokens(&app, false);
                    if let Some(tls) = &mut tls {
                        reload_certificate(tls);
                    }
                }
            }
        };
        app.leaving.store(true, Ordering::Release);
        drop(listener);
        let _ = stop.send(true);
        let drain = async { while tasks.join_next().await.is_some() {} };
        let grace = if has_failed { grace.min(FAREWELL) } else { grace };
        if tokio::time::timeout(grace, drain).await.is_err() {
            tracing::warn!(connections = tasks.len(), "connections cut off at the end of the grace period");
        }
        app.scheduler.stop();
        // The scheduler answers those who still wait with 503; that answer gets a moment to leave.
        let drain = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(ACCEPT_PAUSE, drain).await;
        tasks.shutdown().await;
        let has_panicked = tokio::task::spawn_blocking(move || thread.join().is_err()).await.unwrap_or(true);
        if has_failed || has_panicked {
            tracing::error!("the target's thread has failed");
            return Err(ServerError::TargetStopped);
        }
        Ok(())
    }

    /// Serves in a task of its own.
    #[must_use = "dropping the handle stops the server"]
    pub fn spawn(self) -> ServerHandle {
        let (address, url, certificate) = (self.address, self.url(), self.certificate().cloned());
        let app = Arc::clone(&self.app);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(self.run_until(async {
            // Sent or dropped, both mean stop.
            let _ = stopped.await;
        }));
        ServerHandle { address, url, certificate, app, stop, task }
    }
}

fn reload_tokens(app: &App, at_once: bool) {
    match app.gate.access.reload(at_once) {
        Ok(true) => tracing::info!(tokens = ?app.gate.access.tokens(), "the file of tokens was read again"),
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "the tokens stay as they are"),
    }
}

fn reload_certificate(tls: &mut Tls) {
    match tls.reload() {
        Ok(true) => tracing::info!(fingerprint = %tls.certificate.fingerprint, "new certificate"),
        Ok(false) => {}
        Err(error) => tracing::error!(%error, "the new certificate is not used"),
    }
}

/// Returns the next connection, once there is a place for it. Never fails: what fails is tried again.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (tokio::net::TcpStream, SocketAddr, Option<tokio::sync::OwnedSemaphorePermit>) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Ends the scheduler's thread when the server's future is dropped half-way.
struct StopOnDrop(Scheduler);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A server that runs. Dropped, it stops without anybody waiting for it.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    url: String,
    certificate: Option<Certificate>,
    app: Arc<App>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), ServerError>>,
}

impl ServerHandle {
    /// Returns the same as [`Server::local_addr`].
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the same as [`Server::url`].
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the same as [`Server::certificate`].
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Returns the same as [`Server::info`].
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.app.info
    }

    /// Returns the same as [`Server::metrics`].
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.app.gate.metrics
    }

    /// Tells whether the target's thread runs, as `/healthz` does.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.app.scheduler.is_alive()
    }

    /// Stops in order, as [`Server::run_until`] does, and waits for the end.
    ///
    /// # Errors
    /// [`ServerError::TargetStopped`] where the target failed before, [`ServerError::Failed`] where the server's task
    /// panicked.
    pub async fn shutdown(self) -> Result<(), ServerError> {
        drop(self.stop);
        self.task.await.map_err(ServerError::Failed)?
    }
}
