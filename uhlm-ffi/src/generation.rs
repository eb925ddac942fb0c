//! The pull handle of one generation.

use tokio::sync::Mutex;
use uhlm_core::{Canceller, Generation};

use crate::error::UhlmError;
use crate::event::GenerationEvent;

/// The most events of one call: enough that a call's cost vanishes, few enough that a phone's collector sees none late.
const EVENTS_A_CALL: usize = 64;

/// One running generation. Pull it until the end: `Finished`, or an error.
///
/// `cancel`, or letting go of the last handle, stops the draft model within one decode step and takes the request in
/// flight back; the session is usable right after.
#[derive(Debug, uniffi::Object)]
pub struct UhlmGeneration {
    /// Calls of `next` take turns; `cancel` does not wait for them.
    generation: Mutex<Generation>,
    canceller: Canceller,
}

impl UhlmGeneration {
    pub(crate) fn new(generation: Generation) -> Self {
        let canceller = generation.canceller();
        Self { generation: Mutex::new(generation), canceller }
    }
}

#[uniffi::export]
impl UhlmGeneration {
    /// The next event; none after the end.
    ///
    /// # Errors
    /// Once, as the last item. Text committed before it stands.
    pub async fn next(&self) -> Result<Option<GenerationEvent>, UhlmError> {
        let event = self.generation.lock().await.next().await.transpose()?;
        Ok(event.map(Into::into))
    }

    /// The events that are there, at least one; empty after the end. One call for many events: what the Kotlin and the
    /// Swift layer use.
    ///
    /// # Errors
    /// As `next`.
    pub async fn next_events(&self) -> Result<Vec<GenerationEvent>, UhlmError> {
        let mut events = Vec::new();
        self.generation.lock().await.next_many(&mut events, EVENTS_A_CALL).await?;
        Ok(events.into_iter().map(Into::into).collect())
    }

    /// Stops both models. The events then end with `Finished` and `Cancelled`, unless they had ended already. Returns
    /// at once.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }
}
