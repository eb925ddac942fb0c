//! Sessions that are saved to a file and restored, and what is read ahead of a message.

use std::sync::Arc;

use crate::config::SessionOptions;
use crate::engine::UhlmEngine;
use crate::error::UhlmError;
use crate::privacy::Redactor;
use crate::session::UhlmSession;
use crate::thread::off_thread;
use crate::verifier::UhlmVerifier;

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
        let opening = self.opening(verifier, options, redactor);
        off_thread(move || {
            let (engine, verifier, options) = opening()?;
            Ok::<_, UhlmError>(UhlmSession::new(engine.restore_session(path, verifier, options)?))
        })
        .await
    }
}
