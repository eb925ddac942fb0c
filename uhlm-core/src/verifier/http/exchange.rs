//! One exchange with the verifier: token, request, status, body, and at most one repetition.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::Instant;
use uhlm_law::protocol::{Encoding, MAX_RESPONSE_BYTES};
use uhlm_law::rng::{Rng, Stream};
use uhlm_net::{BearerToken, TokenCache, TokenError};

use super::config::{ConfigError, HttpConfig, RetryPolicy, endpoint};
use super::failure::{Failure, invalid, refusal};
use super::pool::{Generation, Pool};
use crate::seed;
use crate::verifier::{BodyBytes, VerifierError};

/// The most that is read of an answer that is not a success.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// Whether sending a request again is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Always: it changes nothing, or its sequence number makes the second a repetition of the first.
    Harmless,
    /// Only if the first was never processed: each one processed makes a difference.
    IfUnsent,
}

/// A request, ready to be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Below the endpoint, without a leading slash.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    pub(super) repeat: Repeat,
}

/// What happened to a call so far.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) asked: Instant,
    pub(super) bytes: BodyBytes,
    pub(super) attempts: u32,
    expires: Option<Instant>,
    repeated: bool,
    /// The client of the last attempt, until something came back through it.
    unanswered: Option<Generation>,
}

impl Trace {
    pub(super) fn new(deadline: Duration) -> Self {
        let asked = Instant::now();
        Self {
            asked,
            bytes: BodyBytes::default(),
            attempts: 0,
            expires: asked.checked_add(deadline),
            repeated: false,
            unanswered: None,
        }
    }

    /// Whether `pause` leaves time before the deadline.
    fn allows(&self, pause: Duration) -> bool {
        self.expires.is_none_or(|at| at.checked_duration_since(Instant::now()).is_some_and(|left| pause < left))
    }
}

/// What all calls of one verifier share.
pub(super) struct Exchanges {
    endpoint: Url,
    pub(super) encoding: Encoding,
    pool: Pool,
    tokens: TokenCache,
    retry: RetryPolicy,
    jitter: Mutex<Rng>,
    vocabulary_size: AtomicU32,
}

impl Exchanges {
    pub(super) fn new(config: &HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoint: endpoint(config)?,
            encoding: config.encoding,
            pool: Pool::new(config)?,
            tokens: TokenCache::new(config.token.clone()),
            retry: config.retry.clone(),
            jitter: Mutex::new(Rng::new(seed::fresh(), Stream::Simulation)),
            vocabulary_size: AtomicU32::new(config.vocabulary_size.unwrap_or(u32::MAX)),
        })
    }

    /// The number of token ids, as far as it is known.
    pub(super) fn vocabulary_size(&self) -> usize {
        self.vocabulary_size.load(Ordering::Relaxed) as usize
    }

    /// Takes the size that the verifier names, unless one is known already.
    pub(super) fn learn_vocabulary_size(&self, size: u32) {
        // Lost races bring the same number.
        let _ = self.vocabulary_size.compare_exchange(u32::MAX, size, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Gives up the connection; the next request makes a new one.
    pub(super) fn reconnect(&self) {
        self.pool.renew(self.pool.client().0);
    }

    /// Sends a request and reads its whole answer, within the deadline.
    pub(super) async fn call(
        &self,
        request: &Request,
        deadline: Duration,
        trace: &mut Trace,
    ) -> Result<Vec<u8>, VerifierError> {
        let answered = tokio::time::timeout(deadline, async {
            loop {
                let attempt = match self.head(request, trace).await {
                    Ok(response) => read(response, MAX_RESPONSE_BYTES, trace).await,
                    Err(failure) => Err(failure),
                };
                match attempt {
                    Ok(body) => return Ok(body),
                    Err(failure) => self.pause_or_fail(failure, request.repeat, trace).await?,
                }
            }
        });
        answered.await.unwrap_or_else(|_| Err(self.missed(deadline, trace)))
    }

    /// Sends a request and returns as soon as its answer begins, within the deadline.
    pub(super) async fn begin(
        &self,
        request: &Request,
        deadline: Duration,
        trace: &mut Trace,
    ) -> Result<Response, VerifierError> {
        let begun = tokio::time::timeout(deadline, async {
            loop {
                match self.head(request, trace).await {
                    Ok(response) => return Ok(response),
                    Err(failure) => self.pause_or_fail(failure, request.repeat, trace).await?,
                }
            }
        });
        begun.await.unwrap_or_else(|_| Err(self.missed(deadline, trace)))
    }

    /// The error of a missed deadline. A connection that brought nothing at all is given up.
    pub(super) fn missed(&self, deadline: Duration, trace: &Trace) -> VerifierError {
        if let Some(generation) = trace.unanswered {
            self.pool.renew(generation);
        }
        VerifierError::DeadlineExceeded { deadline }
    }

    /// Sends a request whose answer nobody waits for, with the token at hand.
    pub(super) async fn notify(&self, request: &Request, deadline: Duration) {
        let (_, sent) = self.send(request, self.tokens.at_hand().as_ref());
        // It is a courtesy: the verifier forgets idle sessions by itself.
        let _ = tokio::time::timeout(deadline, sent).await;
    }

    /// One attempt up to the head of a success; a refused token is replaced once.
    async fn head(&self, request: &Request, trace: &mut Trace) -> Result<Response, Failure> {
        let token = self.tokens.token(None).await.map_err(no_token)?;
        match self.attempt(request, token.as_ref(), trace).await {
            Err(failure) if failure.stale_token && token.is_some() => {
                let token = self.tokens.token(token.as_ref()).await.map_err(no_token)?;
                self.attempt(request, token.as_ref(), trace).await
            }
            other => other,
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        token: Option<&BearerToken>,
        trace: &mut Trace,
    ) -> Result<Response, Failure> {
        let (generation, sent) = self.send(request, token);
        trace.attempts += 1;
        trace.unanswered = Some(generation);
        let up = request.body.as_ref().map_or(0, |body| body.len() as u64);
        let response = match sent.await {
            Ok(response) => response,
            Err(error) => {
                let failure = Failure::from(error);
                trace.bytes.up += if failure.unsent { 0 } else { up };
                return Err(failure);
            }
        };
        trace.bytes.up += up;
        trace.unanswered = None;
        let status = response.status();
        let encoding = media_type(response.headers());
        if status == StatusCode::OK {
            return match encoding {
                Some(encoding) if encoding == self.encoding => Ok(response),
                _ => Err(invalid(format!("the content type is not {}", self.encoding.media_type())).into()),
            };
        }
        let headers = response.headers().clone();
        // A refusal whose reason is cut off or too long is still that refusal.
        let body = read(response, MAX_ERROR_BYTES, trace).await.unwrap_or_default();
        let error = refusal(status, &headers, encoding, &body);
        Err(Failure { error, unsent: false, stale_token: status == StatusCode::UNAUTHORIZED })
    }

    fn send(
        &self,
        request: &Request,
        token: Option<&BearerToken>,
    ) -> (Generation, impl Future<Output = reqwest::Result<Response>> + use<>) {
        let (generation, client) = self.pool.client();
        let mut url = self.endpoint.clone();
        url.set_path(&format!("{}{}", url.path(), request.path));
        let mut builder = client.request(request.method.clone(), url);
        if let Some(token) = token {
            builder = builder.header(AUTHORIZATION, token.header());
        }
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, self.encoding.media_type()).body(body.clone());
        }
        (generation, builder.send())
    }

    /// Waits until a failed request may be repeated, or says why it may not.
    async fn pause_or_fail(&self, failure: Failure, repeat: Repeat, trace: &mut Trace) -> Result<(), VerifierError> {
        let jitter = 0.5 + 0.5 * self.jitter.lock().unwrap_or_else(PoisonError::into_inner).uniform();
        let back_off = self.retry.back_off.mul_f64(jitter);
        let pause = match &failure.error {
            VerifierError::Unreachable { .. } if failure.unsent || repeat == Repeat::Harmless => back_off,
            // Refused unprocessed, so even what must not happen twice may be sent again.
            VerifierError::Busy { retry_after: Some(asked) } if *asked <= self.retry.max_busy_wait => *asked + back_off,
            _ => return Err(failure.error),
        };
        if !self.retry.enabled || trace.repeated || !trace.allows(pause) {
            return Err(failure.error);
        }
        trace.repeated = true;
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Reads a body, never holding more than `limit` bytes of it.
async fn read(mut response: Response, limit: usize, trace: &mut Trace) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        trace.bytes.down += piece.len() as u64;
        if body.len() + piece.len() > limit {
            return Err(invalid(format!("an answer of more than {limit} bytes")).into());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn media_type(headers: &HeaderMap) -> Option<Encoding> {
    Encoding::from_media_type(headers.get(CONTENT_TYPE)?.to_str().ok()?)
}

fn no_token(error: TokenError) -> Failure {
    match error {
        TokenError::Denied => VerifierError::Unauthorized,
        TokenError::Unavailable { .. } => VerifierError::Unreachable { reason: error.to_string() },
    }
    .into()
}
