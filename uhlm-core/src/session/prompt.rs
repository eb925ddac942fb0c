//! From a prompt to the tokens that both models read.

use uhlm_law::chat::{DraftModel, Message, RenderOptions, Rendered, Special};
use uhlm_law::model::Vocabulary;
use uhlm_law::sampling::TokenId;

use crate::error::GenerationError;
use crate::options::Prompt;
use crate::privacy::{Conversation, Redaction};

/// A prompt as both models read it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) tokens: Vec<TokenId>,
    /// The rendered conversation; nothing for raw text.
    pub(super) text: Option<String>,
}

/// Reads a prompt, with the conversation before it; `held` are the tokens so far. `read` is what a verifier may see of
/// the prompt, if one is asked.
pub(super) fn read(
    model: &dyn DraftModel,
    conversation: &mut Conversation,
    held: &[TokenId],
    prompt: &Prompt,
    read: Option<&str>,
    redaction: Option<&Redaction>,
    options: &RenderOptions,
) -> Result<Read, GenerationError> {
    let text = read.unwrap_or(prompt.text());
    let read = match prompt {
        Prompt::Raw(_) => Read { tokens: model.tokenize(text, Special::ParseWithBos), text: None },
        Prompt::Chat(_) => {
            let mut messages = conversation.read_by_models(read.is_some(), redaction);
            messages.push(Message::user(text));
            let rendered = model.render(&messages, options)?;
            Read { tokens: chat_tokens(model, &rendered, held), text: Some(rendered.text()) }
        }
    };
    if read.tokens.is_empty() { Err(GenerationError::EmptyPrompt) } else { Ok(read) }
}

/// The tokens of a rendered conversation. What was generated keeps its tokens, even where tokenising its text would
/// give others, so that both models' caches stay valid.
fn chat_tokens(model: &dyn DraftModel, rendered: &Rendered, held: &[TokenId]) -> Vec<TokenId> {
    let fresh = rendered.tokens(|text, special| model.tokenize(text, special));
    continued(model, &fresh, held).unwrap_or(fresh)
}

/// Goes on from the tokens that are held, if these are what the conversation begins with: the same text, with control
/// tokens in the same places. A control token's name that somebody typed is no control token.
fn continued(model: &dyn DraftModel, fresh: &[TokenId], held: &[TokenId]) -> Option<Vec<TokenId>> {
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
    // A token of the conversation may begin within what is held; what of it is left is tokenised anew.
    let between = std::str::from_utf8(&whole.text[length..end]).ok()?;
    let between = if between.is_empty() { Vec::new() } else { model.tokenize(between, Special::Plain) };
    let tokens = [held, &between, &fresh[next..]].concat();
    (model.detokenize(&tokens) == whole.text).then_some(tokens)
}

/// Tokens with their text.
struct Spelled {
    text: Vec<u8>,
    /// Where each token begins.
    starts: Vec<usize>,
    /// Control tokens, with where they begin.
    controls: Vec<(usize, TokenId)>,
}

impl Spelled {
    fn new(model: &dyn DraftModel, tokens: &[TokenId]) -> Self {
        let vocabulary: &dyn Vocabulary = model.vocabulary();
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
