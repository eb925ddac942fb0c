//! Reading ahead of a message: what is known of the next prompt goes into the draft model's cache, and the verifier's
//! session is opened, before the person has said anything.
//!
//! It is only ever a matter of time: a reply compares its prompt with what was read, token by token, and reads the
//! rest.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use uhlm_law::chat::RenderOptions;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use super::Session;
use super::inbox::{Inbox, Task};
use super::prompt::Asked;
use super::worker::{Worker, taken};
use crate::error::GenerationError;
use crate::mode::Mode;
use crate::options::{Prompt, Thinking};
use crate::prefixes::Prefixes;
use crate::privacy::Consent;
use crate::state::locked;

/// Two texts that begin with nothing in common: what two prompts that end in them have in common is what is known of
/// any prompt.
const UNKNOWN: [&str; 2] = ["a", "7"];

impl Session {
    /// Reads what is known of the next prompt into the draft model's cache: system messages, the conversation, the chat
    /// template's beginning of a message, and `beginning`, as far as the person's message is known. With consent, in a
    /// mode that asks the verifier, the session on the verifier is opened too, which tells it no text. The session's
    /// thread does it, from this call on, and stops as soon as a generation is asked for; the future waits for its end,
    /// and may be dropped. Returns how many tokens of the next prompt are in the cache.
    ///
    /// Nothing is read on a GPU while the app is not in front.
    ///
    /// Sessions of one [`Engine`](crate::Engine) read a beginning that they share once: the cache is copied.
    ///
    /// # Errors
    /// [`GenerationError::Busy`] while a generation runs, [`GenerationError::SessionClosed`],
    /// [`GenerationError::Template`], [`GenerationError::Model`].
    pub fn prewarm(&self, beginning: &str) -> impl Future<Output = Result<usize, GenerationError>> + Send + use<> {
        let asked = self.ask_to_warm(beginning);
        async { asked?.await.unwrap_or(Err(GenerationError::SessionClosed)) }
    }

    fn ask_to_warm(
        &self,
        beginning: &str,
    ) -> Result<oneshot::Receiver<Result<usize, GenerationError>>, GenerationError> {
        if self.is_generating() {
            return Err(GenerationError::Busy);
        }
        // Held until it is decided, so that consent which is withdrawn meanwhile shuts the way after this opens it.
        let consent = locked(&self.consent);
        let asks = self.has_verifier && self.mode != Mode::DeviceOnly && *consent != Consent::Withheld;
        if asks {
            self.shared.may_ask.store(true, Ordering::Release);
        }
        drop(consent);
        let (done, warm) = oneshot::channel();
        let task = Task::Warm { beginning: beginning.to_owned(), asks, done };
        self.inbox.send(Inbox::Task(task)).map_err(|_| GenerationError::SessionClosed)?;
        Ok(warm)
    }
}

impl Worker {
    /// Reads what is known of the next prompt; returns how many of its tokens are in the cache.
    pub(super) fn warm(&mut self, beginning: &str, asks: bool) -> Result<usize, GenerationError> {
        let limits = self.limits();
        self.keep_to(&limits);
        let mode = limits.mode(self.asked.mode, self.remote.is_some());
        let vocabulary = self.drafter.language().words.vocabulary_hash();
        let mut totals = locked(&self.shared.totals);
        let is_spent = self.asked.budget.is_spent(&taken(&self.asked.spent, &totals));
        if let Some(remote) = self.remote.as_mut().filter(|_| asks && !is_spent)
            && let Some(sent) = remote.open(vocabulary, self.clock.now())
        {
            totals.requests += 1;
            totals.body_up += sent;
        }
        drop(totals);
        // Where the target writes alone, the device need not read; across a bridge it reads when a reply begins.
        if mode == Mode::RemoteOnly || self.drafter.is_bridged() {
            return Ok(0);
        }
        let known = self.known(beginning, mode)?;
        let shared = Arc::clone(&self.shared);
        let prefixes = Arc::clone(&self.prefixes);
        let on_gpu = self.drafter.is_on_gpu();
        Ok(self.drafter.warm(&known, &prefixes, &|| {
            let is_over = shared.status.borrow().generating || shared.news.closed.load(Ordering::Acquire);
            is_over || on_gpu && shared.is_in_background()
        })?)
    }

    /// Returns the tokens with which the next prompt begins in any case, unless the person's message begins otherwise.
    pub(super) fn known(&self, beginning: &str, mode: Mode) -> Result<Vec<TokenId>, GenerationError> {
        let language = self.drafter.language().clone();
        let options = RenderOptions {
            add_generation_prompt: true,
            thinking: self.asked.thinking.map(Thinking::is_on),
            variables: self.asked.template_variables.clone(),
        };
        let read = |end: &str| {
            let prompt = Prompt::Chat(format!("{beginning}{end}"));
            let redaction = self.asked.redaction.as_ref();
            let seen = (mode != Mode::DeviceOnly).then(|| prompt.redacted(redaction));
            let asked = Asked {
                language: &language,
                held: self.pipeline.ids(),
                prompt: &prompt,
                read: seen.as_deref(),
                redaction,
                options: &options,
                tools: &[],
            };
            asked.all(&mut locked(&self.shared.conversation)).map(|read| read.tokens)
        };
        let [mut one, other] = UNKNOWN.map(read);
        let other = other?;
        if let Ok(one) = &mut one {
            let common = one.iter().zip(&other).take_while(|(one, other)| one == other).count();
            one.truncate(common);
        }
        one
    }
}

impl super::drafter::Drafter {
    /// Reads `tokens` as far as they were not read and nobody waits for a reply, or copies the cache of a session that
    /// has read their beginning. Returns how many of them are in the cache.
    fn warm(
        &mut self,
        tokens: &[TokenId],
        prefixes: &Prefixes,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<usize, ModelError> {
        let capacity = self.sequence()?.capacity();
        let tokens = &tokens[..tokens.len().min(capacity.saturating_sub(1))];
        if let Some(prefix) = prefixes.longest(tokens)
            && tokens.len() - self.unread(tokens) < prefix.tokens.len()
        {
            // What another session's engine wrote fits this one; if it does not, it is read.
            if let Err(error) = self.take_up(&prefix.tokens, &prefix.cache) {
                tracing::warn!(%error, "a shared beginning is read anew");
            }
        }
        let unread = self.unread(tokens);
        if unread > 0 {
            match self.catch_up(tokens, usize::MAX, is_wanted) {
                Ok(()) | Err(ModelError::Cancelled) => {}
                Err(error) => return Err(error),
            }
        }
        if Prefixes::wants(unread) && self.unread(tokens) == 0 {
            let (cached, cache) = self.cache_of(tokens)?;
            if let Some(cache) = cache {
                prefixes.keep(&tokens[..cached], cache);
            }
        }
        Ok(tokens.len() - self.unread(tokens))
    }
}

#[cfg(test)]
mod tests;
