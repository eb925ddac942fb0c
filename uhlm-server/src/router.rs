//! Paths and handlers of `uhlm-verify/1`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, Encoding, ErrorCode, Info, OpenRequest, OpenResponse, VerifyRequest,
};
use uhlm_law::sampling::SamplingChain;

use crate::auth::Owner;
use crate::exchange::{Counting, Encodings, Gate, Peer, Refusal, refusal, refusal_with, reply, success};
use crate::frames;
use crate::scheduler::Scheduler;
use crate::session_id::SessionId;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) gate: Gate,
    pub(crate) scheduler: Scheduler,
    pub(crate) info: Info,
    pub(crate) address: SocketAddr,
}

type Shared = State<Arc<App>>;

/// The routes; a connection adds its [`Peer`].
pub(crate) fn router(app: Arc<App>) -> Router {
    let metrics = Arc::clone(&app.gate.metrics);
    let on_panic = move |_: Box<dyn std::any::Any + Send>| {
        // The panic hook has reported it; its payload may quote a request and is not looked at.
        let body = Refusal::new(ErrorCode::Internal, "the server failed");
        refusal(Encoding::default(), &body, &metrics)
    };
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics_text))
        .route("/v1/info", get(info))
        .route("/v1/sessions", post(open))
        .route("/v1/sessions/{id}", delete(close))
        .route("/v1/sessions/{id}/verify", post(verify))
        .route("/v1/sessions/{id}/draws", post(draws))
        .route("/v1/sessions/{id}/continue", post(continuation))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(on_panic))
        .with_state(app)
}

/// Who asks, and how the answer is to be encoded.
#[derive(Clone, Copy, Debug)]
struct Caller {
    owner: Owner,
    encoding: Encoding,
}

impl App {
    /// Lets a request in, runs its handler, encodes what comes of it, counts it.
    async fn exchange(
        &self,
        route: &'static str,
        peer: Peer,
        request: Request,
        handler: impl AsyncFnOnce(Caller, Request, Encoding) -> Result<Response, Refusal>,
    ) -> Response {
        let counting = Counting::new(&self.gate.metrics, route);
        let encodings = Encodings::of(request.headers());
        let answer = async {
            let owner = self.gate.admit(request.headers(), peer.0)?;
            let Some(encoding) = encodings.request else {
                return Err(Refusal::new(ErrorCode::Malformed, "the content type is not one of this protocol's"));
            };
            handler(Caller { owner, encoding: encodings.response }, request, encoding).await
        };
        let response = answer.await.unwrap_or_else(|refused| refusal(encodings.response, &refused, &self.gate.metrics));
        counting.answered(response)
    }

    /// As [`Self::exchange`], for a handler from one body to another.
    async fn call<B: DeserializeOwned, T: Serialize>(
        &self,
        route: &'static str,
        peer: Peer,
        request: Request,
        handler: impl AsyncFnOnce(Caller, B) -> Result<T, Refusal>,
    ) -> Response {
        self.exchange(route, peer, request, async |caller, request, encoding| {
            let body = self.gate.body(request, encoding).await?;
            Ok(success(caller.encoding, &handler(caller, body).await?, &self.gate.metrics))
        })
        .await
    }
}

/// The session that a path names. A name of another form cannot exist: gone.
fn session(id: &str) -> Result<SessionId, Refusal> {
    id.parse().map_err(|_| Refusal::new(ErrorCode::Gone, "there is no such session"))
}

async fn health(State(app): Shared) -> Response {
    let (status, text) = if app.scheduler.is_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the target is not running\n")
    };
    plain(status, text.into())
}

fn plain(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

/// Counters show how busy a service is, so away from loopback they need a token.
async fn metrics_text(State(app): Shared, Extension(peer): Extension<Peer>, request: Request) -> Response {
    let gate = &app.gate;
    let open = app.address.ip().is_loopback() || (gate.tokens.is_empty() && peer.0.to_canonical().is_loopback());
    let refused = if open {
        None
    } else if gate.tokens.is_empty() {
        Some(Refusal::new(ErrorCode::Unauthorized, "counters are shown to loopback only"))
    } else {
        gate.admit(request.headers(), peer.0).err()
    };
    match refused {
        None => plain(StatusCode::OK, gate.metrics.render().into()),
        Some(refused) => refusal(Encodings::of(request.headers()).response, &refused, &gate.metrics),
    }
}

async fn info(State(app): Shared, Extension(peer): Extension<Peer>, request: Request) -> Response {
    app.exchange("info", peer, request, async |caller, _, _| Ok(success(caller.encoding, &app.info, &app.gate.metrics)))
        .await
}

async fn open(State(app): Shared, Extension(peer): Extension<Peer>, request: Request) -> Response {
    app.call("open", peer, request, async |caller: Caller, request: OpenRequest| {
        if request.vocabulary != app.info.vocabulary {
            let reason = format!("the target's vocabulary is {}", app.info.vocabulary);
            return Err(Refusal::new(ErrorCode::Unsupported, reason));
        }
        if request.grammar.is_some() {
            return Err(Refusal::new(ErrorCode::Unsupported, "this verifier has no grammars"));
        }
        let chain = SamplingChain::new(request.sampling)
            .map_err(|invalid| Refusal::new(ErrorCode::Malformed, invalid.to_string()))?;
        let id = app.scheduler.open(caller.owner, chain, request.seed).await?;
        Ok(OpenResponse { session: id.to_string(), info: app.info.clone() })
    })
    .await
}

async fn close(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    app.exchange("close", peer, request, async |caller, _, _| {
        app.scheduler.close(caller.owner, session(&id)?).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    })
    .await
}

async fn verify(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    app.call("verify", peer, request, async |caller: Caller, request: VerifyRequest| {
        let most = app.gate.limits.window;
        if request.draft.len() > most {
            let reason = format!("a window of {} tokens, at most {most} are allowed", request.draft.len());
            return Err(Refusal::new(ErrorCode::Malformed, reason));
        }
        Ok(app.scheduler.verify(caller.owner, session(&id)?, request).await?)
    })
    .await
}

async fn draws(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    app.call("draws", peer, request, async |caller: Caller, request: DrawsRequest| {
        Ok(app.scheduler.draws(caller.owner, session(&id)?, request).await?)
    })
    .await
}

async fn continuation(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    app.exchange("continue", peer, request, async |caller, request, encoding| {
        let request: ContinueRequest = app.gate.body(request, encoding).await?;
        if request.max_tokens == 0 {
            return Err(Refusal::new(ErrorCode::Malformed, "a continuation of no tokens"));
        }
        let frames = app.scheduler.continuation(caller.owner, session(&id)?, request).await?;
        let stream = frames::stream(Arc::clone(&app.gate.metrics), frames, caller.encoding);
        Ok(reply(StatusCode::OK, caller.encoding, Body::from_stream(stream)))
    })
    .await
}

async fn no_such_path(State(app): Shared, request: Request) -> Response {
    unknown(&app, &request, StatusCode::NOT_FOUND, "there is no such path")
}

async fn no_such_method(State(app): Shared, request: Request) -> Response {
    unknown(&app, &request, StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method")
}

fn unknown(app: &App, request: &Request, status: StatusCode, reason: &str) -> Response {
    let counting = Counting::new(&app.gate.metrics, "other");
    let encoding = Encodings::of(request.headers()).response;
    let body = Refusal::new(ErrorCode::Malformed, reason);
    counting.answered(refusal_with(status, encoding, &body, &app.gate.metrics))
}
