//! A verifier that records the text of everything that reaches it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uhlm_core::verifier::{Call, Reply, Request, Verifier};
use uhlm_law::advance::Advance;
use uhlm_law::model::LanguageModel as _;

use crate::synthetic::SyntheticModel;

/// A spy around another verifier.
pub struct Spy {
    inner: Arc<dyn Verifier>,
    /// Texts of the requests, in order.
    heard: Mutex<Vec<String>>,
    /// Number of sessions that were closed.
    closed: Mutex<usize>,
    /// Number of times that another network was reported.
    networks: Mutex<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spy {
    /// Makes a spy around a verifier that works.
    #[must_use]
    pub fn new(inner: impl Verifier + 'static) -> Arc<Self> {
        let (heard, closed, networks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { inner: Arc::new(inner), heard, closed, networks })
    }

    /// Returns all text that can be read in each request, in order: that of its tokens, given ones first, then each
    /// stop string on a line of its own. A request that opens a session is empty text.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        lock(&self.heard).clone()
    }

    /// Returns how many sessions were closed.
    #[must_use]
    pub fn closed(&self) -> usize {
        *lock(&self.closed)
    }

    /// Returns how often another network was reported.
    #[must_use]
    pub fn networks(&self) -> usize {
        *lock(&self.networks)
    }

    fn hear(&self, text: String) {
        lock(&self.heard).push(text);
    }
}

/// Returns all text that can be read in a request.
fn text(request: &Advance) -> String {
    let tokens = [&request.stand[..], &request.draft].concat();
    let text = String::from_utf8_lossy(&SyntheticModel::draft().detokenize(&tokens)).into_owned();
    let stops = request.begin.iter().flat_map(|begin| &begin.stop);
    stops.fold(text, |text, stop| text + "\n" + stop)
}

impl Verifier for Spy {
    fn ask(&self, request: Request, patience: Duration, reply: Reply) -> Call {
        match &request {
            Request::Info | Request::Vocabulary(_) => {}
            Request::Open(_) => self.hear(String::new()),
            Request::Advance(_, advance) => self.hear(text(advance)),
            Request::Close(_) => *lock(&self.closed) += 1,
        }
        self.inner.ask(request, patience, reply)
    }

    fn on_network_change(&self) {
        *lock(&self.networks) += 1;
    }
}
