//! Long texts that are summarised in pieces.

use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;
use uhlm_core::{Canceller, Event, FinishReason, GenerationError, Summariser};

use crate::config::GenerationOptions;
use crate::error::{ErrorKind, UhlmError};
use crate::session::UhlmSession;
use crate::thread::off_thread;

/// Options of a summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct SummaryOptions {
    /// Largest length of a piece, in tokens of the draft model. Left out: 512.
    #[uniffi(default)]
    pub piece_tokens: Option<u32>,
    /// Largest length of the summary of a piece, in tokens, at most a quarter of the piece. Left out: 96.
    #[uniffi(default)]
    pub summary_tokens: Option<u32>,
    /// Words that ask for a summary. Left out: an English sentence.
    #[uniffi(default)]
    pub instructions: Option<String>,
}

impl SummaryOptions {
    fn into_core(self) -> uhlm_core::SummaryOptions {
        let default = uhlm_core::SummaryOptions::default();
        let or = |given: Option<u32>, default| given.map_or(default, |tokens| tokens as usize);
        uhlm_core::SummaryOptions {
            piece_tokens: or(self.piece_tokens, default.piece_tokens),
            summary_tokens: or(self.summary_tokens, default.summary_tokens),
            instructions: self.instructions,
        }
    }
}

/// How far a summary is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SummaryStep {
    /// Number of pieces that are summarised.
    pub done: u32,
    /// Number of pieces in all, as far as is known; summaries that are still too long come to it.
    pub pieces: u32,
    /// The summary, with the last step.
    pub text: Option<String>,
}

impl From<uhlm_core::SummaryStep> for SummaryStep {
    fn from(step: uhlm_core::SummaryStep) -> Self {
        let count = |pieces: usize| u32::try_from(pieces).unwrap_or(u32::MAX);
        Self { done: count(step.done), pieces: count(step.pieces), text: step.text }
    }
}

/// A summary that is being made. Ask it for steps until it gives none. `cancel`, or letting go of the last handle,
/// stops it.
#[derive(Debug, uniffi::Object)]
pub struct UhlmSummary {
    session: Arc<UhlmSession>,
    options: GenerationOptions,
    /// Calls of `next` take turns; `cancel` does not wait for them.
    summariser: Mutex<Summariser>,
    running: std::sync::Mutex<Running>,
}

/// The generation of a piece, as far as it can be cancelled.
#[derive(Debug, Default)]
struct Running {
    canceller: Option<Canceller>,
    is_cancelled: bool,
}

#[uniffi::export]
impl UhlmSession {
    /// Summarises a long text in pieces, and the summaries of these again until one is left. Nothing of it joins the
    /// conversation. `generation` says how each piece is written; its limit of tokens is the summary's.
    ///
    /// # Errors
    /// `SessionClosed`, `EngineFailed` where the system gives no thread. Every other error comes from the summary's
    /// steps.
    #[uniffi::method(default(options), default(generation))]
    pub async fn summarise(
        self: Arc<Self>,
        text: String,
        options: SummaryOptions,
        generation: GenerationOptions,
    ) -> Result<Arc<UhlmSummary>, UhlmError> {
        let tokens = self.with(|session| Ok(session.token_counter()))?;
        // A book takes a while.
        let work = move || Ok::<_, UhlmError>(Summariser::new(&text, options.into_core(), tokens));
        let summariser = Mutex::new(off_thread(work).await?);
        Ok(Arc::new(UhlmSummary { session: self, options: generation, summariser, running: Default::default() }))
    }
}

#[uniffi::export]
impl UhlmSummary {
    /// Summarises the next piece and returns how far all is; the last step has the text. Returns nothing after it, and
    /// at once for a text of nothing.
    ///
    /// # Errors
    /// Every error of a generation, and `Cancelled` after `cancel`. After another error the piece can be tried again.
    pub async fn next(&self) -> Result<Option<SummaryStep>, UhlmError> {
        let mut summariser = self.summariser.lock().await;
        let Some((prompt, max_tokens)) = summariser.next_prompt() else { return Ok(None) };
        let options = uhlm_core::GenerationOptions { max_tokens, ..self.options.clone().into_core(None)? };
        let mut generation = self.session.with(|session| session.generate(prompt, options))?;
        if !self.runs(generation.canceller()) {
            return Err(UhlmError::new(ErrorKind::Cancelled, "the summary was cancelled"));
        }
        while let Some(event) = generation.next().await {
            let Event::Finished { reason, text, .. } = event? else { continue };
            if reason == FinishReason::Cancelled {
                return Err(UhlmError::new(ErrorKind::Cancelled, "the summary was cancelled"));
            }
            let tokens = |text: &str| {
                let tokens = self.session.with(|session| Ok(session.tokens_of(text)));
                tokens.unwrap_or(text.len())
            };
            return Ok(Some(summariser.take(&text, tokens).into()));
        }
        Err(GenerationError::SessionClosed.into())
    }

    /// Stops the models and returns at once; a `next` that waits fails with `Cancelled`, and so do all that follow.
    pub fn cancel(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.is_cancelled = true;
        if let Some(canceller) = &running.canceller {
            canceller.cancel();
        }
    }
}

impl UhlmSummary {
    /// Keeps what cancels the piece that runs; returns whether the summary was not cancelled before.
    fn runs(&self, canceller: Canceller) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.canceller = Some(canceller);
        !running.is_cancelled
    }
}
