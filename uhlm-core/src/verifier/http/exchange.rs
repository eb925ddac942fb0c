//! One exchange with the verifier: token, request, status, the parts of the answer, and at most one repetition.
//!
//! Decides how long is waited for, when a request is repeated, and when a connection is given up. Leaves to
//! [`super::parts`] what a part is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::timeout;
use uhlm_law::advance::{Encoding, ErrorBody, MEDIA_VOCABULARY};
use uhlm_law::rng::{Rng, Stream};
use uhlm_net::{BearerToken, TokenCache, TokenError};

use super::config::{ConfigError, HttpConfig, RetryPolicy, endpoint};
use super::failure::{Failure, invalid, refusal};
use super::parts::{Incoming, Parts, Whole};
use super::pool::{Generation, Pool};
use super::trace::Trace;
use crate::seed;
use crate::verifier::VerifierError;

/// Whether sending a request again is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Always, as long as no part of an answer came: it changes nothing, or its number makes the second a repetition of
    /// the first.
    Harmless,
    /// Only if the first was never processed: each one that is processed makes a difference.
    IfUnsent,
}

/// A request of HTTP, ready to be sent more than once.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) method: Method,
    /// Path below the endpoint, without a leading slash.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
    pub(super) repeat: Repeat,
}

/// The state that all calls of one verifier share.
pub(super) struct Exchanges {
    endpoint: Url,
    pub(super) encoding: Encoding,
    pool: Pool,
    tokens: TokenCache,
    retry: RetryPolicy,
    jitter: Mutex<Rng>,
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
        })
    }

    /// Gives up the connection; the next request makes a new one.
    pub(super) fn reconnect(&self) {
        self.pool.renew(self.pool.client().0);
    }

    /// Sends a request and waits for the first part of its answer, within the deadline. Only until then it is repeated.
    pub(super) async fn ask<P: Parts>(
        &self,
        request: &Post,
        deadline: Duration,
        trace: &mut Trace,
    ) -> Result<(P::Part, Incoming<P>), VerifierError> {
        let answered = timeout(deadline, async {
            loop {
                match self.first(request, trace).await {
                    Ok(first) => return Ok(first),
                    Err(failure) => self.pause_or_fail(failure, request.repeat, trace).await?,
                }
            }
        });
        answered.await.unwrap_or_else(|_| Err(self.missed(deadline, trace)))
    }

    /// Waits for the next part of an answer, no longer than `silence`.
    pub(super) async fn more<P: Parts>(
        &self,
        incoming: &mut Incoming<P>,
        silence: Duration,
        trace: &mut Trace,
    ) -> Result<P::Part, VerifierError> {
        trace.unheard = Some(incoming.generation);
        let generation = incoming.generation;
        match timeout(silence, incoming.next(trace)).await {
            Ok(part) => {
                self.pool.heard(generation);
                part.map_err(|failure| failure.error)
            }
            Err(_) => Err(self.missed(silence, trace)),
        }
    }

    /// Makes the error of a missed deadline. A connection that brought nothing at all in that time, and missed the
    /// deadline before as well, is given up.
    fn missed(&self, deadline: Duration, trace: &Trace) -> VerifierError {
        if let Some(generation) = trace.unheard {
            self.pool.missed(generation, deadline);
        }
        VerifierError::DeadlineExceeded { deadline }
    }

    /// Sends a request whose answer nobody waits for, with the token at hand.
    pub(super) async fn notify(&self, request: &Post, deadline: Duration) {
        let (_, sent) = self.send(request, self.tokens.at_hand().as_ref());
        // It is a courtesy: the verifier forgets idle sessions by itself.
        let _ = timeout(deadline, sent).await;
    }

    /// Makes one attempt up to the first part of an answer; a refused token is replaced once.
    async fn first<P: Parts>(&self, request: &Post, trace: &mut Trace) -> Result<(P::Part, Incoming<P>), Failure> {
        let token = self.tokens.token(None).await.map_err(no_token)?;
        let mut incoming = match self.head(request, token.as_ref(), trace).await {
            Err(failure) if failure.stale_token && token.is_some() => {
                let token = self.tokens.token(token.as_ref()).await.map_err(no_token)?;
                self.head(request, token.as_ref(), trace).await?
            }
            other => other?,
        };
        Ok((incoming.next(trace).await?, incoming))
    }

    /// Sends a request and waits for the head of an answer that is a success.
    async fn head<P: Parts>(
        &self,
        request: &Post,
        token: Option<&BearerToken>,
        trace: &mut Trace,
    ) -> Result<Incoming<P>, Failure> {
        let (generation, sent) = self.send(request, token);
        trace.attempts += 1;
        trace.unheard = Some(generation);
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
        trace.hear(0);
        self.pool.heard(generation);
        let status = response.status();
        let encoding = media_type(response.headers());
        if status == StatusCode::OK {
            let (wanted, told) = (P::media_type(self.encoding), response.headers().get(CONTENT_TYPE));
            let is_file = wanted == MEDIA_VOCABULARY && told.is_some_and(|told| told == wanted);
            if is_file || encoding == Some(self.encoding) && wanted == self.encoding.media_type() {
                return Ok(Incoming::new(response, self.encoding, generation));
            }
            return Err(invalid(format!("the content type is not {wanted}")).into());
        }
        let headers = response.headers().clone();
        // A refusal whose reason cannot be read is still that refusal.
        let told = match encoding {
            Some(encoding) => {
                let mut body: Incoming<Whole<ErrorBody>> = Incoming::new(response, encoding, generation);
                body.next(trace).await.ok()
            }
            None => None,
        };
        let error = refusal(status, &headers, told);
        Err(Failure { error, unsent: false, stale_token: status == StatusCode::UNAUTHORIZED })
    }

    fn send(
        &self,
        request: &Post,
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
