//! One accepted connection: TLS handshake, HTTP/2 or HTTP/1.1, and its end when nothing is asked or the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::limits::Limits;
use crate::metrics::{Limit, Metrics};
use crate::owner::Owner;
use crate::owner::pool::Pool;
use crate::visit::Visit;
use crate::wire::{Activity, Counted};

/// Largest number of requests that one connection may have under way. A device needs a handful.
const STREAMS: u32 = 32;
/// Number of streams that a client has reset before anybody looked at them, after which its connection is closed.
const RESETS: usize = 32;
/// Largest size of the headers of one request, in bytes.
const HEADER_BYTES: u32 = 16 << 10;
/// Longest time that the last bytes of a connection that is closed for its silence may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Longest time between two looks at a connection, since its requests come and go meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LEAST_REST: Duration = Duration::from_millis(10);

/// The state that all connections share.
pub(crate) struct Connections {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Places for connections that have not shown yet that they may ask, by address.
    pub(crate) strangers: Pool,
    /// Changes once, when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Connections {
    /// Serves a connection until it ends.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Ok(stranger) = self.strangers.take(Owner::of_address(peer.ip()), 1) else {
            self.metrics.by.reached(Limit::Strangers);
            tracing::debug!("too many connections of one address that asked nothing yet");
            return;
        };
        let visit = Visit::new(peer.ip(), Some(stranger), Instant::now());
        let _open = Open::new(&self.metrics);
        // A verdict is one small write: waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let stream = Counted::new(stream, Arc::clone(&self.metrics));
        let activity = stream.activity();
        match &self.tls {
            None => self.http(stream, visit, activity).await,
            Some(acceptor) => {
                let mut stopping = self.stopping.clone();
                let handshake = tokio::select! {
                    handshake = tokio::time::timeout(self.limits.first_request, acceptor.accept(stream)) => handshake,
                    () = stopped(&mut stopping) => return,
                };
                match handshake {
                    Ok(Ok(stream)) => self.http(stream, visit, activity).await,
                    Ok(Err(error)) => tracing::debug!(%error, "handshake failed"),
                    Err(_) => tracing::debug!("handshake not in time"),
                }
            }
        }
    }

    async fn http<S>(&self, stream: S, visit: Visit, activity: Activity)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone().layer(from_fn(watched)).layer(Extension(visit.clone()));
        let service = TowerToHyperService::new(router);
        let mut builder = Builder::new(TokioExecutor::new());
        // Bytes on the wire are what this project saves: no date in every answer.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.read_wait)
            .auto_date_header(false)
            .max_buf_size(HEADER_BYTES as usize * 2);
        builder
            .http2()
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(RESETS)
            .max_header_list_size(HEADER_BYTES);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = self.stopping.clone();
        let mut asked_to_end = false;
        let mut said_goodbye = false;
        loop {
            let end = visit.end(&self.limits, activity.silence(), Instant::now());
            let rest = end.saturating_duration_since(Instant::now()).max(LEAST_REST);
            let rest = if said_goodbye { GOODBYE } else { rest.min(LOOK_EVERY) };
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection failed");
                    }
                    return;
                }
                () = stopped(&mut stopping), if !asked_to_end => {
                    connection.as_mut().graceful_shutdown();
                    asked_to_end = true;
                }
                // No pings: each would wake a phone's radio. Nor do a client's keep it here.
                () = tokio::time::sleep(rest) => {
                    if said_goodbye {
                        return;
                    }
                    let now = Instant::now();
                    if visit.end(&self.limits, activity.silence(), now) <= now {
                        connection.as_mut().graceful_shutdown();
                        (asked_to_end, said_goodbye) = (true, true);
                    }
                }
            }
        }
    }
}

/// Watches a request for as long as its answer is under way.
async fn watched(Extension(visit): Extension<Visit>, request: Request, next: Next) -> Response {
    let under_way = visit.request();
    let response = next.run(request).await;
    under_way.is_complete();
    response.map(|body| match body.size_hint().exact() {
        // A body that is there whole is as good as sent.
        Some(_) => body,
        // The watch is dropped with the body: at its end, or when the client resets it.
        None => Body::new(body.map_frame(move |frame| {
            let _ = &under_way;
            frame
        })),
    })
}

/// Counts a connection for as long as it is served, however that ends.
struct Open<'a>(&'a Metrics);

impl<'a> Open<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// Completes when the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped.
    let _ = stopping.wait_for(|stop| *stop).await;
}
