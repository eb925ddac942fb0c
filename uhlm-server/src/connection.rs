//! One accepted connection: TLS handshake, HTTP/2 or HTTP/1.1, and its end when it is silent or the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::exchange::Peer;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::wire::{Activity, Counted};

/// Requests that one connection may have under way. A device needs a handful.
const STREAMS: u32 = 128;
/// Header bytes of one request.
const HEADER_BYTES: u32 = 16 << 10;
/// How long the last bytes of a connection that is closed for its silence may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What every connection needs.
pub(crate) struct Connections {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Changes once, when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Connections {
    /// Serves a connection until it ends.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let _open = Open::new(&self.metrics);
        // A verdict is one small write: waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let stream = Counted::new(stream, Arc::clone(&self.metrics));
        let activity = stream.activity();
        match &self.tls {
            None => self.http(stream, peer, activity).await,
            Some(acceptor) => {
                let mut stopping = self.stopping.clone();
                let handshake = tokio::select! {
                    handshake = tokio::time::timeout(self.limits.read_wait, acceptor.accept(stream)) => handshake,
                    () = stopped(&mut stopping) => return,
                };
                match handshake {
                    Ok(Ok(stream)) => self.http(stream, peer, activity).await,
                    Ok(Err(error)) => tracing::debug!(%error, "handshake failed"),
                    Err(_) => tracing::debug!("handshake not in time"),
                }
            }
        }
    }

    async fn http<S>(&self, stream: S, peer: SocketAddr, activity: Activity)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = TowerToHyperService::new(self.router.clone().layer(Extension(Peer(peer.ip()))));
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
            .max_header_list_size(HEADER_BYTES);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = self.stopping.clone();
        let mut asked_to_end = false;
        let mut said_goodbye = false;
        loop {
            let idle = self.limits.connection_idle;
            let rest = if said_goodbye { GOODBYE } else { idle.saturating_sub(activity.silence()) };
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
                // No pings: each would wake a phone's radio. A phone that vanished is noticed by its silence.
                () = tokio::time::sleep(rest) => {
                    if said_goodbye {
                        return;
                    }
                    if activity.silence() >= idle {
                        connection.as_mut().graceful_shutdown();
                        (asked_to_end, said_goodbye) = (true, true);
                    }
                }
            }
        }
    }
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
