//! The verifier over HTTPS: `uhlm-verify/2` from the device's side.
//!
//! Decides how a call becomes requests: one warm HTTP/2 connection, a deadline until the first part of an answer and a
//! bound on the silence after it, at most one repetition, and nothing handed on that cannot be read. What a frame is
//! worth is decided by the law, against what was asked; what a failure means for the generation is the session's
//! decision. Nothing here remembers that a verifier was unreachable.
//!
//! # Cancel safety
//! Dropping a [`Call`] resets its stream; the connection stays. Whether the verifier has processed the request by then
//! is unknown. For `advance` that does not matter: the session goes on from what it knows, and the same request brings
//! the same tokens. A dropped or lost `open` can leave a session behind that nobody uses; the verifier evicts it when
//! it has been idle, so `open` is repeated only if the first request was never processed.
//!
//! # Bytes
//! Headers are `accept`, `content-type` and `authorization`, which HTTP/2 compresses to a few bytes once sent.
//! [`BodyBytes`](super::BodyBytes) counts bodies of repeated requests too, except those that the HTTP client repeats by
//! itself because the server declared them unprocessed (a refused stream, a connection going away).

mod config;
mod exchange;
mod failure;
mod parts;
mod pool;
mod stream;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tokio::runtime::Handle;
use uhlm_law::advance::{Body, Info, Open, Opened, PROTOCOL};

pub use self::config::{ConfigError, HttpConfig, RetryPolicy};
use self::exchange::{Exchanges, Post, Repeat};
use self::failure::invalid;
use self::parts::{VocabularyBytes, Whole};
use self::trace::Trace;
use super::{Call, Part, Reply, Request, Verifier, VerifierError};

/// A verifier over HTTPS.
///
/// Cheap to keep, costly to make: the first request pays for name resolution, TCP and TLS. Replies run on the one
/// network thread of the process (`uhlm-network`), so they must not block. Calls may be made from any thread.
pub struct HttpVerifier {
    exchanges: Arc<Exchanges>,
    runtime: &'static Handle,
}

impl HttpVerifier {
    /// Checks the settings and makes the client; connects only with the first call.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn new(config: HttpConfig) -> Result<Self, ConfigError> {
        let runtime = uhlm_net::runtime::network().map_err(|error| ConfigError::Start { reason: error.to_string() })?;
        Ok(Self { exchanges: Arc::new(Exchanges::new(&config)?), runtime })
    }

    /// Gives up the connection in use, for when the system reports another network: the next call connects anew, calls
    /// under way go on. Without it a dead connection is given up after two missed deadlines in a row.
    pub fn reconnect(&self) {
        self.exchanges.reconnect();
    }

    /// Sends a request, decodes the answer, and has it checked before anyone sees it.
    fn whole<T, C>(&self, post: Post, deadline: Duration, mut reply: Reply, check: C) -> Call
    where
        T: Body + Send + 'static,
        C: FnOnce(T) -> Result<Part, VerifierError> + Send + 'static,
    {
        let exchanges = Arc::clone(&self.exchanges);
        let mut trace = Trace::new(deadline);
        self.spawn(async move {
            let answered = exchanges.ask::<Whole<T>>(&post, deadline, &mut trace).await;
            reply(answered.and_then(|(value, _)| check(value).map(|part| trace.answer(part))));
        })
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Call {
        let task = self.runtime.spawn(work).abort_handle();
        Call::new(move || task.abort())
    }
}

impl Verifier for HttpVerifier {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        let body = request.body(self.exchanges.encoding).into();
        match request {
            Request::Info => {
                let post = Post { method: Method::GET, path: "v2/info".into(), body: None, repeat: Repeat::Harmless };
                self.whole(post, patience, reply, check_info)
            }
            Request::Vocabulary(sha256) => {
                let path = format!("v2/vocabulary/{sha256}");
                let post = Post { method: Method::GET, path, body: None, repeat: Repeat::Harmless };
                let (exchanges, mut trace, mut reply) = (Arc::clone(&self.exchanges), Trace::new(patience), reply);
                self.spawn(async move {
                    let answered = exchanges.ask::<VocabularyBytes>(&post, patience, &mut trace).await;
                    reply(answered.map(|(file, _)| trace.answer(Part::Vocabulary(file))));
                })
            }
            Request::Open(open) => {
                let path = "v2/sessions".into();
                let post = Post { method: Method::POST, path, body: Some(body), repeat: Repeat::IfUnsent };
                self.whole(post, patience, reply, move |opened| check_opened(opened, &open))
            }
            Request::Advance(session, _) => {
                let path = format!("v2/sessions/{session}/advance");
                let post = Post { method: Method::POST, path, body: Some(body), repeat: Repeat::Harmless };
                let exchanges = Arc::clone(&self.exchanges);
                let trace = Trace::new(patience);
                self.spawn(async move { stream::run(&exchanges, &post, patience, trace, reply).await })
            }
            Request::Close(session) => {
                let path = format!("v2/sessions/{session}");
                let post = Post { method: Method::DELETE, path, body: None, repeat: Repeat::Harmless };
                let exchanges = Arc::clone(&self.exchanges);
                self.spawn(async move { exchanges.notify(&post, patience).await })
            }
        }
    }

    fn on_network_change(&self) {
        self.reconnect();
    }
}

impl std::fmt::Debug for HttpVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpVerifier").finish_non_exhaustive()
    }
}

fn check_info(info: Info) -> Result<Part, VerifierError> {
    can_be_used(&info).map(|()| Part::Info(info))
}

fn can_be_used(info: &Info) -> Result<(), VerifierError> {
    if info.protocol != PROTOCOL {
        return Err(invalid(format!("the verifier does not speak {PROTOCOL}")));
    }
    if info.limits.vocabulary_size == 0 || info.limits.context == 0 {
        return Err(invalid("an empty vocabulary or context"));
    }
    Ok(())
}

fn check_opened(opened: Opened, asked: &Open) -> Result<Part, VerifierError> {
    can_be_used(&opened.info)?;
    if opened.info.vocabulary != asked.vocabulary {
        return Err(invalid("the session has another vocabulary than was asked for"));
    }
    if !opened.info.capabilities.contains(asked.needs) {
        return Err(invalid("the verifier lacks what the session needs"));
    }
    Ok(Part::Opened(opened))
}
