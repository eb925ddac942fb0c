//! What stands and what is taken back, and how the consumer learns of it.

use uhlm_law::sampling::TokenId;

use super::Round;
use crate::error::GenerationError;
use crate::event::{Event, FinishReason, TokenText};
use crate::origin::Origin;

impl Round<'_> {
    /// Commits the first token that does not stand yet. Returns why the reply ends with it, if it does.
    pub(super) fn commit(&mut self, origin: Origin, uncertainty: Option<f32>) -> Option<FinishReason> {
        let vocabulary = self.device.model.vocabulary();
        let id = self.device.tokens.ids()[self.committed];
        let text = self.text.push(vocabulary.piece(id));
        let is_end = vocabulary.is_end(id);
        if self.committed == self.prompt {
            self.statistics.first_token = self.since(self.started);
        }
        self.committed += 1;
        self.statistics.origins.count(origin);
        self.device.gate.observe_committed();
        self.last_origin = origin;
        self.tell_committed(id, text, origin, uncertainty);
        if is_end {
            Some(FinishReason::EndOfReply)
        } else if self.text.is_stopped() {
            Some(FinishReason::StopSequence)
        } else if self.committed - self.prompt >= self.options.max_tokens {
            Some(FinishReason::MaxTokens)
        } else {
            None
        }
    }

    fn tell_committed(&mut self, id: TokenId, text: String, origin: Origin, uncertainty: Option<f32>) {
        if !self.shown.is_empty() {
            self.shown = self.shown.strip_prefix(&text).unwrap_or_default().to_owned();
        }
        self.sink.send(Event::Committed { token: TokenText { id, text, uncertainty }, origin });
    }

    /// Adds a token that the device did not draft and commits it.
    pub(super) fn append(&mut self, id: TokenId, origin: Origin) -> Option<FinishReason> {
        self.device.tokens.push(id);
        self.commit(origin, None)
    }

    /// Shows a drafted token that does not stand yet.
    pub(super) fn show(&mut self, position: usize, uncertainty: Option<f32>) {
        let preview = self.text.preview(&self.bytes_from(self.committed));
        let text = preview.strip_prefix(&self.shown).unwrap_or_default().to_owned();
        self.shown.push_str(&text);
        let id = self.device.tokens.ids()[position];
        self.sink.send(Event::Provisional(TokenText { id, text, uncertainty }));
    }

    /// Takes back every token from `position` on, with the windows that hold them.
    pub(super) fn roll_back(&mut self, position: usize) -> Result<(), GenerationError> {
        self.in_flight.clear();
        self.window.take();
        self.due = false;
        let tokens = self.device.tokens.len() - position;
        if tokens > 0 {
            self.statistics.rollbacks += 1;
            self.statistics.rolled_back += tokens as u64;
            self.shown.clear();
            self.sink.send(Event::Rollback { tokens: tokens as u32 });
        }
        self.device.truncate(position)
    }

    /// Releases text that was held back as a possible stop sequence or an incomplete character.
    pub(super) fn release_rest(&mut self) {
        let rest = self.text.finish();
        if let Some(&id) = self.device.tokens.ids().last().filter(|_| !rest.is_empty()) {
            self.tell_committed(id, rest, self.last_origin, None);
        }
    }
}
