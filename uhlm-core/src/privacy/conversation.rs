//! The messages of a session, each as it was said and, once needed, as the verifier may read it.

use serde::{Deserialize, Serialize};
use uhlm_law::chat::{Message, Role, ToolCall};

use super::{Redaction, redacted};

/// One message with what both models may read of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    message: Message,
    /// Text that both models read where the verifier is asked; settled once, so that their caches stay valid.
    shared: Option<String>,
    /// Whether the verifier took part in the message's reasoning, which is not redacted then.
    shared_reasoning: bool,
    /// Whether the person agreed to send the message.
    covered: bool,
}

impl Entry {
    /// Returns the text that the models read: the original, or, if the generation `shares` it, what the verifier may
    /// see of it.
    fn read(&mut self, shares: bool, redaction: Option<&Redaction>) -> String {
        if !shares {
            return self.message.content.clone();
        }
        let original = &self.message.content;
        self.shared.get_or_insert_with(|| redacted(redaction, original)).clone()
    }

    /// Tells whether the models read the message, where they have forgotten `dropped` more messages from here on;
    /// counts `dropped` down if not.
    fn is_remembered(&self, dropped: &mut usize) -> bool {
        let is_dropped = *dropped > 0 && self.message.role != Role::System;
        *dropped -= usize::from(is_dropped);
        !is_dropped
    }
}

/// The messages of a session so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Conversation {
    entries: Vec<Entry>,
    /// Number of messages that the models have forgotten: the oldest ones, system messages not counted.
    dropped: usize,
    /// Summary that the models read in the place of forgotten messages.
    #[serde(default)]
    summary: Option<ForgottenTurns>,
}

/// A summary of messages that the models have forgotten.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ForgottenTurns {
    entry: Entry,
    /// Number of forgotten messages that it is of; where fewer are forgotten, it is not read.
    messages: usize,
}

impl Conversation {
    /// Returns the messages as they were said.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.entries.iter().map(|entry| entry.message.clone()).collect()
    }

    /// Replaces the messages by others, of which nothing was agreed.
    pub(crate) fn replace(&mut self, messages: Vec<Message>) {
        self.dropped = 0;
        self.summary = None;
        self.entries = messages
            .into_iter()
            .map(|message| Entry { message, shared: None, shared_reasoning: false, covered: false })
            .collect();
    }

    /// Puts `instructions` in the place of all system messages, at the beginning; with `None` there are none.
    pub(crate) fn set_instructions(&mut self, instructions: Option<&str>) {
        let is_system = |entry: &Entry| entry.message.role == Role::System;
        let mut present = self.entries.iter().filter(|entry| is_system(entry));
        if let (Some(only), None) = (present.next(), present.next())
            && instructions == Some(only.message.content.as_str())
        {
            return;
        }
        self.entries.retain(|entry| !is_system(entry));
        if let Some(instructions) = instructions {
            let message = Message::system(instructions);
            self.entries.insert(0, Entry { message, shared: None, shared_reasoning: false, covered: false });
        }
    }

    /// Forgets everything but system messages.
    pub(crate) fn keep_system(&mut self) {
        self.dropped = 0;
        self.summary = None;
        self.entries.retain(|entry| entry.message.role == Role::System);
    }

    /// Tells whether no more messages are forgotten than were said, which need not be so where it was read from a file:
    /// the models would never read what is said next.
    pub(crate) fn is_sound(&self) -> bool {
        self.dropped <= self.entries.iter().filter(|entry| entry.message.role != Role::System).count()
    }

    /// Returns the number of messages that the models have forgotten.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Has the models forget the `dropped` oldest messages, and no others.
    pub(crate) fn set_dropped(&mut self, dropped: usize) {
        self.dropped = dropped;
    }

    /// Has the models forget the oldest turn that they remember: a message of the person with all that was said before
    /// the next one. Returns whether there was one.
    pub(crate) fn drop_turn(&mut self) -> bool {
        let mut turn = self.remembered().filter(|entry| entry.message.role != Role::System);
        let Some(_) = turn.next() else { return false };
        self.dropped += 1 + turn.take_while(|entry| entry.message.role != Role::User).count();
        true
    }

    /// Returns the messages that the models have not forgotten.
    fn remembered(&self) -> impl Iterator<Item = &Entry> {
        let mut dropped = self.dropped;
        self.entries.iter().filter(move |entry| entry.is_remembered(&mut dropped))
    }

    /// Returns the number of messages that the models read and the person did not agree to send.
    pub(crate) fn uncovered(&self) -> usize {
        let summary = self.forgotten_turns().filter(|turns| !turns.entry.covered);
        self.remembered().filter(|entry| !entry.covered).count() + usize::from(summary.is_some())
    }

    /// Returns the summary that the models read, if they read one.
    fn forgotten_turns(&self) -> Option<&ForgottenTurns> {
        self.summary.as_ref().filter(|turns| turns.messages <= self.dropped)
    }

    /// Returns the summary that the models read in the place of forgotten messages: as it was written, or, if the
    /// generation `shares` it, what the verifier may see of it.
    pub(crate) fn summary(&mut self, shares: bool, redaction: Option<&Redaction>) -> Option<String> {
        let dropped = self.dropped;
        let turns = self.summary.as_mut().filter(|turns| turns.messages <= dropped)?;
        Some(turns.entry.read(shares, redaction))
    }

    /// Returns the messages that the models have forgotten beyond the `forgotten` first, after the summary of those
    /// before, as they are read; and whether the person agreed to send all of them.
    pub(crate) fn newly_forgotten(
        &mut self,
        forgotten: usize,
        shares: bool,
        redaction: Option<&Redaction>,
    ) -> (Vec<Message>, bool) {
        let known = self.summary.as_ref().map_or(0, |turns| turns.messages);
        let before = self.summary.as_mut().filter(|turns| turns.messages <= forgotten);
        let mut covered = before.as_ref().is_none_or(|turns| turns.entry.covered);
        let before = before.map(|turns| Message::user(turns.entry.read(shares, redaction)));
        // Without a summary of them, those that were forgotten before are gone.
        let from = if before.is_some() { known } else { forgotten };
        let turns = self.entries.iter_mut().filter(|entry| entry.message.role != Role::System);
        let turns = turns.take(self.dropped).skip(from).map(|entry| {
            covered &= entry.covered;
            let content = entry.read(shares, redaction);
            Message { content, reasoning: None, tool_calls: Vec::new(), ..entry.message.clone() }
        });
        let turns: Vec<Message> = turns.collect();
        if turns.is_empty() || self.dropped <= forgotten {
            (Vec::new(), covered)
        } else {
            (before.into_iter().chain(turns).collect(), covered)
        }
    }

    /// Sets the summary of all messages that the models have forgotten. It `shares` what a verifier may see alone, or
    /// is of the originals; `covered` says whether the person agreed to send them.
    pub(crate) fn set_summary(&mut self, text: String, shares: bool, covered: bool) {
        let shared = shares.then(|| text.clone());
        let entry = Entry { message: Message::user(text), shared, shared_reasoning: false, covered };
        self.summary = Some(ForgottenTurns { entry, messages: self.dropped });
    }

    /// Takes note that the person agreed to send all messages.
    pub(crate) fn cover(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.covered = true);
        if let Some(turns) = &mut self.summary {
            turns.entry.covered = true;
        }
    }

    /// Forgets what was agreed to and what the verifier may see, both of which were settled with one verifier and one
    /// redaction.
    pub(crate) fn forget_sharing(&mut self) {
        let summary = self.summary.as_mut().map(|turns| &mut turns.entry);
        for entry in self.entries.iter_mut().chain(summary) {
            (entry.shared, entry.shared_reasoning, entry.covered) = (None, false, false);
        }
    }

    /// Gives a summary up that the models read; what it is of stays forgotten. Returns whether there was one.
    pub(crate) fn drop_summary(&mut self) -> bool {
        self.summary.take().is_some()
    }

    /// Returns the messages that the models read: the originals, or, if the generation `shares` them, what the verifier
    /// may see of them.
    pub(crate) fn read_by_models(&mut self, shares: bool, redaction: Option<&Redaction>) -> Vec<Message> {
        let mut dropped = self.dropped;
        let entries = self.entries.iter_mut().filter_map(|entry| entry.is_remembered(&mut dropped).then_some(entry));
        let read = |entry: &mut Entry| {
            let reasoning = entry.message.reasoning.as_ref();
            // A text of the target is not redacted again, and its reasoning is part of that.
            let reasoning = reasoning.map(|thought| {
                if shares && entry.shared_reasoning { thought.clone() } else { redacted_if(shares, redaction, thought) }
            });
            let calls = entry.message.tool_calls.iter();
            let is_read_as_it_is = !shares || entry.shared_reasoning;
            let redacted =
                |call: &ToolCall| if is_read_as_it_is { call.clone() } else { redacted_call(redaction, call) };
            let tool_calls = calls.map(redacted).collect();
            Message { content: entry.read(shares, redaction), reasoning, tool_calls, ..entry.message.clone() }
        };
        entries.map(read).collect()
    }

    /// Appends messages, of the person or of tools, with their reply. `shared` is what the models read of the messages,
    /// if the verifier was asked.
    pub(crate) fn push_turn(&mut self, asked: Vec<Message>, shared: Option<Vec<String>>, reply: Message) {
        let covered = shared.is_some();
        let mut shared = shared.into_iter().flatten();
        for message in asked {
            let shared = shared.next().filter(|_| covered);
            self.entries.push(Entry { message, shared, shared_reasoning: false, covered });
        }
        let shared = covered.then(|| reply.content.clone());
        self.entries.push(Entry { message: reply, shared, shared_reasoning: covered, covered });
    }

    /// Returns the number of turns that the models have not forgotten.
    pub(crate) fn turns(&self) -> usize {
        self.remembered().filter(|entry| entry.message.role == Role::User).count()
    }

    /// Returns the ids of the calls of tools in all messages.
    pub(crate) fn call_ids(&self) -> Vec<String> {
        let calls = self.entries.iter().flat_map(|entry| &entry.message.tool_calls);
        calls.map(|call| call.id.clone()).collect()
    }

    /// Returns the ids of the calls of the last message, which wait for their results.
    pub(crate) fn open_calls(&self) -> Vec<String> {
        let calls = self.entries.last().map(|entry| entry.message.tool_calls.iter());
        calls.into_iter().flatten().map(|call| call.id.clone()).collect()
    }
}

/// Returns a message of no conversation as the verifier may see it.
pub(crate) fn redacted_message(redaction: Option<&Redaction>, message: &Message) -> Message {
    Message {
        content: redacted(redaction, &message.content),
        reasoning: message.reasoning.as_ref().map(|thought| redacted(redaction, thought)),
        tool_calls: message.tool_calls.iter().map(|call| redacted_call(redaction, call)).collect(),
        ..message.clone()
    }
}

/// Returns a call as the verifier may see it. Arguments that a redaction makes unreadable are left out.
fn redacted_call(redaction: Option<&Redaction>, call: &ToolCall) -> ToolCall {
    let arguments = redacted(redaction, &call.arguments);
    let arguments = if uhlm_tools::is_object(&arguments) { arguments } else { "{}".into() };
    ToolCall { arguments, ..call.clone() }
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
        conversation.push_turn(vec![Message::user("I am Anna")], None, Message::assistant("Hello Anna"));
        assert_eq!(contents(&conversation.read_by_models(false, Some(&redaction()))), ["I am Anna", "Hello Anna"]);
        assert_eq!(contents(&conversation.read_by_models(true, Some(&redaction()))), ["I am [name]", "Hello [name]"]);
        assert_eq!(contents(&conversation.messages()), ["I am Anna", "Hello Anna"]);
    }

    #[test]
    fn what_the_target_wrote_is_not_redacted_again() {
        let mut conversation = Conversation::default();
        conversation.push_turn(
            vec![Message::user("I am Anna")],
            Some(vec!["I am [name]".into()]),
            Message::assistant("Anna Karenina"),
        );
        let read = conversation.read_by_models(true, Some(&redaction()));
        assert_eq!(contents(&read), ["I am [name]", "Anna Karenina"]);
    }

    #[test]
    fn the_oldest_turns_are_forgotten_and_the_system_s_messages_never() {
        let mut conversation = Conversation::default();
        conversation.replace(vec![Message::system("be brief"), Message::assistant("hello")]);
        conversation.push_turn(vec![Message::user("a")], None, Message::assistant("b"));
        conversation.push_turn(vec![Message::user("c")], Some(vec!["c".into()]), Message::assistant("d"));
        let read = |conversation: &mut Conversation| {
            let messages = conversation.read_by_models(false, None);
            contents(&messages).join(" ")
        };
        let mut left = vec![read(&mut conversation)];
        while conversation.drop_turn() {
            left.push(read(&mut conversation));
        }
        assert_eq!(left, ["be brief hello a b c d", "be brief a b c d", "be brief c d", "be brief"]);
        assert_eq!((conversation.dropped(), conversation.messages().len()), (5, 6));
        // Only messages that the models read have to be agreed to.
        assert_eq!(conversation.uncovered(), 1);
        conversation.set_dropped(3);
        assert_eq!(read(&mut conversation), "be brief c d");
        conversation.push_turn(vec![Message::user("e")], None, Message::assistant("f"));
        assert_eq!(read(&mut conversation), "be brief c d e f");
        conversation.replace(vec![Message::user("g")]);
        assert_eq!((read(&mut conversation), conversation.dropped()), ("g".into(), 0));
    }

    #[test]
    fn a_summary_is_read_in_the_place_of_what_it_is_of_and_agreed_to_as_that() {
        let mut conversation = Conversation::default();
        conversation.push_turn(vec![Message::user("Anna asks")], None, Message::assistant("b"));
        conversation.push_turn(vec![Message::user("c")], Some(vec!["c".into()]), Message::assistant("d"));
        assert!(conversation.drop_turn());
        let (turns, covered) = conversation.newly_forgotten(0, true, Some(&redaction()));
        assert_eq!((contents(&turns), covered), (vec!["[name] asks", "b"], false));
        conversation.set_summary("Anna asked".into(), false, covered);
        assert_eq!(conversation.summary(false, None).as_deref(), Some("Anna asked"));
        assert_eq!(conversation.summary(true, Some(&redaction())).as_deref(), Some("[name] asked"));
        assert_eq!(conversation.uncovered(), 1, "the summary");
        assert!(conversation.drop_turn());
        let (turns, _) = conversation.newly_forgotten(2, false, None);
        assert_eq!(contents(&turns), ["Anna asked", "c", "d"], "the summary is summarised with the rest");
        assert!(conversation.newly_forgotten(4, false, None).0.is_empty());
        // Sharing that was settled elsewhere says nothing about it, nor about what was said.
        conversation.cover();
        let mut restored = conversation.clone();
        restored.forget_sharing();
        assert_eq!((conversation.uncovered(), restored.uncovered()), (0, 1));
        assert_eq!(restored.summary(true, Some(&redaction())).as_deref(), Some("[name] asked"));
        restored.set_dropped(2);
        let read = restored.read_by_models(true, Some(&Redaction::new(|text| text.to_uppercase())));
        assert_eq!((contents(&read), restored.uncovered()), (vec!["C", "D"], 3));
        // Where the messages are remembered again, it is not read.
        conversation.set_dropped(0);
        assert_eq!(conversation.summary(false, None), None);
        conversation.replace(vec![Message::user("g")]);
        assert_eq!(conversation.summary(false, None), None);
    }

    #[test]
    fn instructions_take_the_place_of_all_system_messages_and_leave_the_rest() {
        let mut conversation = Conversation::default();
        conversation.replace(vec![Message::system("a"), Message::user("b"), Message::system("c")]);
        conversation.cover();
        conversation.set_instructions(Some("d"));
        assert_eq!(contents(&conversation.messages()), ["d", "b"]);
        assert_eq!(conversation.uncovered(), 1, "nobody agreed to the new ones");
        conversation.cover();
        conversation.set_instructions(Some("d"));
        assert_eq!(conversation.uncovered(), 0, "they are the same");
        conversation.set_instructions(None);
        assert_eq!(contents(&conversation.messages()), ["b"]);
    }

    #[test]
    fn what_was_thought_is_redacted_unless_the_target_took_part_in_it() {
        let reply = Message { reasoning: Some("Anna asks".into()), ..Message::assistant("yes") };
        let mut conversation = Conversation::default();
        conversation.push_turn(vec![Message::user("a")], None, reply.clone());
        conversation.push_turn(vec![Message::user("b")], Some(vec!["b".into()]), reply);
        let thoughts =
            |messages: Vec<Message>| -> Vec<_> { messages.into_iter().filter_map(|m| m.reasoning).collect() };
        assert_eq!(thoughts(conversation.read_by_models(true, Some(&redaction()))), ["[name] asks", "Anna asks"]);
        assert_eq!(thoughts(conversation.read_by_models(false, Some(&redaction()))), ["Anna asks", "Anna asks"]);
    }

    #[test]
    fn calls_and_results_are_redacted_like_what_is_said() {
        let call = |arguments: &str| ToolCall { id: "1".into(), name: "f".into(), arguments: arguments.into() };
        let asks = Message { tool_calls: vec![call(r#"{"who": "Anna"}"#)], ..Message::assistant("") };
        let mut conversation = Conversation::default();
        conversation.push_turn(vec![Message::user("find Anna")], None, asks.clone());
        assert_eq!((conversation.call_ids(), conversation.open_calls()), (vec!["1".to_owned()], vec!["1".to_owned()]));
        let result = vec![Message::tool(&asks.tool_calls[0], "Anna lives here")];
        conversation.push_turn(result, None, Message::assistant("here"));
        let read = conversation.read_by_models(true, Some(&redaction()));
        assert_eq!(contents(&read), ["find [name]", "", "[name] lives here", "here"]);
        assert_eq!(read[1].tool_calls, [call(r#"{"who": "[name]"}"#)]);
        assert_eq!((read[2].role, read[2].tool_call_id.as_deref()), (Role::Tool, Some("1")));
        assert_eq!(conversation.read_by_models(false, Some(&redaction()))[1].tool_calls, asks.tool_calls);
        assert_eq!((conversation.uncovered(), conversation.turns()), (4, 1));
        let all = Redaction::new(|_| "[withheld]".into());
        assert_eq!(conversation.read_by_models(true, Some(&all))[1].tool_calls, [call("{}")]);
        // All of a turn goes at once: no result is left without its call.
        assert!(conversation.drop_turn() && conversation.read_by_models(false, None).is_empty());
    }

    #[test]
    fn messages_are_covered_once_they_were_agreed_to() {
        let mut conversation = Conversation::default();
        conversation.replace(vec![Message::system("be brief")]);
        conversation.push_turn(vec![Message::user("a")], Some(vec!["a".into()]), Message::assistant("b"));
        assert_eq!(conversation.uncovered(), 1);
        conversation.cover();
        conversation.push_turn(vec![Message::user("c")], None, Message::assistant("d"));
        assert_eq!(conversation.uncovered(), 2);
        conversation.keep_system();
        assert_eq!(conversation.uncovered(), 0);
    }
}
