//! A stand-in for a chat service: OpenAI's chat completions in their documented shapes over real HTTP on loopback, with
//! replies that a test writes. It can be made to fail in the ways in which such services do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Time for which what was written goes out before a connection is broken off.
const FLUSH: Duration = Duration::from_millis(100);

/// What the service does at the next requests for replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The pieces of the reply.
    pub pieces: Vec<String>,
    /// The reason of its end, as the service names it; `None` breaks the connection off.
    pub finish: Option<&'static str>,
    /// Pause before each piece.
    pub pause: Duration,
}

impl Script {
    /// A reply in these pieces, to its end and without pauses.
    #[must_use]
    pub fn of(pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        Self { pieces, finish: Some("stop"), pause: Duration::ZERO }
    }
}

struct Shared {
    models: Vec<&'static str>,
    key: Option<&'static str>,
    script: Mutex<Script>,
    /// Statuses of the next requests, in place of replies.
    refusals: Mutex<Vec<u16>>,
    asked: Mutex<Vec<Value>>,
    /// Replies whose reader went away before the end.
    broken_off: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stand-in. Dropped, it is gone, and so are its connections.
pub struct ChatStandIn {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl ChatStandIn {
    /// Starts a service with one model that lets everybody in.
    #[must_use]
    pub fn start(script: Script) -> Self {
        Self::start_with(script, &["stand-in"], None)
    }

    /// Starts a service with these models that wants `key`, if there is one.
    ///
    /// # Panics
    /// If the system gives no thread or port.
    #[must_use]
    pub fn start_with(script: Script, models: &[&'static str], key: Option<&'static str>) -> Self {
        let shared = Arc::new(Shared {
            models: models.to_vec(),
            key,
            script: Mutex::new(script),
            refusals: Mutex::default(),
            asked: Mutex::default(),
            broken_off: AtomicU64::new(0),
        });
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { shared, address, runtime: Some(runtime) }
    }

    /// Returns the base of the service's URLs.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns the bodies of the requests for replies that have come.
    #[must_use]
    pub fn asked(&self) -> Vec<Value> {
        lock(&self.shared.asked).clone()
    }

    /// Returns the number of replies whose reader went away before their end.
    #[must_use]
    pub fn broken_off(&self) -> u64 {
        self.shared.broken_off.load(Ordering::Relaxed)
    }

    /// Writes other replies from now on.
    pub fn set(&self, script: Script) {
        *lock(&self.shared.script) = script;
    }

    /// Answers the next requests for replies with these statuses, the first one first, and words that quote the
    /// request.
    pub fn refuse(&self, statuses: &[u16]) {
        *lock(&self.shared.refusals) = statuses.to_vec();
    }
}

impl Drop for ChatStandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn status(status: StatusCode, body: &Value) -> Response {
    (status, body.to_string()).into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Some(key) = shared.key {
        let given = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(&format!("Bearer {key}")) {
            return status(StatusCode::UNAUTHORIZED, &json!({ "error": { "message": "a key is needed" } }));
        }
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if method == Method::GET && path == "/v1/models" {
        let models: Vec<Value> = shared.models.iter().map(|id| json!({ "id": id, "object": "model" })).collect();
        return status(StatusCode::OK, &json!({ "object": "list", "data": models }));
    }
    if method != Method::POST || path != "/v1/chat/completions" {
        return status(StatusCode::NOT_FOUND, &json!({ "error": { "message": "no such path" } }));
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    lock(&shared.asked).push(body.clone());
    let refusal = {
        let mut refusals = lock(&shared.refusals);
        (!refusals.is_empty()).then(|| refusals.remove(0))
    };
    if let Some(refused) = refusal {
        let refused = StatusCode::from_u16(refused).expect("a status");
        return status(refused, &json!({ "error": { "message": format!("cannot go on with {body}") } }));
    }
    let script = lock(&shared.script).clone();
    let stream = Body::from_stream(unfold(Some(Writing::new(script, shared)), |writing| async move {
        let mut writing = writing?;
        let next = writing.next().await;
        let more = (!writing.is_over).then_some(writing);
        Some((next, more))
    }));
    ([(http::header::CONTENT_TYPE, "text/event-stream")], stream).into_response()
}

/// A reply that is being written.
struct Writing {
    script: Script,
    /// Number of events so far, the one before the first piece included.
    events: usize,
    is_over: bool,
    shared: Arc<Shared>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.broken_off.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The failure by which a connection is broken off.
#[derive(Debug, thiserror::Error)]
#[error("the service is gone")]
struct Gone;

fn event(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    format!("data: {}\n\n", json!({ "id": "1", "object": "chat.completion.chunk", "choices": [choice] }))
}

impl Writing {
    fn new(script: Script, shared: Arc<Shared>) -> Self {
        Self { script, events: 0, is_over: false, shared }
    }

    async fn next(&mut self) -> Result<String, Gone> {
        self.events += 1;
        if self.events == 1 {
            return Ok(event(&json!({ "role": "assistant", "content": "" }), None));
        }
        if let Some(piece) = self.script.pieces.get(self.events - 2) {
            tokio::time::sleep(self.script.pause).await;
            return Ok(event(&json!({ "content": piece }), None));
        }
        self.is_over = true;
        match self.script.finish {
            Some(reason) => Ok(event(&json!({}), Some(reason)) + "data: [DONE]\n\n"),
            None => {
                // What was written before goes out first.
                tokio::time::sleep(FLUSH).await;
                Err(Gone)
            }
        }
    }
}
