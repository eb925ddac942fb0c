//! A TLS server on loopback that answers as a test tells it to, wrongly above all.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier, RetryPolicy};
use uhlm_testing::certificates::{Authority, Identity};

use super::script::{Act, Answer, Pipe, Seen};

type Script = dyn Fn(&Seen, usize) -> Act + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    panics: Mutex<Vec<String>>,
    /// Told the path of each request that ended before its answer.
    abandoned: Sender<String>,
    connections: AtomicUsize,
}

/// The server. Dropping it ends it and fails the test if its script panicked.
pub struct FaultServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    abandoned: Receiver<String>,
    authority: Authority,
    runtime: Option<Runtime>,
}

impl FaultServer {
    /// Serves a script, which is given each request and how many came before it, with a valid certificate.
    pub fn new(script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        let authority = Authority::generate();
        let identity = authority.issue();
        Self::start(Some(identity.server_config(&[b"h2", b"http/1.1"])), authority, script)
    }

    /// Serves a script to whoever speaks TLS 1.2.
    pub fn with_old_tls(identity: &Identity, script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start(Some(identity.old_server_config(&[b"h2"])), Authority::generate(), script)
    }

    /// Serves a script with any certificate.
    pub fn with_identity(identity: &Identity, script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start(Some(identity.server_config(&[b"h2"])), Authority::generate(), script)
    }

    /// Serves a script over HTTP/1.1 only.
    pub fn http1(script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        let authority = Authority::generate();
        let identity = authority.issue();
        Self::start(Some(identity.server_config(&[b"http/1.1"])), authority, script)
    }

    /// Serves a script without TLS.
    pub fn plain(script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::start(None, Authority::generate(), script)
    }

    fn start(
        tls: Option<ServerConfig>,
        authority: Authority,
        script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the server");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (abandoned, gone) = channel();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            panics: Mutex::default(),
            abandoned,
            connections: AtomicUsize::new(0),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        runtime.spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Self { address, scheme, shared, abandoned: gone, authority, runtime: Some(runtime) }
    }

    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Settings that reach and trust this server, with quick retries.
    pub fn config(&self) -> HttpConfig {
        HttpConfig {
            plain_loopback: self.scheme == "http",
            trust: self.authority.trust(),
            retry: RetryPolicy { back_off: Duration::from_millis(5), ..RetryPolicy::default() },
            ..HttpConfig::new(self.endpoint())
        }
    }

    pub fn client(&self) -> HttpVerifier {
        HttpVerifier::new(self.config()).expect("a client")
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no panic").clone()
    }

    /// Waits for a request to be given up by the client, and returns its path.
    pub fn abandoned(&self) -> String {
        self.abandoned.recv_timeout(Duration::from_secs(10)).expect("a request that was given up")
    }

    /// Waits until the server has seen `count` requests.
    pub fn wait_for_requests(&self, count: usize) {
        for _ in 0..1000 {
            if self.seen().len() >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} of {count} requests came", self.seen().len());
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        let panics = self.shared.panics.lock().expect("no panic").clone();
        if !std::thread::panicking() {
            assert!(panics.is_empty(), "the server's script panicked: {panics:?}");
        }
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = shared.connections.fetch_add(1, Ordering::Relaxed);
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            match acceptor {
                None => serve(TokioIo::new(stream), connection, shared).await,
                Some(acceptor) => {
                    // A client that does not like the certificate hangs up here.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(TokioIo::new(stream), connection, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve<I>(io: I, connection: usize, shared: Arc<Shared>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let cut = Arc::new(Notify::new());
    let service = {
        let cut = Arc::clone(&cut);
        service_fn(move |request| handle(request, connection, Arc::clone(&shared), Arc::clone(&cut)))
    };
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        // Clients break connections as they like.
        _ = builder.serve_connection(io, service) => {}
        () = cut.notified() => {}
    }
}

/// Reports a request whose handling is dropped half-way.
struct Unanswered {
    path: Option<String>,
    shared: Arc<Shared>,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = self.shared.abandoned.send(path);
        }
    }
}

async fn handle(
    request: Request<Incoming>,
    connection: usize,
    shared: Arc<Shared>,
    cut: Arc<Notify>,
) -> Result<Response<Pipe>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut unanswered = Unanswered { path: Some(path.clone()), shared: Arc::clone(&shared) };
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let seen = Seen { version: head.version, method: head.method, path, headers: head.headers, body, connection };
    let before = {
        let mut log = shared.seen.lock().expect("no panic");
        log.push(seen.clone());
        log.len() - 1
    };
    let act = match std::panic::catch_unwind(AssertUnwindSafe(|| (shared.script)(&seen, before))) {
        Ok(act) => act,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".into());
            shared.panics.lock().expect("no panic").push(text);
            Answer::new(500, "text/plain", "").into()
        }
    };
    let (sender, pipe) = Pipe::new();
    let response = match act {
        Act::Hang => std::future::pending().await,
        Act::Answer(answer) => {
            let response = head_of(&answer, pipe);
            let _ = sender.try_send(Ok(answer.body.into()));
            response
        }
        Act::CloseAfter(answer) => {
            let response = head_of(&answer, pipe);
            let _ = sender.try_send(Ok(answer.body.into()));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                cut.notify_one();
            });
            response
        }
        Act::CutConnection(answer) => {
            let response = head_of(&answer, pipe);
            let half = answer.body[..answer.body.len() / 2].to_vec();
            tokio::spawn(async move {
                let _ = sender.send(Ok(half.into())).await;
                tokio::time::sleep(Duration::from_millis(30)).await;
                cut.notify_one();
                // Ending the body here could still reach the client as a proper end.
                sender.closed().await;
            });
            response
        }
        Act::Endless(content_type) => {
            let response = head_of(&Answer::new(200, content_type, ""), pipe);
            tokio::spawn(async move {
                let piece = Bytes::from(vec![b'0'; 16 << 10]);
                let mut sent = 0;
                while sender.send(Ok(piece.clone())).await.is_ok() {
                    sent += piece.len();
                    assert!(sent < 64 << 20, "the client reads on and on");
                }
                let _ = shared.abandoned.send("endless".into());
            });
            response
        }
        Act::Stream(content_type, pieces, open) => {
            let response = head_of(&Answer::new(200, content_type, ""), pipe);
            tokio::spawn(async move {
                for (pause, piece) in pieces {
                    tokio::time::sleep(pause).await;
                    if sender.send(Ok(piece.into())).await.is_err() {
                        break;
                    }
                }
                if open {
                    sender.closed().await;
                    let _ = shared.abandoned.send("stream".into());
                }
            });
            response
        }
    };
    unanswered.path = None;
    Ok(response)
}

fn head_of(answer: &Answer, pipe: Pipe) -> Response<Pipe> {
    let mut response = Response::new(pipe);
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status");
    for (name, value) in &answer.headers {
        response.headers_mut().append(*name, value.parse().expect("a header value"));
    }
    response
}
