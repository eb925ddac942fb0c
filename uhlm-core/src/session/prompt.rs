//! The way from a prompt to the tokens that both models read, and to the turns that they forget where there are too
//! many.

use uhlm_law::chat::{Message, RenderOptions, Rendered, Role, VariableError};
use uhlm_law::model::{LanguageModel, ModelError, Special};
use uhlm_law::sampling::TokenId;
use uhlm_tools::{ToolDefinition, ToolFormat, described, described_to_user};

use crate::error::GenerationError;
use crate::language::Language;
use crate::options::{Overflow, Prompt};
use crate::privacy::{Conversation, Redaction};

/// The parts that a prompt is made of, besides the conversation.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) language: &'a Language,
    /// Tokens of the session so far.
    pub(super) held: &'a [TokenId],
    pub(super) prompt: &'a Prompt,
    /// Texts of the prompt that a verifier may see, if one is asked.
    pub(super) read: Option<&'a [String]>,
    pub(super) redaction: Option<&'a Redaction>,
    pub(super) options: &'a RenderOptions,
    pub(super) tools: &'a [ToolDefinition],
}

/// A prompt as both models read it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) tokens: Vec<TokenId>,
    /// Rendered conversation; `None` for raw text.
    pub(super) text: Option<String>,
}

/// The room for a prompt and its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Number of tokens that the contexts hold, as far as is known.
    pub(super) capacity: usize,
    /// Least number of tokens that the reply needs.
    pub(super) reply: usize,
    /// Behaviour where they do not fit.
    pub(super) overflow: Overflow,
}

impl Room {
    /// Tells whether a prompt of `tokens` tokens and a reply of `reply` tokens fit.
    fn fits(&self, tokens: usize, reply: usize) -> bool {
        tokens.saturating_add(reply) <= self.capacity
    }
}

impl Asked<'_> {
    /// Returns the tokens of the prompt, with those of the conversation before it. Where they do not fit and turns may
    /// be dropped, the oldest are; where that does not help, a
    /// summary of earlier ones is given up, and where that does not help either, none are.
    pub(super) fn read(&self, conversation: &mut Conversation, room: &Room) -> Result<Read, GenerationError> {
        let whole = self.all(conversation)?;
        let may_drop = room.overflow != Overflow::Stop && !matches!(self.prompt, Prompt::Raw(_) | Prompt::Apart(_));
        // The turn that results belong to is still being written.
        let kept = usize::from(matches!(self.prompt, Prompt::ToolResults(_)));
        if !may_drop || room.fits(whole.tokens.len(), room.reply) {
            return Ok(whole);
        }
        let before = conversation.dropped();
        // The steps hold, after each dropped turn, how many messages are forgotten and which tokens are left.
        let mut steps = Vec::new();
        while conversation.turns() > kept && conversation.drop_turn() {
            steps.push((conversation.dropped(), self.all(conversation)?));
        }
        let place = |reply| steps.iter().position(|(_, left): &(usize, Read)| room.fits(left.tokens.len(), reply));
        let place = place(room.reply.saturating_add(room.capacity / 4)).or_else(|| place(room.reply));
        match place.map(|place| steps.swap_remove(place)) {
            Some((dropped, left)) => {
                conversation.set_dropped(dropped);
                Ok(left)
            }
            None => {
                conversation.set_dropped(before);
                // Without a summary of what is forgotten there may be room.
                if conversation.drop_summary() { self.read(conversation, room) } else { Ok(whole) }
            }
        }
    }

    /// Returns the tokens of the prompt, with those of everything in the conversation that the models have not
    /// forgotten.
    pub(super) fn all(&self, conversation: &mut Conversation) -> Result<Read, GenerationError> {
        let read = match self.prompt {
            Prompt::Apart(_) => {
                let rendered = self.render(self.prompt.seen(self.read.is_some(), self.redaction))?;
                let words = &self.language.words;
                let tokens = rendered.tokens(|text, special| words.tokenize(text, special))?;
                Read { tokens, text: Some(rendered.text()) }
            }
            Prompt::Raw(_) => {
                let text = self.prompt.text(self.read);
                Read { tokens: self.language.words.tokenize(&text, Special::ParseWithBos)?, text: None }
            }
            Prompt::Chat(_) | Prompt::ToolResults(_) => {
                let mut messages = conversation.read_by_models(self.read.is_some(), self.redaction);
                messages.extend(self.prompt.messages(self.read));
                if let Some(summary) = conversation.summary(self.read.is_some(), self.redaction)
                    && let Some(first) = messages.iter_mut().find(|message| message.role == Role::User)
                {
                    // Not every template has a place for a second message of instructions.
                    first.content = format!("[Earlier in this conversation: {summary}]\n\n{}", first.content);
                }
                let rendered = self.render(messages)?;
                Read {
                    tokens: chat_tokens(self.language.words.as_ref(), &rendered, self.held)?,
                    text: Some(rendered.text()),
                }
            }
        };
        if read.tokens.is_empty() { Err(GenerationError::EmptyPrompt) } else { Ok(read) }
    }

    /// Renders messages and tools: in the template's own way if it has one, else described in plain messages.
    fn render(&self, messages: Vec<Message>) -> Result<Rendered, GenerationError> {
        let template = &self.language.template;
        let uses_tools = !self.tools.is_empty()
            || messages.iter().any(|message| message.role == Role::Tool || !message.tool_calls.is_empty());
        if !uses_tools {
            return Ok(template.render(&messages, self.options)?);
        }
        if template.source().and_then(ToolFormat::detect).is_none() {
            // Some templates refuse messages of the system; then the person's first message says it.
            let rendered = template.render(&described(&messages, self.tools), self.options);
            return Ok(rendered.or_else(|error| {
                let plain = described_to_user(&messages, self.tools);
                template.render(&plain, self.options).map_err(|_| error)
            })?);
        }
        let mut options = self.options.clone();
        if !self.tools.is_empty() && options.variables.get("tools").is_none() {
            let all: Vec<String> = self.tools.iter().map(ToolDefinition::json).collect();
            let invalid = |error: VariableError| GenerationError::InvalidTools { reason: error.to_string() };
            options.variables.set("tools", format!("[{}]", all.join(", "))).map_err(invalid)?;
        }
        Ok(template.render(&messages, &options)?)
    }
}

/// Returns the tokens of a rendered conversation. Text that a model generated keeps its tokens, even where tokenising
/// it would give others, so that both models' caches stay valid.
fn chat_tokens(model: &dyn LanguageModel, rendered: &Rendered, held: &[TokenId]) -> Result<Vec<TokenId>, ModelError> {
    let fresh = rendered.tokens(|text, special| model.tokenize(text, special))?;
    Ok(continued(model, &fresh, held).unwrap_or(fresh))
}

/// Returns the conversation's tokens as a continuation of the tokens that are `held`, if the conversation begins with
/// these: with the same text, and with control tokens in the same places. A control token's name that somebody typed is
/// no control token.
fn continued(model: &dyn LanguageModel, fresh: &[TokenId], held: &[TokenId]) -> Option<Vec<TokenId>> {
    let (before, whole) = (Spelled::new(model, held), Spelled::new(model, fresh));
    let length = before.text.len();
    if length == 0 || !whole.text.starts_with(&before.text) {
        return None;
    }
    if before.controls != whole.controls.iter().copied().filter(|&(at, _)| at < length).collect::<Vec<_>>() {
        return None;
    }
    let next = whole.starts.partition_point(|&start| start < length);
    let end = whole.starts.get(next).copied().unwrap_or(whole.text.len());
    // A token of the conversation may begin within the held text; the part of it behind that is tokenised anew.
    let between = std::str::from_utf8(&whole.text[length..end]).ok()?;
    let between = if between.is_empty() { Vec::new() } else { model.tokenize(between, Special::Plain).ok()? };
    let tokens = [held, &between, &fresh[next..]].concat();
    (model.detokenize(&tokens) == whole.text).then_some(tokens)
}

/// A sequence of tokens with its text.
struct Spelled {
    text: Vec<u8>,
    /// Byte offsets at which the tokens begin.
    starts: Vec<usize>,
    /// Control tokens, each with the byte offset at which it begins.
    controls: Vec<(usize, TokenId)>,
}

impl Spelled {
    fn new(model: &dyn LanguageModel, tokens: &[TokenId]) -> Self {
        let vocabulary = model.vocabulary();
        let mut spelled = Self { text: Vec::new(), starts: Vec::new(), controls: Vec::new() };
        for &id in tokens {
            let start = spelled.text.len();
            spelled.starts.push(start);
            let piece = vocabulary.piece(id);
            if piece.is_empty() {
                spelled.controls.push((start, id));
                spelled.text.extend(model.detokenize(&[id]));
            } else {
                spelled.text.extend_from_slice(piece);
            }
        }
        spelled
    }
}

#[cfg(test)]
mod tests;
