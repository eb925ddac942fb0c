//! The verifier over HTTPS: `uhlm-verify/1` from the device's side.
//!
//! Decides how a call becomes requests: one warm HTTP/2 connection, a deadline over everything, at most one repetition,
//! and no answer that breaks the protocol gets through. What a failure means for the generation is the session's and
//! [`link`](crate::link)'s decision; nothing here remembers that a verifier was unreachable.
//!
//! # Cancel safety
//! Dropping a [`Call`] resets its stream; the connection stays. Whether the verifier has processed the request by then
//! is unknown. For `verify` and `draws` that does not matter: the same sequence number brings the same verdict, and the
//! session may go on from what it knows. A dropped or lost `open` can leave a session behind that nobody uses; the
//! verifier evicts it when it has been idle, so `open` is repeated only if the first request was never processed. A
//! dropped continuation ends where the verifier notices; the next request's prefix check tells what it holds.
//!
//! # Bytes
//! Headers are `accept`, `content-type` and `authorization`, which HTTP/2 compresses to a few bytes once sent.
//! [`BodyBytes`](super::BodyBytes) counts bodies of repeated requests too, except those that the HTTP client repeats by
//! itself because the server declared them unprocessed (a refused stream, a connection going away).

mod config;
mod continuation;
mod exchange;
mod failure;
mod frames;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

pub use self::config::{ConfigError, HttpConfig, RetryPolicy};

use uhlm_law::protocol::{
    ContinueRequest, Digest, DrawsRequest, DrawsResponse, Info, OpenRequest, OpenResponse, PROTOCOL, VerifyRequest,
    VerifyResponse,
};

use self::exchange::{Exchanges, Repeat, Request, Trace};
use self::failure::invalid;
use super::{Answer, Call, ContinueReply, Reply, Verifier, VerifierError, check_draws, check_verdict};

/// How long closing a session may take before it is left to the verifier's own eviction.
const CLOSE_DEADLINE: Duration = Duration::from_secs(3);

/// A verifier over HTTPS.
///
/// Cheap to keep, costly to make: the first request pays for name resolution, TCP and TLS. Replies run on the one network
/// thread of the process (`uhlm-network`), so they must not block. Calls may be made from any thread.
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
    /// under way go on. Without it a dead connection is given up after the first missed deadline.
    pub fn reconnect(&self) {
        self.exchanges.reconnect();
    }

    /// Sends a request, decodes the answer and checks it before anyone sees it.
    fn call<T, C>(&self, request: Request, deadline: Duration, reply: Reply<T>, check: C) -> Call
    where
        T: DeserializeOwned + Send + 'static,
        C: FnOnce(&Exchanges, &T) -> Result<(), VerifierError> + Send + 'static,
    {
        let exchanges = Arc::clone(&self.exchanges);
        let mut trace = Trace::new(deadline);
        self.spawn(async move {
            let answer = exchanges.call(&request, deadline, &mut trace).await.and_then(|body| {
                let value = exchanges.encoding.decode(&body)?;
                check(&exchanges, &value)?;
                Ok(Answer { value, bytes: trace.bytes, elapsed: trace.asked.elapsed(), attempts: trace.attempts })
            });
            reply(answer);
        })
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Call {
        let task = self.runtime.spawn(work).abort_handle();
        Call::new(move || task.abort())
    }

    /// A request to one session; `None` if the name cannot be one.
    fn to_session(&self, session: &str, what: &str, body: &impl Serialize, repeat: Repeat) -> Option<Request> {
        let path = session_path(session, what)?;
        Some(Request { method: Method::POST, path, body: Some(self.encode(body)), repeat })
    }

    fn encode(&self, body: &impl Serialize) -> Bytes {
        self.exchanges.encoding.encode(body).into()
    }
}

impl Verifier for HttpVerifier {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        let request = Request { method: Method::GET, path: "v1/info".into(), body: None, repeat: Repeat::Harmless };
        self.call(request, deadline, reply, |exchanges, info| {
            check_info(info)?;
            exchanges.learn_vocabulary_size(info.vocabulary_size);
            Ok(())
        })
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        let body = Some(self.encode(&request));
        let wire = Request { method: Method::POST, path: "v1/sessions".into(), body, repeat: Repeat::IfUnsent };
        self.call(wire, deadline, reply, move |exchanges, response: &OpenResponse| {
            check_info(&response.info)?;
            check_opened(response, request.vocabulary)?;
            exchanges.learn_vocabulary_size(response.info.vocabulary_size);
            Ok(())
        })
    }

    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call {
        let Some(wire) = self.to_session(session, "/verify", &request, Repeat::Harmless) else {
            return self.spawn(async move { reply(Err(VerifierError::SessionGone)) });
        };
        self.call(wire, deadline, reply, move |exchanges, response| {
            check_verdict(&request, response, exchanges.vocabulary_size())
        })
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        let Some(wire) = self.to_session(session, "/draws", &request, Repeat::Harmless) else {
            return self.spawn(async move { reply(Err(VerifierError::SessionGone)) });
        };
        self.call(wire, deadline, reply, move |exchanges, response: &DrawsResponse| {
            if response.draws.len() > request.count as usize {
                return Err(invalid("more draws than were asked for"));
            }
            check_draws(&response.draws, exchanges.vocabulary_size())
        })
    }

    fn continuation(
        &self,
        session: &str,
        request: ContinueRequest,
        deadline: Duration,
        mut reply: ContinueReply,
    ) -> Call {
        let Some(wire) = self.to_session(session, "/continue", &request, Repeat::IfUnsent) else {
            return self.spawn(async move { reply(Err(VerifierError::SessionGone)) });
        };
        let exchanges = Arc::clone(&self.exchanges);
        self.spawn(async move { continuation::run(&exchanges, &wire, request.max_tokens, deadline, reply).await })
    }

    fn close(&self, session: &str) {
        let Some(path) = session_path(session, "") else { return };
        let exchanges = Arc::clone(&self.exchanges);
        let request = Request { method: Method::DELETE, path, body: None, repeat: Repeat::Harmless };
        self.spawn(async move { exchanges.notify(&request, CLOSE_DEADLINE).await }).detach();
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

/// The path of a session. Names come from the verifier and go into paths, so nothing but a name passes.
fn session_path(session: &str, what: &str) -> Option<String> {
    is_session_name(session).then(|| format!("v1/sessions/{session}{what}"))
}

fn is_session_name(session: &str) -> bool {
    session.len() == 32 && session.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_info(info: &Info) -> Result<(), VerifierError> {
    if info.protocol != PROTOCOL {
        return Err(invalid(format!("the verifier does not speak {PROTOCOL}")));
    }
    if info.vocabulary_size == 0 || info.context == 0 {
        return Err(invalid("an empty vocabulary or context"));
    }
    Ok(())
}

fn check_opened(response: &OpenResponse, vocabulary: Digest) -> Result<(), VerifierError> {
    if !is_session_name(&response.session) {
        return Err(invalid("the session's name is not 32 hexadecimal digits"));
    }
    if response.info.vocabulary != vocabulary {
        return Err(invalid("the session has another vocabulary than was asked for"));
    }
    Ok(())
}
