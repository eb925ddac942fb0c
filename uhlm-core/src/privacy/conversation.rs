//! The messages of a session, each as it was said and, once needed, as the verifier may read it.

use uhlm_law::chat::{Message, Role};

use super::{Redaction, redacted};

/// One message.
#[derive(Clone, Debug)]
struct Entry {
    message: Message,
    /// What both models read of it where the verifier is asked; settled once, so that their caches stay valid.
    shared: Option<String>,
    /// Whether the verifier took part in its reasoning, which is not redacted then.
    shared_reasoning: bool,
    /// Whether the person agreed to send it.
    covered: bool,
}

/// The messages so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversation {
    entries: Vec<Entry>,
}

impl Conversation {
    /// As they were said.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.entries.iter().map(|entry| entry.message.clone()).collect()
    }

    /// Other messages, of which nothing was agreed.
    pub(crate) fn replace(&mut self, messages: Vec<Message>) {
        self.entries = messages
            .into_iter()
            .map(|message| Entry { message, shared: None, shared_reasoning: false, covered: false })
            .collect();
    }

    /// Forgets everything but system messages.
    pub(crate) fn keep_system(&mut self) {
        self.entries.retain(|entry| entry.message.role == Role::System);
    }

    /// Messages that the person did not agree to send.
    pub(crate) fn uncovered(&self) -> usize {
        self.entries.iter().filter(|entry| !entry.covered).count()
    }

    /// The person agreed to send all of them.
    pub(crate) fn cover(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.covered = true);
    }

    /// What the models read: the originals, or what the verifier may see of them.
    pub(crate) fn read_by_models(&mut self, shares: bool, redaction: Option<&Redaction>) -> Vec<Message> {
        let text = |entry: &mut Entry| {
            if !shares {
                return entry.message.content.clone();
            }
            let original = &entry.message.content;
            entry.shared.get_or_insert_with(|| redacted(redaction, original)).clone()
        };
        let read = |entry: &mut Entry| {
            let reasoning = entry.message.reasoning.as_ref();
            // What the target wrote is not redacted again, and what it thought is part of that.
            let reasoning = reasoning.map(|thought| {
                if shares && entry.shared_reasoning { thought.clone() } else { redacted_if(shares, redaction, thought) }
            });
            Message { role: entry.message.role, content: text(entry), reasoning }
        };
        self.entries.iter_mut().map(read).collect()
    }

    /// A message of the person with its reply. `shared` is what the models read of the message, if the verifier was
    /// asked.
    pub(crate) fn push_turn(&mut self, asked: Message, shared: Option<String>, reply: Message) {
        let covered = shared.is_some();
        let shared_reply = covered.then(|| reply.content.clone());
        self.entries.push(Entry { message: asked, shared, shared_reasoning: false, covered });
        self.entries.push(Entry { message: reply, shared: shared_reply, shared_reasoning: covered, covered });
    }
}

fn redacted_if(shares: bool, redaction: Option<&Redaction>, text: &str) -> String {
    if shares { redacted(redaction, text) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        Redaction::new(|text| text.replace("Anna", "[name]"))
    }

    fn contents(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn the_device_alone_reads_the_original_and_the_verifier_never() {
        let mut conversation = Conversation::default();
        conversation.push_turn(Message::user("I am Anna"), None, Message::assistant("Hello Anna"));
        assert_eq!(contents(&conversation.read_by_models(false, Some(&redaction()))), ["I am Anna", "Hello Anna"]);
        assert_eq!(contents(&conversation.read_by_models(true, Some(&redaction()))), ["I am [name]", "Hello [name]"]);
        assert_eq!(contents(&conversation.messages()), ["I am Anna", "Hello Anna"]);
    }

    #[test]
    fn what_the_target_wrote_is_not_redacted_again() {
        let mut conversation = Conversation::default();
        conversation.push_turn(
            Message::user("I am Anna"),
            Some("I am [name]".into()),
            Message::assistant("Anna Karenina"),
        );
        let read = conversation.read_by_models(true, Some(&redaction()));
        assert_eq!(contents(&read), ["I am [name]", "Anna Karenina"]);
    }

    #[test]
    fn what_was_thought_is_redacted_unless_the_target_took_part_in_it() {
        let reply = Message { reasoning: Some("Anna asks".into()), ..Message::assistant("yes") };
        let mut conversation = Conversation::default();
        conversation.push_turn(Message::user("a"), None, reply.clone());
        conversation.push_turn(Message::user("b"), Some("b".into()), reply);
        let thoughts =
            |messages: Vec<Message>| -> Vec<_> { messages.into_iter().filter_map(|m| m.reasoning).collect() };
        assert_eq!(thoughts(conversation.read_by_models(true, Some(&redaction()))), ["[name] asks", "Anna asks"]);
        assert_eq!(thoughts(conversation.read_by_models(false, Some(&redaction()))), ["Anna asks", "Anna asks"]);
    }

    #[test]
    fn messages_are_covered_once_they_were_agreed_to() {
        let mut conversation = Conversation::default();
        conversation.replace(vec![Message::system("be brief")]);
        conversation.push_turn(Message::user("a"), Some("a".into()), Message::assistant("b"));
        assert_eq!(conversation.uncovered(), 1);
        conversation.cover();
        conversation.push_turn(Message::user("c"), None, Message::assistant("d"));
        assert_eq!(conversation.uncovered(), 2);
        conversation.keep_system();
        assert_eq!(conversation.uncovered(), 0);
    }
}
