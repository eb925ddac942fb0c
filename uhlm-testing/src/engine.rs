//! A stand-in for an engine behind HTTP: the documented shapes of llama-server, vLLM and SGLang over real HTTP on
//! loopback, with rows that a real model computes one at a time. It can be made to fail in the ways in which engines
//! do.

mod runner;
mod shapes;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use uhlm_llama::Model;
use uhlm_server::upstream::{EngineAddress, EngineKind};

use self::runner::Runner;
use crate::eventually::eventually;
use crate::port::lasting_address;

/// A way in which an engine fails at a request for rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 503, without a hint when to come back.
    Busy,
    /// 500, with a message that quotes what was asked.
    Broken,
    /// Half of the tokens that a row is to list.
    FewTokens,
    /// Ids that the vocabulary does not have.
    OtherIds,
    /// Something else than JSON.
    Nonsense,
    /// The right answer, this much later.
    Late(Duration),
}

struct Shared {
    kind: EngineKind,
    name: Mutex<String>,
    runner: Arc<Mutex<Runner>>,
    /// Largest number of tokens that a row may list.
    top: usize,
    /// The trouble of the next requests for rows, and of how many.
    trouble: Mutex<Option<(Trouble, usize)>>,
    /// Key that requests have to bring, if any.
    key: Option<String>,
    asked: AtomicU64,
    /// Requests for rows whose answer was begun and not completed.
    under_way: AtomicUsize,
    broken_off: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stand-in. Dropped, it is gone, and so are its connections.
pub struct StandIn {
    shared: Arc<Shared>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl StandIn {
    /// Starts an engine on any free port that lists as many tokens a row as it is asked for.
    #[must_use]
    pub fn start(kind: EngineKind, model: Arc<Model>) -> Self {
        Self::start_with(kind, model, usize::MAX, None)
    }

    /// Starts an engine that lists at most `top` tokens a row and wants `key`, if there is one.
    #[must_use]
    pub fn start_with(kind: EngineKind, model: Arc<Model>, top: usize, key: Option<&str>) -> Self {
        let shared = Arc::new(Shared {
            kind,
            name: Mutex::new("stand-in".into()),
            runner: Arc::new(Mutex::new(Runner::new(model))),
            top,
            trouble: Mutex::new(None),
            key: key.map(str::to_owned),
            asked: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            broken_off: AtomicU64::new(0),
        });
        let mut engine = Self { shared, address: lasting_address(), runtime: None };
        engine.listen();
        engine
    }

    fn listen(&mut self) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        // The old listener is closed by the threads of its runtime, which were not waited for.
        let mut listener = None;
        eventually("the port is free", || {
            listener = runtime.block_on(tokio::net::TcpListener::bind(self.address)).ok();
            listener.is_some()
        });
        let listener = listener.expect("a free port");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&self.shared));
        runtime.spawn(async move { axum::serve(listener, router).await });
        self.runtime = Some(runtime);
    }

    /// Returns the engine's kind and URL.
    #[must_use]
    pub fn address(&self) -> EngineAddress {
        EngineAddress::new(self.shared.kind, &format!("http://{}", self.address)).expect("a URL")
    }

    /// Returns the number of requests for rows that have come.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Returns the number of requests for rows whose client went away before the answer.
    #[must_use]
    pub fn broken_off(&self) -> u64 {
        self.shared.broken_off.load(Ordering::Relaxed)
    }

    /// Fails at the next `count` requests for rows.
    pub fn fail(&self, trouble: Trouble, count: usize) {
        *lock(&self.shared.trouble) = Some((trouble, count));
    }

    /// Ends the engine and all its connections, as a signal does that a process cannot catch.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Starts the engine again at its old address.
    pub fn revive(&mut self) {
        self.kill();
        self.listen();
    }

    /// Goes on with another model, without a word unless `name` is another one too.
    pub fn swap(&self, model: Arc<Model>, name: Option<&str>) {
        *lock(&self.shared.runner) = Runner::new(model);
        if let Some(name) = name {
            *lock(&self.shared.name) = name.into();
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Counts a request whose future is dropped before it is done.
struct UnderWay(Arc<Shared>, bool);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        if !self.1 {
            self.0.broken_off.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn status(status: StatusCode, body: Value) -> Response {
    (status, body.to_string()).into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Some(key) = &shared.key {
        let given = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(&format!("Bearer {key}")) {
            return status(StatusCode::UNAUTHORIZED, json!({ "error": "a key is needed" }));
        }
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = lock(&shared.name).clone();
    if path == shapes::rows_path(shared.kind) && method == Method::POST {
        shared.asked.fetch_add(1, Ordering::Relaxed);
        shared.under_way.fetch_add(1, Ordering::Relaxed);
        let mut under_way = UnderWay(Arc::clone(&shared), false);
        let response = rows(&shared, body, name).await;
        under_way.1 = true;
        return response;
    }
    let known = {
        let runner = lock(&shared.runner);
        shapes::about(shared.kind, &path, &name, runner.model())
            .or_else(|| (path == "/tokenize").then(|| shapes::tokenize(shared.kind, &body, runner.model())).flatten())
    };
    known.map_or_else(
        || status(StatusCode::NOT_FOUND, json!({ "error": "no such path" })),
        |known| status(StatusCode::OK, known),
    )
}

async fn rows(shared: &Arc<Shared>, body: Value, name: String) -> Response {
    let trouble = {
        let mut trouble = lock(&shared.trouble);
        match &mut *trouble {
            Some((what, left)) if *left > 0 => {
                *left -= 1;
                Some(*what)
            }
            _ => None,
        }
    };
    match trouble {
        Some(Trouble::Busy) => return status(StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "busy" })),
        Some(Trouble::Broken) => {
            let quoted = json!({ "error": { "message": format!("cannot go on with {body}") } });
            return status(StatusCode::INTERNAL_SERVER_ERROR, quoted);
        }
        Some(Trouble::Nonsense) => return (StatusCode::OK, "<html>").into_response(),
        Some(Trouble::Late(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let (kind, top, runner) = (shared.kind, shared.top, Arc::clone(&shared.runner));
    let computed = tokio::task::spawn_blocking(move || {
        let few = if trouble == Some(Trouble::FewTokens) { 2 } else { 1 };
        let shift = if trouble == Some(Trouble::OtherIds) { 1 << 20 } else { 0 };
        shapes::rows(kind, &body, &name, top, few, shift, &mut lock(&runner))
    });
    match computed.await {
        Ok(Ok(answer)) => status(StatusCode::OK, answer),
        Ok(Err(reason)) => status(StatusCode::BAD_REQUEST, json!({ "error": { "message": reason, "code": 400 } })),
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, json!({ "error": "the model failed" })),
    }
}
