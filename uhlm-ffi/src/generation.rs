//! The pull handle of one generation.

use tokio::sync::Mutex;
use uhlm_core::{Canceller, Generation};

use crate::error::UhlmError;
use crate::event::GenerationEvent;

/// Largest number of events of one call: enough that a call's cost vanishes, few enough that none is seen late.
const EVENTS_A_CALL: usize = 64;

/// One running generation. Ask it for events until it has ended, with `Finished` or an error.
///
/// `cancel`, or letting go of the last handle, stops the draft model within one decode step and takes the request that
/// is on its way back. The session can be used again right after.
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
    /// Waits for the next event and returns it, or nothing after the end.
    ///
    /// # Errors
    /// Every error of a generation, once, as the last item. Text that was committed before it stands.
    pub async fn next(&self) -> Result<Option<GenerationEvent>, UhlmError> {
        let event = self.generation.lock().await.next().await.transpose()?;
        Ok(event.map(Into::into))
    }

    /// Waits until there are events and returns all that are there, or an empty list after the end. The Kotlin and the
    /// Swift layer use it, because one call for many events costs less.
    ///
    /// # Errors
    /// Those of `next`.
    pub async fn next_events(&self) -> Result<Vec<GenerationEvent>, UhlmError> {
        let mut events = Vec::new();
        self.generation.lock().await.next_many(&mut events, EVENTS_A_CALL).await?;
        Ok(events.into_iter().map(Into::into).collect())
    }

    /// Stops both models and returns at once. The events then end with `Finished` and the reason `Cancelled`, unless
    /// they had ended before.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }
}
