//! From a prompt to the tokens that both models read.

use uhlm_law::chat::{DraftModel, Message, Special};
use uhlm_law::model::ModelError;
use uhlm_law::sampling::TokenId;

use crate::error::GenerationError;
use crate::options::Prompt;
use crate::privacy::{Conversation, Redaction};

/// Returns the tokens of a prompt, with those of the conversation before it; `held` are the tokens so far. `read` is
/// what a verifier may see of the prompt, if one is asked.
pub(super) fn tokens(
    model: &dyn DraftModel,
    conversation: &mut Conversation,
    held: &[TokenId],
    prompt: &Prompt,
    read: Option<&str>,
    redaction: Option<&Redaction>,
) -> Result<Vec<TokenId>, GenerationError> {
    let text = read.unwrap_or(prompt.text());
    let tokens = match prompt {
        Prompt::Raw(_) => model.tokenize(text, Special::ParseWithBos)?,
        Prompt::Chat(_) => {
            let mut messages = conversation.read_by_models(read.is_some(), redaction);
            messages.push(Message::user(text));
            chat_tokens(model, &model.render(&messages, true)?, held)?
        }
    };
    if tokens.is_empty() { Err(GenerationError::EmptyPrompt) } else { Ok(tokens) }
}

/// The tokens of a rendered conversation. What was generated keeps its tokens, even where tokenising its text would
/// give others, so that both models' caches stay valid.
fn chat_tokens(model: &dyn DraftModel, rendered: &str, held: &[TokenId]) -> Result<Vec<TokenId>, ModelError> {
    let before = model.detokenize(held);
    match rendered.as_bytes().strip_prefix(&before[..]).and_then(|rest| std::str::from_utf8(rest).ok()) {
        Some(rest) if !before.is_empty() => Ok([held, &model.tokenize(rest, Special::Parse)?[..]].concat()),
        _ => model.tokenize(rendered, Special::ParseWithBos),
    }
}
