//! Saving a session to a file, and restoring one: the conversation with its seed, its tokens and the draft model's
//! cache of them.
//!
//! What the verifier holds is not in the file: the next reply gives it what it lacks, as after any loss. Neither is
//! what the gate has learnt, which is the calibration's.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use uhlm_law::advance::Begin;
use uhlm_law::chat::DraftModel;
use uhlm_law::digest::Digest;
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use super::Session;
use super::drafter::Drafter;
use super::inbox::{Inbox, Task};
use super::worker::Worker;
use crate::clock::SystemClock;
use crate::options::SessionOptions;
use crate::prefixes::Prefixes;
use crate::saved_session::{Head, SavedSession, SavedSessionError};
use crate::state::locked;
use crate::verifier::Verifier;

impl Session {
    /// Restores a session from a file that [`Self::save`] wrote; blocks on the file and until the context is made. The
    /// session goes on where the saved one stood: the next message reads no earlier token anew, and brings the reply
    /// that it would have brought. The seed of the replies and the instructions are the saved ones, unless the options
    /// have others; everything else is as the options say. Consent to send what was said is asked anew.
    ///
    /// # Errors
    /// [`SavedSessionError`]; the file is as it was. The app may open a session and give it the messages that it keeps
    /// itself: they are then read anew.
    pub fn restore(
        model: impl Into<DraftModel>,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        path: &Path,
    ) -> Result<Self, SavedSessionError> {
        Self::restore_with(model.into(), verifier, options, path, Arc::default())
    }

    /// Does the same for a session that shares the beginnings of `prefixes`.
    pub(crate) fn restore_with(
        model: DraftModel,
        verifier: Option<Arc<dyn Verifier>>,
        options: SessionOptions,
        path: &Path,
        prefixes: Arc<Prefixes>,
    ) -> Result<Self, SavedSessionError> {
        let largest = model.decoder.largest_cache(options.context.tokens());
        let saved = SavedSession::read(path, identity(&model), largest)?;
        let size = model.language.vocabulary().size();
        if saved.tokens.iter().any(|&id| id as usize >= size) {
            let reason = "it has tokens that the model has not".into();
            return Err(SavedSessionError::Damaged { path: path.into(), reason });
        }
        let (messages, tokens) = (saved.head.conversation.messages(), saved.head.context);
        let session = Self::begun(model, verifier, options, Arc::new(SystemClock), |worker| {
            worker.share(prefixes);
            worker.take_up(saved)
        })?;
        session.count(&messages);
        if tokens > 0 {
            locked(&session.shared.context).tokens = tokens;
        }
        Ok(session)
    }

    /// Saves the conversation with the draft model's cache of it to a file, which is replaced as a whole. The session's
    /// thread does it, from this call on; the future waits for its end, and may be dropped.
    ///
    /// # Errors
    /// [`SavedSessionError::Busy`] while a generation runs, [`SavedSessionError::SessionClosed`],
    /// [`SavedSessionError::Io`], [`SavedSessionError::Model`].
    pub fn save(&self, path: &Path) -> impl Future<Output = Result<(), SavedSessionError>> + Send + use<> {
        let asked = self.ask_to_save(path);
        async { asked?.await.unwrap_or(Err(SavedSessionError::SessionClosed)) }
    }

    /// Saves the session as [`Self::save`] does and blocks until that is done, for callers without an async runtime; it
    /// must not be called inside one.
    ///
    /// # Errors
    /// Those of [`Self::save`].
    pub fn blocking_save(&self, path: &Path) -> Result<(), SavedSessionError> {
        self.ask_to_save(path)?.blocking_recv().unwrap_or(Err(SavedSessionError::SessionClosed))
    }

    fn ask_to_save(&self, path: &Path) -> Result<oneshot::Receiver<Result<(), SavedSessionError>>, SavedSessionError> {
        if self.is_generating() {
            return Err(SavedSessionError::Busy);
        }
        let (done, saved) = oneshot::channel();
        let task = Task::Save { path: path.to_owned(), done };
        self.inbox.send(Inbox::Task(task)).map_err(|_| SavedSessionError::SessionClosed)?;
        Ok(saved)
    }
}

/// Returns the hash by which a saved session knows its model.
fn identity(model: &DraftModel) -> Digest {
    model.decoder.fingerprint().unwrap_or_else(|| model.language.vocabulary_hash())
}

impl Worker {
    /// Writes the session to a file.
    pub(super) fn save(&mut self, path: &Path) -> Result<(), SavedSessionError> {
        // Across a bridge the tokens are another model's, and the way to it is made anew.
        let tokens = if self.drafter.is_bridged() { Vec::new() } else { self.tokens_of_conversation() };
        let (cached, cache) = self.drafter.save(&tokens)?;
        let conversation = locked(&self.shared.conversation).clone();
        let context = locked(&self.shared.context).tokens;
        let head = Head { seed: self.seed, generations: self.generations, context, conversation };
        SavedSession { model: identity(&self.drafter.model), head, tokens, cached, cache }.write(path)
    }

    /// Returns the tokens of the session as far as they are those of its conversation: it may have been replaced since,
    /// or the last reply have been to a text that is no part of it.
    fn tokens_of_conversation(&self) -> Vec<TokenId> {
        if locked(&self.shared.conversation).messages().is_empty() {
            return Vec::new();
        }
        let held = self.pipeline.ids();
        // A conversation that the template refuses has none.
        let known = self.known("", self.limits().mode(self.asked.mode, self.remote.is_some())).unwrap_or_default();
        let common = held.iter().zip(&known).take_while(|(held, known)| held == known).count();
        held[..common].to_vec()
    }

    /// Goes on where a saved session stood.
    fn take_up(&mut self, saved: SavedSession) -> Result<(), SavedSessionError> {
        let SavedSession { head, tokens, cached, cache, .. } = saved;
        self.drafter.take_up(&tokens[..cached], &cache).map_err(|error| match error {
            ModelError::ContextFull { needed, capacity } => SavedSessionError::TooLong { tokens: needed, capacity },
            ModelError::Decode { reason } => SavedSessionError::Cache { reason },
            error => error.into(),
        })?;
        if self.asked.seed.is_none() {
            self.seed = head.seed;
        }
        self.generations = head.generations;
        if !tokens.is_empty() {
            let sampling = self.asked.sampling.clone();
            let begin =
                Begin { seed: self.seed, sampling, reply_start: 1, max_tokens: 1, stop: Vec::new(), grammar: None };
            // The next reply begins anew with what these tokens have in common with its prompt.
            self.pipeline.begin(begin, &tokens, None);
        }
        let mut conversation = head.conversation;
        // Another verifier may be asked now, by another redaction: the person agrees anew.
        conversation.forget_sharing();
        if let Some(instructions) = &self.asked.instructions {
            conversation.set_instructions(Some(instructions));
        }
        *locked(&self.shared.conversation) = conversation;
        Ok(())
    }
}

impl Drafter {
    /// Returns how many of `tokens` the cache is of, and the cache; 0 and nothing where there is none.
    fn save(&mut self, tokens: &[TokenId]) -> Result<(usize, Vec<u8>), ModelError> {
        let (cached, cache) = self.cache_of(tokens)?;
        Ok(cache.map_or((0, Vec::new()), |cache| (cached, cache)))
    }

    /// Takes up the cache of `tokens`; with none, nothing changes.
    pub(super) fn take_up(&mut self, tokens: &[TokenId], cache: &[u8]) -> Result<(), ModelError> {
        if tokens.is_empty() {
            return Ok(());
        }
        let taken = self.sequence()?.restore(tokens.len(), cache);
        if taken.is_err() {
            self.unload();
            return taken;
        }
        self.holds(tokens);
        Ok(())
    }
}
