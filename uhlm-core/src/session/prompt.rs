//! From a prompt to the tokens that both models read, and to what they forget where there are too many.

use uhlm_law::chat::{DraftModel, Message, Special};
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::error::GenerationError;
use crate::options::{Overflow, Prompt};
use crate::privacy::{Conversation, Redaction};

/// What a prompt is made of, besides the conversation.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) model: &'a dyn DraftModel,
    /// The tokens so far.
    pub(super) held: &'a [TokenId],
    pub(super) prompt: &'a Prompt,
    /// What a verifier may see of the prompt, if one is asked.
    pub(super) read: Option<&'a str>,
    pub(super) redaction: Option<&'a Redaction>,
}

/// Room for a prompt and its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Tokens that the contexts hold, as far as is known.
    pub(super) capacity: usize,
    /// Tokens that the reply needs at least.
    pub(super) reply: usize,
    /// What happens where they do not fit.
    pub(super) overflow: Overflow,
}

impl Room {
    fn fits(&self, tokens: usize, reply: usize) -> bool {
        tokens.saturating_add(reply) <= self.capacity
    }
}

impl Asked<'_> {
    /// Returns the tokens of the prompt, with those of the conversation before it. Where they do not fit and turns may
    /// be dropped, the oldest are; where that does not help, none are.
    pub(super) fn tokens(&self, conversation: &mut Conversation, room: &Room) -> Result<Vec<TokenId>, GenerationError> {
        let tokens = self.all(conversation)?;
        let may_drop = room.overflow != Overflow::Stop && matches!(self.prompt, Prompt::Chat(_));
        if !may_drop || room.fits(tokens.len(), room.reply) {
            return Ok(tokens);
        }
        let before = conversation.dropped();
        // After each turn: what is forgotten, and the tokens that are left.
        let mut steps = Vec::new();
        while conversation.drop_turn() {
            steps.push((conversation.dropped(), self.all(conversation)?));
        }
        let place = |reply| steps.iter().position(|(_, tokens)| room.fits(tokens.len(), reply));
        let place = place(room.reply.saturating_add(room.capacity / 4)).or_else(|| place(room.reply));
        match place.map(|place| steps.swap_remove(place)) {
            Some((dropped, tokens)) => {
                conversation.set_dropped(dropped);
                Ok(tokens)
            }
            None => {
                conversation.set_dropped(before);
                Ok(tokens)
            }
        }
    }

    fn all(&self, conversation: &mut Conversation) -> Result<Vec<TokenId>, GenerationError> {
        let text = self.read.unwrap_or(self.prompt.text());
        let tokens = match self.prompt {
            Prompt::Raw(_) => self.model.tokenize(text, Special::ParseWithBos)?,
            Prompt::Chat(_) => {
                let mut messages = conversation.read_by_models(self.read.is_some(), self.redaction);
                messages.push(Message::user(text));
                self.chat_tokens(&self.model.render(&messages, true)?)?
            }
        };
        if tokens.is_empty() { Err(GenerationError::EmptyPrompt) } else { Ok(tokens) }
    }

    /// The tokens of a rendered conversation. What was generated keeps its tokens, even where tokenising its text would
    /// give others, so that both models' caches stay valid.
    fn chat_tokens(&self, rendered: &str) -> Result<Vec<TokenId>, ModelError> {
        let before = self.model.detokenize(self.held);
        match rendered.as_bytes().strip_prefix(&before[..]).and_then(|rest| std::str::from_utf8(rest).ok()) {
            Some(rest) if !before.is_empty() => {
                Ok([self.held, &self.model.tokenize(rest, Special::Parse)?[..]].concat())
            }
            _ => self.model.tokenize(rendered, Special::ParseWithBos),
        }
    }
}
