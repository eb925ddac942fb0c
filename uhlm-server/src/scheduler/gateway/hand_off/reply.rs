//! One reply of a chat service, as the tokens of a session.
//!
//! The service is asked once, and what it has written stays for as long as the session may ask for it again. A device
//! that loses an answer repeats its request, and gets the same tokens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use uhlm_law::advance::{Begin, PrefixHash};
use uhlm_law::sampling::TokenId;
use uhlm_llama::Lexicon;
use uhlm_upstream::UpstreamError;
use uhlm_upstream::chat::{ChatAsk, ChatPart, ChatReply, ChatService};

use super::HandOffError;
use super::counts::Counts;

/// Time after which a reply that nobody asks for is given up: a device that has lost its network is back by then.
const ALONE: Duration = Duration::from_secs(15);
/// Time between two looks at whether anybody asks.
const LOOK: Duration = Duration::from_secs(1);

/// What distinguishes one reply of a session from another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) prompt: PrefixHash,
    pub(super) begin: Begin,
}

#[derive(Debug)]
struct State {
    tokens: Vec<TokenId>,
    /// The reason why there are no more, once there are none.
    ended: Option<HandOffError>,
    asked: Instant,
    waiting: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    grown: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reason: HandOffError) {
        self.state().ended.get_or_insert(reason);
        self.grown.notify_waiters();
    }

    /// Returns what a failure of the service is to the reply: one that has begun cannot be had again.
    fn failure(&self, error: UpstreamError) -> HandOffError {
        if self.state().tokens.is_empty() { error.into() } else { HandOffError::BrokenOff(error) }
    }

    fn is_alone(&self) -> bool {
        let state = self.state();
        state.waiting == 0 && state.asked.elapsed() >= ALONE
    }
}

/// A reply that the service writes or has written. Dropped, the service is asked no more.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) key: Key,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Somebody who waits for a token.
struct Waiter<'a>(&'a Shared);

impl<'a> Waiter<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.state().waiting += 1;
        Self(shared)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting -= 1;
        state.asked = Instant::now();
    }
}

/// Everything that it takes to write a reply.
pub(super) struct Writer {
    pub(super) service: ChatService,
    pub(super) ask: ChatAsk,
    pub(super) lexicon: Arc<Lexicon>,
    pub(super) end: TokenId,
    /// Largest number of tokens of the session's vocabulary.
    pub(super) limit: usize,
    pub(super) counts: Arc<Counts>,
}

impl Reply {
    /// Asks the service. Must be called in a tokio runtime.
    pub(super) fn begin(key: Key, writer: Writer, runtime: &tokio::runtime::Handle) -> Self {
        let state = State { tokens: Vec::new(), ended: None, asked: Instant::now(), waiting: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), grown: Notify::new() });
        let of_task = Arc::clone(&shared);
        let task = runtime.spawn(async move {
            let under_way = writer.counts.begin();
            let written = writer.write(&of_task).await;
            under_way.ended(written.as_ref().err());
            of_task.end(written.err().unwrap_or(HandOffError::Over));
        });
        Self { key, shared, task: task.abort_handle() }
    }

    /// Tells whether the reply broke off.
    pub(super) fn has_failed(&self) -> bool {
        self.shared.state().ended.as_ref().is_some_and(|reason| *reason != HandOffError::Over)
    }

    /// Tells whether the reply begins with these tokens, as far as it is known.
    pub(super) fn begins_with(&self, tokens: &[TokenId]) -> bool {
        self.shared.state().tokens.starts_with(tokens)
    }

    /// Waits for the token at `index` of the reply.
    ///
    /// # Errors
    /// The [`HandOffError`] with which the reply has ended before it.
    pub(super) async fn token(&self, index: usize) -> Result<TokenId, HandOffError> {
        let _waiter = Waiter::new(&self.shared);
        loop {
            let grown = self.shared.grown.notified();
            tokio::pin!(grown);
            // From here on no growth is missed.
            grown.as_mut().enable();
            {
                let state = self.shared.state();
                if let Some(&id) = state.tokens.get(index) {
                    return Ok(id);
                }
                if let Some(reason) = &state.ended {
                    return Err(reason.clone());
                }
            }
            grown.await;
        }
    }
}

impl Writer {
    /// Writes the reply down as it comes.
    async fn write(&self, shared: &Shared) -> Result<(), HandOffError> {
        let mut reply = self.service.reply(&self.ask).await?;
        loop {
            let part = match self.part(&mut reply, shared).await.map_err(|error| shared.failure(error))? {
                Some(ChatPart::Text(text)) => tokens(&self.lexicon, &text)?,
                Some(ChatPart::Withheld) => return Err(HandOffError::Withheld),
                Some(end) => {
                    if end == ChatPart::Cut {
                        tracing::warn!(model = self.service.model(), "the chat service has cut a reply off");
                    }
                    vec![self.end]
                }
                None => return Err(HandOffError::Alone),
            };
            let is_over = {
                let mut state = shared.state();
                state.tokens.extend(part);
                state.tokens.last() == Some(&self.end) || state.tokens.len() >= self.limit
            };
            shared.grown.notify_waiters();
            if is_over {
                return Ok(());
            }
        }
    }

    /// Waits for the next part of the reply; `None` where nobody wants it any more.
    async fn part(&self, reply: &mut ChatReply, shared: &Shared) -> Result<Option<ChatPart>, UpstreamError> {
        let next = reply.next();
        tokio::pin!(next);
        loop {
            tokio::select! {
                part = &mut next => return part.map(Some),
                () = tokio::time::sleep(LOOK) => {
                    if shared.is_alone() {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

/// Returns the tokens that carry a text.
///
/// # Errors
/// [`HandOffError::Text`] where they would carry another one: some tokenizers change what they read.
pub(super) fn tokens(lexicon: &Lexicon, text: &str) -> Result<Vec<TokenId>, HandOffError> {
    let tokens = lexicon.tokenize(text).map_err(|_| HandOffError::Text)?;
    let vocabulary = lexicon.vocabulary();
    let written: Vec<u8> = tokens.iter().flat_map(|&id| vocabulary.piece(id)).copied().collect();
    if written == text.as_bytes() { Ok(tokens) } else { Err(HandOffError::Text) }
}
