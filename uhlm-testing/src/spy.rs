//! A verifier that writes down the text of everything that reaches it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::verifier::{Call, ContinueReply, Reply, Verifier};
use uhlm_law::chat::DraftModel;
use uhlm_law::protocol::{
    ContinueRequest, DrawsRequest, DrawsResponse, Info, OpenRequest, OpenResponse, VerifyRequest, VerifyResponse,
};
use uhlm_law::sampling::TokenId;

use crate::synthetic::SyntheticModel;

/// The wrapper.
pub struct Spy {
    inner: Arc<dyn Verifier>,
    heard: Mutex<Vec<String>>,
    closed: Mutex<usize>,
    networks: Mutex<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spy {
    /// Around a verifier that works.
    #[must_use]
    pub fn new(inner: impl Verifier + 'static) -> Arc<Self> {
        let (heard, closed, networks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { inner: Arc::new(inner), heard, closed, networks })
    }

    /// The text of each request that had some, in order; an opened session is empty text.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        lock(&self.heard).clone()
    }

    /// Sessions that were closed.
    #[must_use]
    pub fn closed(&self) -> usize {
        *lock(&self.closed)
    }

    /// Times that another network was reported.
    #[must_use]
    pub fn networks(&self) -> usize {
        *lock(&self.networks)
    }

    fn hear(&self, tokens: &[&[TokenId]]) {
        let text = SyntheticModel::draft().detokenize(&tokens.concat());
        lock(&self.heard).push(String::from_utf8_lossy(&text).into_owned());
    }
}

impl Verifier for Spy {
    fn info(&self, deadline: Duration, reply: Reply<Info>) -> Call {
        self.inner.info(deadline, reply)
    }

    fn open(&self, request: OpenRequest, deadline: Duration, reply: Reply<OpenResponse>) -> Call {
        self.hear(&[]);
        self.inner.open(request, deadline, reply)
    }

    fn verify(&self, session: &str, request: VerifyRequest, deadline: Duration, reply: Reply<VerifyResponse>) -> Call {
        self.hear(&[&request.append, &request.draft]);
        self.inner.verify(session, request, deadline, reply)
    }

    fn draws(&self, session: &str, request: DrawsRequest, deadline: Duration, reply: Reply<DrawsResponse>) -> Call {
        self.hear(&[]);
        self.inner.draws(session, request, deadline, reply)
    }

    fn continuation(&self, session: &str, request: ContinueRequest, deadline: Duration, reply: ContinueReply) -> Call {
        self.hear(&[&request.append]);
        self.inner.continuation(session, request, deadline, reply)
    }

    fn close(&self, session: &str) {
        *lock(&self.closed) += 1;
        self.inner.close(session);
    }

    fn on_network_change(&self) {
        *lock(&self.networks) += 1;
    }
}
