//! The reader's view of a reply: its text, what stands, what may be taken back, and its statistics.
//!
//! Decides when text is told, so that it never has to be told otherwise. Which tokens stand is decided elsewhere. Pure:
//! events wait in [`Reply::take_events`] until the loop hands them over.

use std::time::Duration;

use uhlm_law::chat::{Channel, ReasoningSplitter};
use uhlm_law::sampling::TokenId;

use super::apart::{Apart, Called, Taken};
use super::text::TextStream;
use crate::event::{Event, FinishReason, LinkCause, LinkState, TokenText};
use crate::metrics::Statistics;
use crate::options::GenerationOptions;
use crate::origin::Origin;
use crate::tools::ToolCall;
use crate::why::{TokenLogProbability, Why};

/// A token with its entry in the vocabulary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) id: TokenId,
    /// Bytes of its text; they need not be whole characters.
    pub(super) bytes: &'a [u8],
    /// Name of the token, if it is one of the control tokens that mark reasoning or calls; empty otherwise.
    pub(super) mark: &'a [u8],
    /// Whether the token ends a reply.
    pub(super) is_end: bool,
}

/// What is told with a token besides its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The draft model's uncertainty about the token; `None` where it did not write it.
    pub(super) uncertainty: Option<f32>,
    pub(super) why: Option<Why>,
    pub(super) top: Vec<TokenLogProbability>,
}

impl Told {
    fn of(self, id: TokenId, text: String) -> TokenText {
        TokenText { id, text, uncertainty: self.uncertainty, why: self.why, top: self.top }
    }
}

/// A reply as far as it is written.
#[derive(Debug)]
pub(super) struct Reply {
    text: TextStream,
    apart: Apart,
    reasoning: TextStream,
    /// Largest number of tokens of the reasoning, which is ended after them; `None` for no limit.
    budget: Option<usize>,
    /// Calls of tools so far.
    calls: Vec<ToolCall>,
    /// Provisional text that the reader shows.
    shown: String,
    /// Last committed token while text is held back: what is held joins its text at the end.
    pending: Option<(TokenText, Origin)>,
    /// Last committed token.
    last: Option<(TokenId, Origin)>,
    events: Vec<Event>,
    /// State of the link that the reader was told last.
    state: (LinkState, Option<LinkCause>),
    committed: usize,
    max_tokens: usize,
    pub(super) statistics: Statistics,
}

impl Reply {
    /// Begins a reply to a prompt of `prompt` tokens, of which `reused` were held from earlier turns.
    pub(super) fn new(options: &GenerationOptions, prompt: usize, reused: usize) -> Self {
        let statistics = Statistics {
            prompt_tokens: prompt as u64,
            reused_tokens: reused as u64,
            labels: options.collect_labels.then(Vec::new),
            ..Statistics::default()
        };
        Self {
            text: TextStream::new(&options.stop),
            apart: Apart::new(ReasoningSplitter::new(None, ""), None),
            reasoning: TextStream::new(&[]),
            budget: None,
            calls: Vec::new(),
            shown: String::new(),
            pending: None,
            last: None,
            events: Vec::new(),
            state: (LinkState::Online, None),
            committed: 0,
            max_tokens: options.max_tokens,
            statistics,
        }
    }

    /// Sets how the text is taken apart into reasoning, reply and calls; the reasoning may have `budget` tokens.
    pub(super) fn with_parts(self, apart: Apart, budget: Option<usize>) -> Self {
        Self { apart, budget, ..self }
    }

    /// Returns the calls of tools that were told.
    pub(super) fn calls(&self) -> &[ToolCall] {
        &self.calls
    }

    /// Returns the text of the reply that was told.
    pub(super) fn text(&self) -> &str {
        self.text.released()
    }

    /// Returns the reasoning that was told, without white space around it.
    pub(super) fn reasoning(&self) -> &str {
        self.reasoning.released().trim()
    }

    /// Returns how many tokens were committed.
    pub(super) fn committed(&self) -> usize {
        self.committed
    }

    /// Tells whether the reasoning is to be ended here.
    pub(super) fn thinks_too_long(&self) -> bool {
        let thought = usize::try_from(self.statistics.reasoning_tokens).unwrap_or(usize::MAX);
        self.apart.channel() == Channel::Reasoning && self.budget.is_some_and(|budget| thought >= budget)
    }

    /// Takes the events that happened since the last call, in their order.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Commits a token, `elapsed` after the generation began. Returns why the reply ends with it, if it does.
    pub(super) fn commit(
        &mut self,
        piece: Piece<'_>,
        origin: Origin,
        told: Told,
        elapsed: Duration,
    ) -> Option<FinishReason> {
        let thought_before = self.apart.channel() == Channel::Reasoning;
        let Taken { reasoning, reply, called } = self.apart.push(piece.bytes, piece.mark);
        let thinks = thought_before || !reasoning.is_empty() || self.apart.channel() == Channel::Reasoning;
        let text = self.text.push(&reply);
        if self.committed == 0 {
            self.statistics.first_token = elapsed;
        }
        self.committed += 1;
        self.statistics.origins.count(origin);
        self.tell_pending();
        self.last = Some((piece.id, origin));
        if thinks {
            self.statistics.reasoning_tokens += 1;
            let text = self.push_reasoning(&reasoning);
            self.events.push(Event::Reasoning { token: told.clone().of(piece.id, text), origin });
        }
        if !thinks || !text.is_empty() {
            self.pending = Some((told.of(piece.id, text), origin));
        }
        if !self.text.holds_back() && !self.apart.holds_back() {
            self.tell_pending();
        }
        self.tell_calls(called);
        if piece.is_end {
            Some(FinishReason::EndOfReply)
        } else if self.text.is_stopped() {
            Some(FinishReason::StopSequence)
        } else if self.is_at_limit() {
            Some(FinishReason::MaxTokens)
        } else {
            None
        }
    }

    /// Tells whether the app wants no more tokens than were committed.
    pub(super) fn is_at_limit(&self) -> bool {
        self.committed >= self.max_tokens
    }

    /// Adds bytes to the reasoning, which begins with its first word; returns the text that is certain now.
    fn push_reasoning(&mut self, bytes: &[u8]) -> String {
        let begins = self.reasoning.released().is_empty() && !self.reasoning.holds_back();
        self.reasoning.push(if begins { bytes.trim_ascii_start() } else { bytes })
    }

    /// Returns the bytes that the drafted tokens `branch` would add to the reply, reasoning left out.
    fn reply_of(&self, branch: &[Piece<'_>]) -> Vec<u8> {
        let mut ahead = self.apart.clone();
        branch.iter().flat_map(|piece| ahead.push(piece.bytes, piece.mark).reply).collect()
    }

    /// Shows the last of the drafted tokens `branch`, which do not stand yet. Reasoning is shown only when it stands.
    pub(super) fn show(&mut self, branch: &[Piece<'_>], uncertainty: f32) {
        let Some(id) = branch.last().map(|piece| piece.id) else { return };
        self.tell_pending();
        let preview = self.text.preview(&self.reply_of(branch));
        let text = preview.strip_prefix(&self.shown).unwrap_or_default().to_owned();
        self.shown.push_str(&text);
        self.events.push(Event::Provisional(TokenText {
            id,
            text,
            uncertainty: Some(uncertainty),
            ..TokenText::default()
        }));
    }

    /// Takes back the `tokens` drafted ones that were shown.
    pub(super) fn roll_back(&mut self, tokens: usize) {
        if tokens == 0 {
            return;
        }
        self.statistics.rollbacks += 1;
        self.statistics.rolled_back += tokens as u64;
        self.tell_pending();
        self.shown.clear();
        self.events.push(Event::Rollback { tokens: u32::try_from(tokens).unwrap_or(u32::MAX) });
    }

    /// Takes the `tokens` drafted ones that were shown off the page, because some of them are to be shown as others.
    pub(super) fn revise(&mut self, tokens: usize) {
        self.tell_pending();
        self.shown.clear();
        self.events.push(Event::Rollback { tokens: u32::try_from(tokens).unwrap_or(u32::MAX) });
    }

    /// Takes note of what the reader was told of the verifier in earlier replies.
    pub(super) fn was_told(&mut self, state: (LinkState, Option<LinkCause>)) {
        self.state = state;
    }

    /// Tells the reader whether the verifier answers, unless that was told already.
    pub(super) fn tell_state(&mut self, link: LinkState, cause: Option<LinkCause>) {
        if self.state == (link, cause) {
            return;
        }
        self.state = (link, cause);
        self.tell_pending();
        self.events.push(Event::State { link, cause });
    }

    /// Tells whether nothing may follow the drafted tokens `branch`: the last of them ends the reply, completes a
    /// stop sequence or is the last that was asked for.
    pub(super) fn is_sealed(&self, branch: &[Piece<'_>]) -> bool {
        let Some(last) = branch.last() else { return self.is_at_limit() };
        let stops = || self.text.has_stops() && self.text.would_stop(&self.reply_of(branch));
        self.committed + branch.len() >= self.max_tokens || last.is_end || stops()
    }

    /// Tells the reader the text that was held back as a possible stop sequence or an incomplete character.
    pub(super) fn release_rest(&mut self) {
        let Taken { reasoning, reply, called } = self.apart.finish();
        let thought = self.push_reasoning(&reasoning) + &self.reasoning.finish();
        if let (false, Some((id, origin))) = (thought.is_empty(), self.last) {
            self.tell_pending();
            self.events.push(Event::Reasoning { token: Told::default().of(id, thought), origin });
        }
        let rest = self.text.push(&reply) + &self.text.finish();
        match (&mut self.pending, self.last) {
            (Some((token, _)), _) => token.text.push_str(&rest),
            // Another event was told after the last committed token: the rest of its text comes under its id once more.
            (None, Some((id, origin))) if !rest.is_empty() => {
                self.pending = Some((Told::default().of(id, rest), origin));
            }
            _ => {}
        }
        self.tell_pending();
        self.tell_calls(called);
    }

    /// Tells the reader of calls that have become certain.
    fn tell_calls(&mut self, called: Vec<Called>) {
        for called in called {
            self.tell_pending();
            self.events.push(match called {
                Called::Tool(call) => {
                    self.calls.push(call.clone());
                    Event::ToolCall(call)
                }
                Called::Malformed(malformed) => {
                    Event::MalformedToolCall { raw: malformed.raw, reason: malformed.reason.to_string() }
                }
            });
        }
    }

    /// Tells the reader the last committed token, if that has not happened yet.
    fn tell_pending(&mut self) {
        let Some((token, origin)) = self.pending.take() else { return };
        if !self.shown.is_empty() {
            self.shown = self.shown.strip_prefix(&token.text).unwrap_or_default().to_owned();
        }
        self.events.push(Event::Committed { token, origin });
    }
}

#[cfg(test)]
mod tests;
