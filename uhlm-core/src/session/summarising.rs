//! Summaries: of a long text in pieces, at the app's wish, and of the turns that a conversation outgrows.

use std::sync::mpsc::Receiver;

use uhlm_law::cancel::Cancel;
use uhlm_law::chat::{Message, Role};
use uhlm_law::model::Special;

use super::Session;
use super::inbox::Inbox;
use super::terms::Terms;
use super::worker::Worker;
use crate::error::GenerationError;
use crate::event::FinishReason;
use crate::generation::EventSink;
use crate::language::Language;
use crate::mode::Mode;
use crate::options::{GenerationOptions, Overflow, Prompt, SessionOptions, Thinking};
use crate::state::locked;
use crate::summary::{Summariser, SummaryOptions, SummaryStep};

/// Largest length of the summary of forgotten turns, in tokens.
const SUMMARY_TOKENS: usize = 128;
/// Words that ask for it.
const INSTRUCTIONS: &str =
    "Summarise this conversation in a few sentences. Keep names, numbers, decisions and open questions.";

/// A summary that is being made; see [`Session::summarise`].
#[derive(Debug)]
pub struct Summary<'a> {
    session: &'a Session,
    summariser: Summariser,
    options: GenerationOptions,
}

impl Session {
    /// Summarises a long text in pieces, and the summaries of these again until one is left. Nothing of it joins the
    /// conversation. `generation` says in which mode, with which consent and how each piece is written; its limit of
    /// tokens is the summary's.
    #[must_use]
    pub fn summarise(&self, text: &str, options: SummaryOptions, generation: GenerationOptions) -> Summary<'_> {
        let summariser = Summariser::new(text, options, |text| self.tokens_of(text));
        Summary { session: self, summariser, options: generation }
    }

    /// Counts the tokens of a text by itself; one that the tokenizer cannot take counts by its bytes.
    #[must_use]
    pub fn tokens_of(&self, text: &str) -> usize {
        self.token_counter()(text)
    }

    /// Returns what counts the tokens of texts as [`Self::tokens_of`] does, for threads that do not hold the session.
    pub fn token_counter(&self) -> impl Fn(&str) -> usize + Send + use<> {
        let Language { words, .. } = locked(&self.shared.language).clone();
        move |text| words.tokenize(text, Special::Plain).map_or(text.len(), |tokens| tokens.len())
    }
}

impl Summary<'_> {
    /// Summarises the next piece; the last step has the text. Returns `None` after it, and at once for a text of
    /// nothing.
    ///
    /// # Errors
    /// [`GenerationError`], as of any reply. The piece can be tried again with the next call.
    pub async fn next(&mut self) -> Option<Result<SummaryStep, GenerationError>> {
        let (prompt, max_tokens) = self.summariser.next_prompt()?;
        Some(self.write(prompt, max_tokens).await)
    }

    async fn write(&mut self, prompt: Prompt, max_tokens: usize) -> Result<SummaryStep, GenerationError> {
        let options = GenerationOptions { max_tokens, ..self.options.clone() };
        let (text, _) = self.session.generate(prompt, options)?.finish().await?;
        Ok(self.summariser.take(&text, |text| self.session.tokens_of(text)))
    }
}

impl Worker {
    /// Has the draft model summarise, with the seed `seed`, the turns that the conversation has forgotten beyond
    /// `forgotten` messages, with what was forgotten before; both models read the summary in their place. Where that
    /// does not work they are just forgotten.
    pub(super) fn summarise_forgotten(
        &mut self,
        forgotten: usize,
        seed: u64,
        shares: bool,
        kept: &SessionOptions,
        cancel: &Cancel,
        inbox: &Receiver<Inbox>,
    ) {
        let redaction = self.asked.redaction.clone();
        let (turns, covered) = locked(&self.shared.conversation).newly_forgotten(forgotten, shares, redaction.as_ref());
        let capacity = match self.drafter.capacity() {
            Ok(capacity) if !turns.is_empty() => capacity,
            _ => return,
        };
        let Some(prompt) = self.summary_prompt(turns, capacity) else { return };
        let options = GenerationOptions {
            max_tokens: SUMMARY_TOKENS,
            thinking: Some(Thinking::Off),
            seed: Some(seed),
            ..GenerationOptions::default()
        };
        let kept = SessionOptions { overflow: Overflow::Stop, ..kept.clone() };
        let (mode, started) = (Mode::DeviceOnly, self.clock.now());
        let terms = Terms { kept: &kept, wanted: mode, mode, dry_run: None, started };
        let sink = EventSink::silent(cancel.clone());
        match self.write(&prompt, None, &options, &terms, &sink, inbox) {
            Ok((Ok(reason), reply)) if reason != FinishReason::Cancelled && !reply.text().trim().is_empty() => {
                locked(&self.shared.totals).count(&reply.statistics);
                locked(&self.shared.conversation).set_summary(reply.text().trim().to_owned(), shares, covered);
            }
            Ok((Ok(_), _)) => {}
            Ok((Err(error), _)) | Err(error) => tracing::warn!(%error, "forgotten turns were not summarised"),
        }
    }

    /// Returns the prompt that asks for a summary of `turns`, as much of their ends as fits into half of the context.
    fn summary_prompt(&self, mut turns: Vec<Message>, capacity: usize) -> Option<Prompt> {
        let words = self.drafter.language().words.clone();
        let tokens = |text: &str| words.tokenize(text, Special::Plain).map_or(text.len(), |tokens| tokens.len());
        loop {
            let said = |message: &Message| {
                let speaker = match message.role {
                    Role::Assistant => "Assistant",
                    Role::Tool => "Tool",
                    _ => "User",
                };
                format!("{speaker}: {}", message.content)
            };
            let text = turns.iter().map(said).collect::<Vec<_>>().join("\n");
            if tokens(&text) <= capacity / 2 {
                let message = Message::user(format!("{INSTRUCTIONS}\n\n{text}"));
                return (!turns.is_empty()).then(|| Prompt::Apart(vec![message]));
            }
            turns.remove(0);
        }
    }
}
