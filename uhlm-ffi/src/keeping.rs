//! Sessions that are saved to a file and restored, and what is read ahead of a message.

use std::sync::Arc;

use uhlm_law::cancel::Cancel;

use crate::config::SessionOptions;
use crate::engine::UhlmEngine;
use crate::error::{ErrorKind, UhlmError};
use crate::privacy::Redactor;
use crate::session::UhlmSession;
use crate::thread::on_thread;
use crate::verifier::UhlmVerifier;

/// Why a saved session cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, uniffi::Enum)]
pub enum SavedSessionFault {
    /// There is no such file.
    Missing,
    /// The file is no saved session, was cut, or was changed since it was written.
    Damaged,
    /// The file was written by another version of this library.
    AnotherVersion,
    /// The session was one with another model.
    AnotherModel,
    /// The conversation does not fit the context.
    TooLong,
    /// The model was loaded with other settings than those the cache was made with.
    AnotherCache,
}

#[uniffi::export]
impl UhlmSession {
    /// Saves the conversation with the draft model's cache of it to a file, which is replaced as a whole. The session
    /// that is restored from it goes on at once, without reading the conversation anew.
    ///
    /// # Errors
    /// `Busy` while a generation runs, `StorageFailed`, `EngineFailed`, `SessionClosed`.
    pub async fn save(&self, path: String) -> Result<(), UhlmError> {
        let saved = self.with(|session| Ok(session.save(path.as_ref())))?;
        Ok(saved.await?)
    }

    /// Reads what is known of the next message's prompt ahead of it: the system message, the conversation, and
    /// `beginning`, as far as the person's message is known. With consent the verifier's session is opened, too, which
    /// tells it no text. It ends as soon as a generation is started. Returns how many tokens are read.
    ///
    /// # Errors
    /// `Busy` while a generation runs, `ModelUnsupported`, `NotEnoughMemory`, `EngineFailed`, `SessionClosed`.
    #[uniffi::method(default(beginning = ""))]
    pub async fn prewarm(&self, beginning: String) -> Result<u32, UhlmError> {
        let warm = self.with(|session| Ok(session.prewarm(&beginning)))?;
        Ok(u32::try_from(warm.await?).unwrap_or(u32::MAX))
    }
}

#[uniffi::export]
impl UhlmEngine {
    /// Restores a session from a file that `save` wrote. It goes on where the saved one stood, with its messages and
    /// its seed; everything else is as `options` say. If the file cannot be used, an app opens a session instead and
    /// gives it the messages that it keeps itself.
    ///
    /// # Errors
    /// `SavedSession`, `InvalidOptions`, `NotEnoughMemory`, `StorageFailed`, `EngineFailed`.
    #[uniffi::method(default(verifier = None, redactor = None), default(options))]
    pub async fn restore_session(
        &self,
        path: String,
        verifier: Option<Arc<UhlmVerifier>>,
        options: SessionOptions,
        redactor: Option<Arc<dyn Redactor>>,
    ) -> Result<Arc<UhlmSession>, UhlmError> {
        let (engine, options) = (self.engine().clone(), self.options(options, verifier.is_some(), redactor)?);
        let verifier = verifier.map(|verifier| verifier.client());
        let restore = move || engine.restore_session(path, verifier, options);
        let restored = on_thread("uhlm-restore", Cancel::new(), restore).await;
        let session = restored.map_err(|error| UhlmError::new(ErrorKind::EngineFailed, error))??;
        Ok(UhlmSession::new(session))
    }
}
