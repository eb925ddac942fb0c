//! The way of one request to an engine.
//!
//! Decides time limits, how long a connection is kept, and what a status means. Dropping the future closes the
//! connection, which is how an engine learns that nobody waits any more.

use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use serde_json::Value;
use uhlm_net::{BearerToken, TrustError, TrustPolicy, client_config, retry_after};

use crate::error::{InvalidAnswer, UpstreamError};

/// Time for which an idle connection is kept. The engines close theirs after 5 s, and a request must not meet that.
const IDLE: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(2);
/// Longest time of a request for rows of a text that an engine has seen, and of questions about the engine itself.
const SHORT: Duration = Duration::from_secs(20);
/// Longest time of any request. Reading a long prompt is the longest that an engine does at once.
const LONG: Duration = Duration::from_secs(120);
/// Largest answer that is read, in bytes: the whole row of a large vocabulary, a few times.
const MAX_ANSWER: usize = 128 << 20;

/// A client of engines.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
}

/// An answer that is not the one that was hoped for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: UpstreamError,
    /// The answer's body, which is looked at for limits and goes nowhere.
    pub(crate) body: Vec<u8>,
}

impl From<UpstreamError> for Refused {
    fn from(error: UpstreamError) -> Self {
        Self { error, body: Vec::new() }
    }
}

impl Http {
    pub(crate) fn new(trust: &TrustPolicy, key: Option<&BearerToken>) -> Result<Self, TrustError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, key.header());
        }
        let client = Client::builder()
            .tls_backend_preconfigured(client_config(trust, false)?)
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| TrustError { reason: error.to_string() })?;
        Ok(Self { client })
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Value, UpstreamError> {
        let body = self.send(Method::GET, url, None, SHORT).await.map_err(|refused| refused.error)?;
        serde_json::from_slice(&body).map_err(|_| InvalidAnswer::Form("JSON").into())
    }

    /// Posts a body. `is_short` says that the engine has little to do for it.
    pub(crate) async fn post(&self, url: &str, body: &Value, is_short: bool) -> Result<Vec<u8>, Refused> {
        self.send(Method::POST, url, Some(body.to_string()), if is_short { SHORT } else { LONG }).await
    }

    /// Posts a body and returns the answer when its head is there; nothing bounds the time of the rest.
    pub(crate) async fn stream(&self, url: &str, body: &Value, head: Duration) -> Result<Response, UpstreamError> {
        let json = HeaderValue::from_static("application/json");
        let sent = self.client.post(url).header(CONTENT_TYPE, json).body(body.to_string()).send();
        let response = tokio::time::timeout(head, sent).await.map_err(|_| UpstreamError::TimedOut)?;
        let response = response.map_err(|error| failure(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(&response)) }
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<String>,
        timeout: Duration,
    ) -> Result<Vec<u8>, Refused> {
        let mut request = self.client.request(method, url).timeout(timeout);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        }
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let refused = (!response.status().is_success()).then(|| refusal(&response));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(UpstreamError::from(InvalidAnswer::Form("end")).into());
            }
            bytes.extend_from_slice(&chunk);
        }
        match refused {
            Some(error) => Err(Refused { error, body: bytes }),
            None => Ok(bytes),
        }
    }
}

/// Returns what the status of an answer that is no success means.
fn refusal(response: &Response) -> UpstreamError {
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            UpstreamError::Busy { after: retry_after(response.headers(), SystemTime::now()) }
        }
        other => UpstreamError::Status(other.as_u16()),
    }
}

fn failure(error: &reqwest::Error) -> UpstreamError {
    if error.is_timeout() && !error.is_connect() { UpstreamError::TimedOut } else { UpstreamError::Unreachable }
}
