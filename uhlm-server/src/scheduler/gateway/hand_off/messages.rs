//! The way from a session's tokens back to the messages of its conversation.
//!
//! A chat service takes messages, and a session has tokens. So the vocabulary that devices are offered has control
//! tokens of its own, by which its chat template parts the messages. What a person or a model says never becomes a
//! control token, so nobody can write a message that is none.

use uhlm_law::model::{Special, Vocabulary};
use uhlm_law::sampling::TokenId;
use uhlm_llama::{Lexicon, VocabularyFile};
use uhlm_upstream::chat::ChatMessage;

/// Roles of messages, each with the text of the control token before one.
const ROLES: [(&str, &str); 3] =
    [("system", "<|uhlm_system|>"), ("user", "<|uhlm_user|>"), ("assistant", "<|uhlm_assistant|>")];
/// Text of the token that ends a reply.
const END: &str = "<|uhlm_end|>";
/// The chat template. The service has a template of its own, in which it writes what comes from here.
const TEMPLATE: &str = "{%- for message in messages -%}\
    {%- if message.role not in ['system', 'user', 'assistant'] -%}\
    {{ raise_exception('a chat service takes messages of the system, of users and of assistants') }}\
    {%- endif -%}\
    {{- '<|uhlm_' + message.role + '|>' + message.content -}}\
    {%- endfor -%}\
    {%- if add_generation_prompt -%}{{- '<|uhlm_assistant|>' -}}{%- endif -%}";

/// Makes the vocabulary of the model at `path` carry conversations: it has control tokens and a template for that.
pub(super) fn vocabulary(path: &std::path::Path) -> Result<VocabularyFile, uhlm_llama::gguf::HeaderError> {
    let [(_, system), (_, user), (_, assistant)] = ROLES;
    VocabularyFile::with_marks(path, &[system, user, assistant, END], TEMPLATE)
}

/// The control tokens between messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    roles: [(TokenId, &'static str); 3],
    pub(super) end: TokenId,
}

impl Marks {
    /// Finds the control tokens; `None` where the vocabulary has none of them.
    pub(super) fn of(lexicon: &Lexicon) -> Option<Self> {
        let language = lexicon.language();
        let mark = |text: &str| match language.tokenize(text, Special::Parse).ok()?[..] {
            // Control tokens have no text.
            [id] if lexicon.vocabulary().piece(id).is_empty() => Some(id),
            _ => None,
        };
        let [system, user, assistant] = ROLES.map(|(role, text)| mark(text).map(|id| (id, role)));
        Some(Self { roles: [system?, user?, assistant?], end: mark(END)? })
    }

    fn role(&self, id: TokenId) -> Option<&'static str> {
        self.roles.iter().find(|(mark, _)| *mark == id).map(|(_, role)| *role)
    }

    /// Returns the messages of a prompt, which ends where the assistant is to go on; `None` for text that is no
    /// conversation.
    pub(super) fn messages(&self, prompt: &[TokenId], vocabulary: &dyn Vocabulary) -> Option<Vec<ChatMessage>> {
        let (last, prompt) = prompt.split_last()?;
        if self.role(*last) != Some("assistant") {
            return None;
        }
        let mut messages: Vec<(&'static str, Vec<u8>)> = Vec::new();
        for &id in prompt {
            match self.role(id) {
                Some(role) => messages.push((role, Vec::new())),
                None => messages.last_mut()?.1.extend_from_slice(vocabulary.piece(id)),
            }
        }
        let message = |(role, content): (&'static str, Vec<u8>)| {
            Some(ChatMessage { role, content: String::from_utf8(content).ok()? })
        };
        let messages: Option<Vec<_>> = messages.into_iter().map(message).collect();
        messages.filter(|messages| !messages.is_empty())
    }
}
