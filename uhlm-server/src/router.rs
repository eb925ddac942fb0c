//! Paths and handlers of `uhlm-verify/2`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use uhlm_law::advance::{Advance, Encoding, ErrorCode, Info, MEDIA_VOCABULARY, Open, Opened, SessionId};
use uhlm_law::digest::Digest;
use uhlm_llama::VocabularyFile;

use crate::exchange::{Counting, Encodings, Gate, Refusal, refusal, refusal_with, success};
use crate::frames;
use crate::grammars::Grammars;
use crate::order::Order;
use crate::owner::Owner;
use crate::request_log::Line;
use crate::scheduler::Scheduler;
use crate::visit::Visit;

/// The state that the handlers share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) gate: Gate,
    pub(crate) scheduler: Scheduler,
    pub(crate) grammars: Arc<Grammars>,
    /// The order in which the requests of a session came on a connection, by that connection's number: one whose body
    /// is longer comes no later for it. A connection that stands still holds up no other.
    pub(crate) arrivals: Order<(usize, SessionId)>,
    /// The order in which the requests of an owner's session reach the scheduler.
    pub(crate) turns: Order<(Owner, SessionId)>,
    pub(crate) info: Info,
    /// File that devices of another vocabulary may ask for.
    pub(crate) vocabulary_file: Option<VocabularyFile>,
    /// Whether the server is about to stop, so that whoever balances load is to send nothing more.
    pub(crate) leaving: AtomicBool,
}

type Shared = State<Arc<App>>;

/// Makes the routes; a connection adds its [`Visit`].
pub(crate) fn router(app: Arc<App>) -> Router {
    let metrics = Arc::clone(&app.gate.metrics);
    let on_panic = move |_: Box<dyn std::any::Any + Send>| {
        // The panic hook has reported it; its payload may quote a request and is not looked at.
        let body = Refusal::new(ErrorCode::Internal, "the server failed");
        refusal(Encoding::default(), &body, &metrics)
    };
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route("/v2/info", get(info))
        .route("/v2/vocabulary/{sha256}", get(vocabulary))
        .route("/v2/sessions", post(open))
        .route("/v2/sessions/{id}", delete(close))
        .route("/v2/sessions/{id}/advance", post(advance))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(on_panic))
        .with_state(app)
}

/// The owner that asks, and the encoding of the answer.
#[derive(Clone, Copy, Debug)]
struct Caller {
    owner: Owner,
    encoding: Encoding,
}

impl App {
    /// Lets a request in, runs its handler, encodes the answer, and counts the request.
    async fn exchange(
        &self,
        route: &'static str,
        visit: Visit,
        request: Request,
        handler: impl AsyncFnOnce(Caller, Request, Encoding) -> Result<Response, Refusal>,
    ) -> Response {
        let counting = Counting::new(&self.gate.metrics, route);
        let mut log = Line::new(route, request.headers());
        let encodings = Encodings::of(request.headers());
        let answer = async {
            let owner = self.gate.admit(request.headers(), &visit)?;
            log.owner = Some(owner);
            let Some(encoding) = encodings.request else {
                return Err(Refusal::new(ErrorCode::Malformed, "the content type is not one of this protocol's"));
            };
            handler(Caller { owner, encoding: encodings.response }, request, encoding).await
        };
        let answered = answer.await;
        if let Err(refused) = &answered {
            self.gate.metrics.by.refused(refused.code(), log.owner);
        }
        let response = answered.unwrap_or_else(|refused| refusal(encodings.response, &refused, &self.gate.metrics));
        log.write(response.status());
        counting.answered(response)
    }
}

/// Returns the session that a path names. A name of another form cannot exist and is refused as gone.
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

/// Says whether requests should be sent here: not once the server is about to stop, and not while the target is stuck
/// or none of the engines that run it answers.
async fn ready(State(app): Shared) -> Response {
    if app.leaving.load(Ordering::Acquire) {
        plain(StatusCode::SERVICE_UNAVAILABLE, "the server is about to stop\n".into())
    } else if !app.scheduler.is_live() || !app.scheduler.has_target() {
        plain(StatusCode::SERVICE_UNAVAILABLE, "the target does not answer\n".into())
    } else {
        plain(StatusCode::OK, "ok\n".into())
    }
}

fn plain(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

/// Answers with the counters. They show how busy a service is, so they need a token. Where there are no tokens, they
/// are shown on this host, but not to what a proxy on it passes on.
async fn metrics_text(State(app): Shared, Extension(visit): Extension<Visit>, request: Request) -> Response {
    let gate = &app.gate;
    let is_local = || visit.peer.to_canonical().is_loopback() && !is_forwarded(request.headers());
    let refused = if !gate.access.tokens().is_empty() {
        gate.admit(request.headers(), &visit).err()
    } else if is_local() {
        None
    } else {
        Some(Refusal::new(ErrorCode::Unauthorized, "counters are shown on this host only"))
    };
    match refused {
        None => plain(StatusCode::OK, gate.metrics.render().into()),
        Some(refused) => refusal(Encodings::of(request.headers()).response, &refused, &gate.metrics),
    }
}

/// Tells whether a proxy has passed a request on.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name))
}

async fn info(State(app): Shared, Extension(visit): Extension<Visit>, request: Request) -> Response {
    app.exchange("info", visit, request, async |caller, _, _| {
        Ok(success(caller.encoding, &app.info, &app.gate.metrics))
    })
    .await
}

/// Answers with the file that has the target's vocabulary, under the hash that names it.
async fn vocabulary(
    State(app): Shared,
    Extension(visit): Extension<Visit>,
    Path(sha256): Path<String>,
    request: Request,
) -> Response {
    app.exchange("vocabulary", visit, request, async |_, _, _| {
        let asked = sha256.parse::<Digest>().ok();
        let file = app.vocabulary_file.as_ref().filter(|file| Some(file.digest()) == asked);
        let file = file.ok_or_else(|| Refusal::new(ErrorCode::Gone, "there is no such vocabulary"))?;
        app.gate.metrics.body_out.inc_by(file.bytes().len() as u64);
        let mut response = Response::new(Body::from(Bytes::from_owner(Arc::clone(file.bytes()))));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_VOCABULARY));
        Ok(response)
    })
    .await
}

async fn open(State(app): Shared, Extension(visit): Extension<Visit>, request: Request) -> Response {
    app.exchange("open", visit, request, async |caller, request, encoding| {
        let (asked, _room): (Open, _) = app.gate.body(caller.owner, request, encoding).await?;
        app.info.admits(&asked)?;
        let session = app.scheduler.open(caller.owner).await?;
        let opened = Opened { session, info: app.info.to_open() };
        Ok(success(caller.encoding, &opened, &app.gate.metrics))
    })
    .await
}

async fn close(
    State(app): Shared,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    app.exchange("close", visit, request, async |caller, _, _| {
        app.scheduler.close(caller.owner, session(&id)?).await?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    })
    .await
}

async fn advance(
    State(app): Shared,
    Extension(visit): Extension<Visit>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let connection = visit.number();
    app.exchange("advance", visit, request, async |caller, request, encoding| {
        let id = session(&id)?;
        let arrival = async { Ok(app.arrivals.turn((connection, id)).await) };
        // The place in the order is that of the headers, so it is taken first.
        let (arrival, (request, room)) =
            tokio::try_join!(arrival, app.gate.body::<Advance>(caller.owner, request, encoding))?;
        let turn = app.turns.turn((caller.owner, id)).await;
        drop(arrival);
        if request.begin.as_ref().is_some_and(|begin| begin.grammar.is_some()) {
            app.scheduler.find(caller.owner, id).await?;
        }
        // Here and not where the session is: compiling a grammar takes time.
        let constraint = app.grammars.constraint(request.begin.as_ref()).await?;
        let source = app.scheduler.advance(caller.owner, id, request, constraint, room)?;
        drop(turn);
        frames::answer(&app.gate.metrics, source, caller.encoding).await
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
