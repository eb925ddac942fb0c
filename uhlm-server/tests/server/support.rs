//! A server in this process with a client that trusts its certificate. Dropping it stops the server and fails the test
//! if anything in the server panicked.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use reqwest::{Response, header};
use uhlm_law::advance::{Body, Encoding, ErrorBody, Open, Opened};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::sampling::TokenId;
use uhlm_llama::{LoadOptions, Model};
use uhlm_server::target::{EngineOptions, LlamaTarget, Target};
use uhlm_server::{Server, ServerConfig, ServerError, ServerHandle, Snapshot};

use crate::device::Session;

/// Names of threads that panicked.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// The demo target, loaded once.
pub(crate) fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-target.gguf");
    Arc::clone(MODEL.get_or_init(|| Model::load(&path, &LoadOptions::default()).expect("the demo target loads")))
}

/// A small context of the demo target.
pub(crate) fn llama() -> Box<dyn Target> {
    llama_with(small())
}

/// Options of a small context.
pub(crate) fn small() -> EngineOptions {
    EngineOptions { context: 2048, batch: 320, slots: 16, threads: 1, ..EngineOptions::default() }
}

pub(crate) fn llama_with(options: EngineOptions) -> Box<dyn Target> {
    Box::new(LlamaTarget::new(model(), &options).expect("a context"))
}

/// A configuration for tests: any port, a short grace.
pub(crate) fn config() -> ServerConfig {
    let mut config = ServerConfig::new("not used");
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.grace = Duration::from_secs(3);
    config
}

pub(crate) struct Fixture {
    pub(crate) client: reqwest::Client,
    pub(crate) url: String,
    handle: Option<ServerHandle>,
    runtime: Option<tokio::runtime::Runtime>,
    name: String,
    may_fail: bool,
}

fn install_hooks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            PANICS.lock().unwrap().push(thread.name().unwrap_or_default().to_owned());
            default(info);
        }));
    });
}

/// A client that trusts exactly this server.
pub(crate) fn client_for(handle: &ServerHandle) -> reqwest::ClientBuilder {
    let mut builder = reqwest::Client::builder().timeout(Duration::from_secs(20));
    if let Some(certificate) = handle.certificate() {
        builder = builder.tls_certs_only([reqwest::Certificate::from_pem(certificate.pem.as_bytes()).unwrap()]);
    }
    builder
}

impl Fixture {
    pub(crate) async fn new(target: Box<dyn Target>) -> Self {
        Self::with(config(), target).await
    }

    pub(crate) async fn with(config: ServerConfig, target: Box<dyn Target>) -> Self {
        Self::try_with(config, target).await.expect("the server starts")
    }

    pub(crate) async fn try_with(config: ServerConfig, target: Box<dyn Target>) -> Result<Self, ServerError> {
        install_hooks();
        let name = format!("server-{}", SERVERS.fetch_add(1, Ordering::Relaxed));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(&name)
            .enable_all()
            .build()
            .expect("a runtime");
        let started = runtime.spawn(async { Server::with_target(config, target).await.map(Server::spawn) });
        let handle = match started.await.expect("no panic at the start") {
            Ok(handle) => handle,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let client = client_for(&handle).build().expect("a client");
        let url = handle.url().to_owned();
        Ok(Self { client, url, handle: Some(handle), runtime: Some(runtime), name, may_fail: false })
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        self.handle.as_ref().expect("not shut down")
    }

    pub(crate) fn counters(&self) -> Snapshot {
        self.handle().metrics().snapshot()
    }

    /// The target of this server fails on purpose.
    pub(crate) fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// Begins an orderly stop and returns its end.
    pub(crate) fn shutdown(&mut self) -> tokio::task::JoinHandle<()> {
        let handle = self.handle.take().expect("not shut down");
        let runtime = self.runtime.as_ref().expect("a runtime");
        runtime.spawn(async move { handle.shutdown().await.expect("no panic") })
    }

    /// Begins a stop and returns what comes of it.
    pub(crate) fn try_shutdown(&mut self) -> tokio::task::JoinHandle<Result<(), ServerError>> {
        let handle = self.handle.take().expect("not shut down");
        self.runtime.as_ref().expect("a runtime").spawn(handle.shutdown())
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Snapshot) -> bool) {
        for _ in 0..2000 {
            if condition(&self.counters()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("not within 10 s: {what}; {:?}", self.counters());
    }

    pub(crate) async fn open(&self) -> Session<'_> {
        self.try_open(&self.open_request()).await.expect("opened")
    }

    /// Opens so many sessions, one after the other.
    pub(crate) async fn open_several(&self, count: usize) -> Vec<Session<'_>> {
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            sessions.push(self.open().await);
        }
        sessions
    }

    pub(crate) fn open_request(&self) -> Open {
        let info = self.handle().info();
        Open { vocabulary: info.vocabulary, needs: info.capabilities }
    }

    pub(crate) async fn try_open(&self, request: &Open) -> Result<Session<'_>, Refused> {
        let response = self.send("/v2/sessions", Encoding::Binary, request).await;
        let opened: Opened = answer(response).await?;
        assert_eq!(opened.info, self.handle().info().to_open());
        Ok(Session { fixture: self, id: opened.session.to_string(), encoding: Encoding::Binary })
    }

    pub(crate) async fn send<B: Body>(&self, path: &str, encoding: Encoding, body: &B) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header(header::CONTENT_TYPE, encoding.media_type()).body(encoding.encode(body));
        request.send().await.expect("an answer")
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let healthy = self.handle.as_ref().is_none_or(ServerHandle::is_healthy);
        let (handle, runtime) = (self.handle.take(), self.runtime.take());
        if std::thread::panicking() {
            // The test may have left a pass held back, which an orderly stop would wait for.
            runtime.into_iter().for_each(tokio::runtime::Runtime::shutdown_background);
            return;
        }
        // A test's own runtime cannot be blocked on from within: the server stops on a thread of its own.
        let stopped = std::thread::spawn(move || {
            let runtime = runtime.expect("a runtime");
            let result = handle.map_or(Ok(()), |handle| runtime.block_on(handle.shutdown()));
            runtime.shutdown_timeout(Duration::from_secs(1));
            result.is_ok()
        });
        let stopped = stopped.join().unwrap_or(false);
        if self.may_fail {
            return;
        }
        let panics = PANICS.lock().unwrap().iter().filter(|thread| **thread == self.name).count();
        assert_eq!(panics, 0, "a task of the server panicked");
        assert!(healthy, "the scheduler's thread failed");
        assert!(stopped, "the server's task failed");
    }
}

/// A refusal with its status and `Retry-After`.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: ErrorBody,
}

pub(crate) fn encoding_of(response: &Response) -> Encoding {
    let value = response.headers().get(header::CONTENT_TYPE).expect("a content type").to_str().unwrap();
    Encoding::from_media_type(value).expect("a known content type")
}

/// A whole answer with one body.
pub(crate) async fn answer<T: Body>(response: Response) -> Result<T, Refused> {
    let encoding = encoding_of(&response);
    let body = accepted(response).await?.bytes().await.expect("a body");
    Ok(encoding.decode(&body).expect("a body of its type"))
}

/// The response, if it is no refusal.
pub(crate) async fn accepted(response: Response) -> Result<Response, Refused> {
    let (status, encoding) = (response.status().as_u16(), encoding_of(&response));
    if status == 200 {
        return Ok(response);
    }
    let retry_after = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap().parse().unwrap());
    let body: ErrorBody = encoding.decode(&response.bytes().await.expect("a body")).expect("an error body");
    assert_eq!(status, body.code.status(), "status and code agree");
    Err(Refused { status, retry_after, body })
}

/// A prompt of the demo vocabulary.
pub(crate) fn prompt(length: usize, salt: u32) -> Vec<TokenId> {
    let size = model_size();
    (0..length as u32).map(|i| (i * 7 + salt * 13 + 5) % size).collect()
}

fn model_size() -> u32 {
    model().vocabulary().size() as u32
}
