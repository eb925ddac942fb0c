//! Takes what a model writes apart into its reasoning and its reply, whatever the boundaries of its tokens are.

use super::ReasoningFormat;

/// The kind of text that a model writes: its reasoning or its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The model thinks.
    Reasoning,
    /// The model replies.
    Reply,
}

/// The part of the written text that has become certain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Bytes of the reasoning.
    pub reasoning: Vec<u8>,
    /// Bytes of the reply.
    pub reply: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was written but white space.
    Start,
    /// The name of a channel is being written.
    Header,
    Reasoning,
    /// The reasoning is over, and the reply has not begun.
    Gap,
    Reply,
}

/// The place of a model between reasoning and reply. It is cheap to clone, so that text that may be taken back is tried
/// on a copy.
#[derive(Clone, Debug)]
pub struct ReasoningSplitter {
    format: Option<ReasoningFormat>,
    state: State,
    /// Bytes of which it is not certain yet whether they are reasoning, reply or a mark.
    held: Vec<u8>,
}

impl ReasoningSplitter {
    /// Begins a reply to a prompt, which may end where the reasoning has begun already. Without a format everything is
    /// reply.
    #[must_use]
    pub fn new(format: Option<ReasoningFormat>, prompt: &str) -> Self {
        let state = match format {
            None => State::Reply,
            Some(ReasoningFormat::Tags { open, .. }) if prompt.trim_end().ends_with(open) => State::Reasoning,
            Some(ReasoningFormat::Channels) if prompt.ends_with(super::FINAL) => State::Reply,
            Some(ReasoningFormat::Channels) if prompt.ends_with("<|message|>") => State::Reasoning,
            Some(_) => State::Start,
        };
        Self { format, state, held: Vec::new() }
    }

    /// Returns the kind of text that the model writes now.
    #[must_use]
    pub fn channel(&self) -> Channel {
        if self.state == State::Reasoning { Channel::Reasoning } else { Channel::Reply }
    }

    /// Tells whether bytes wait for what follows.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !self.held.is_empty() && matches!(self.state, State::Start | State::Reasoning)
    }

    /// Takes a token: the bytes of its text, which a control token has none of, and `name`, its spelling.
    pub fn push(&mut self, bytes: &[u8], name: &[u8]) -> Split {
        let mut split = Split::default();
        match self.format {
            None => split.reply.extend_from_slice(bytes),
            Some(ReasoningFormat::Tags { open, close }) if bytes.is_empty() => {
                self.pass_tag(open.as_bytes(), close.as_bytes(), name, &mut split);
            }
            Some(ReasoningFormat::Tags { open, close }) => {
                self.held.extend_from_slice(bytes);
                self.advance(open.as_bytes(), close.as_bytes(), &mut split);
            }
            Some(ReasoningFormat::Channels) if bytes.is_empty() => self.pass_channel(name),
            Some(ReasoningFormat::Channels) => self.push_to_channel(bytes, &mut split),
        }
        split
    }

    /// Ends the text: bytes that were held back are what they seemed to be.
    pub fn finish(&mut self) -> Split {
        let held = std::mem::take(&mut self.held);
        match self.state {
            State::Reasoning => Split { reasoning: held, ..Split::default() },
            State::Start if self.format != Some(ReasoningFormat::Channels) => Split { reply: held, ..Split::default() },
            _ => Split::default(),
        }
    }

    /// Takes a control token that may be a tag.
    fn pass_tag(&mut self, open: &[u8], close: &[u8], name: &[u8], split: &mut Split) {
        match self.state {
            State::Start if name == open => {
                self.held.clear();
                self.state = State::Reasoning;
            }
            State::Reasoning if name == close => {
                split.reasoning.append(&mut self.held);
                self.state = State::Gap;
            }
            _ => {}
        }
    }

    /// Looks at what is held as far as it is certain.
    fn advance(&mut self, open: &[u8], close: &[u8], split: &mut Split) {
        loop {
            match self.state {
                State::Start => {
                    let body = self.held.trim_ascii_start();
                    if let Some(rest) = body.strip_prefix(open) {
                        self.held = rest.to_vec();
                        self.state = State::Reasoning;
                        continue;
                    }
                    if !open.starts_with(body) {
                        self.state = State::Reply;
                        continue;
                    }
                }
                State::Reasoning => {
                    if let Some(at) = self.held.windows(close.len()).position(|part| part == close) {
                        split.reasoning.extend_from_slice(&self.held[..at]);
                        self.held.drain(..at + close.len());
                        self.state = State::Gap;
                        continue;
                    }
                    let kept = (1..close.len().min(self.held.len() + 1)).rev();
                    let kept = kept.into_iter().find(|&n| self.held.ends_with(&close[..n])).unwrap_or(0);
                    split.reasoning.extend(self.held.drain(..self.held.len() - kept));
                }
                State::Gap => {
                    self.held = self.held.trim_ascii_start().to_vec();
                    if !self.held.is_empty() {
                        self.state = State::Reply;
                        continue;
                    }
                }
                State::Reply | State::Header => split.reply.append(&mut self.held),
            }
            return;
        }
    }

    /// Takes a control token of a model with channels.
    fn pass_channel(&mut self, name: &[u8]) {
        match name {
            b"<|message|>" if self.state == State::Header => {
                let name = std::mem::take(&mut self.held);
                self.state = if name.trim_ascii().starts_with(b"final") { State::Reply } else { State::Reasoning };
            }
            b"<|channel|>" | b"<|start|>" | b"<|end|>" => {
                self.held.clear();
                self.state = State::Header;
            }
            _ => {}
        }
    }

    fn push_to_channel(&mut self, bytes: &[u8], split: &mut Split) {
        match self.state {
            State::Header => self.held.extend_from_slice(bytes),
            State::Reasoning => split.reasoning.extend_from_slice(bytes),
            State::Start | State::Gap | State::Reply => split.reply.extend_from_slice(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THINK: Option<ReasoningFormat> = Some(ReasoningFormat::Tags { open: "<think>", close: "</think>" });
    const CHANNELS: Option<ReasoningFormat> = Some(ReasoningFormat::Channels);

    /// Splits tokens; those in square brackets are control tokens.
    fn split(format: Option<ReasoningFormat>, prompt: &str, tokens: &[&str]) -> (String, String) {
        let mut splitter = ReasoningSplitter::new(format, prompt);
        let mut whole = Split::default();
        let mut add = |part: Split| {
            whole.reasoning.extend(part.reasoning);
            whole.reply.extend(part.reply);
        };
        for token in tokens {
            match token.strip_prefix('\u{1}') {
                Some(name) => add(splitter.push(b"", name.as_bytes())),
                None => add(splitter.push(token.as_bytes(), token.as_bytes())),
            }
        }
        add(splitter.finish());
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(whole.reasoning), text(whole.reply))
    }

    #[test]
    fn streams_are_taken_apart_at_their_marks() {
        for (format, prompt, tokens, reasoning, reply) in [
            (None, "<think>", &["<think>", "a", "</think>", "b"][..], "", "<think>a</think>b"),
            // The marks as tokens with text, as control tokens, and as text of many tokens.
            (THINK, "x", &["<think>", "\n", "hm", "\n", "</think>", "\n\n", "Yes", " no"], "\nhm\n", "Yes no"),
            (THINK, "x", &["\u{1}<think>", "hm", "\u{1}</think>", "\n\n", "Yes"], "hm", "Yes"),
            (THINK, "x", &["\n", "<", "thi", "nk>hm", "</", "th", "ink", ">Yes"], "hm", "Yes"),
            (THINK, "x", &["<think>hm</think>Yes"], "hm", "Yes"),
            // What only looks like a mark.
            (THINK, "x", &["<", "thin", " paper"], "", "<thin paper"),
            (THINK, "x", &["<think>", "a </", "b> </th", "e end>", "</think>", "c"], "a </b> </the end>", "c"),
            (THINK, "x", &["<think>", "</</", "think>", "c"], "</", "c"),
            (THINK, "x", &["Yes ", "<think>", "no", "</think>"], "", "Yes <think>no</think>"),
            (THINK, "x", &["  ", "<thi"], "", "  <thi"),
            (THINK, "x", &["<think>", "never", " ends </th"], "never ends </th", ""),
            (THINK, "x", &["<think>", "\n</think>\n\n", "a <think>b</think>"], "\n", "a <think>b</think>"),
            // A prompt that has begun the reasoning, or ended it.
            (THINK, "assistant\n<think>\n", &["hm", "</think>", "\n\nYes"], "hm", "Yes"),
            (THINK, "<think>\n\n</think>\n\n", &["Yes"], "", "Yes"),
            // Channels.
            (
                CHANNELS,
                "<|start|>assistant",
                &[
                    "\u{1}<|channel|>",
                    "analysis",
                    "\u{1}<|message|>",
                    "hm",
                    "\u{1}<|end|>",
                    "\u{1}<|start|>",
                    "assistant",
                    "\u{1}<|channel|>",
                    "fin",
                    "al",
                    "\u{1}<|message|>",
                    "Yes",
                    "\u{1}<|return|>",
                ],
                "hm",
                "Yes",
            ),
            (CHANNELS, "<|channel|>final<|message|>", &["Yes", "<|end|>"], "", "Yes<|end|>"),
            (CHANNELS, "<|channel|>analysis<|message|>", &["hm"], "hm", ""),
            (CHANNELS, "x", &["Yes"], "", "Yes"),
            (CHANNELS, "x", &["\u{1}<|channel|>", "commentary to=f", "\u{1}<|message|>", "{}"], "{}", ""),
        ] {
            assert_eq!(split(format, prompt, tokens), (reasoning.to_owned(), reply.to_owned()), "{tokens:?}");
        }
    }

    #[test]
    fn a_stream_is_taken_apart_alike_wherever_its_tokens_end() {
        let text = " <think>\nso </thin it\u{e9}\n</think>\n\n The answer <think>";
        for size in 1..text.len() {
            let mut splitter = ReasoningSplitter::new(THINK, "x");
            let mut whole = Split::default();
            for bytes in text.as_bytes().chunks(size) {
                let part = splitter.push(bytes, bytes);
                whole.reasoning.extend(part.reasoning);
                whole.reply.extend(part.reply);
            }
            whole.reply.extend(splitter.finish().reply);
            assert_eq!(whole.reasoning, "\nso </thin it\u{e9}\n".as_bytes(), "{size}");
            assert_eq!(whole.reply, b"The answer <think>", "{size}");
        }
    }

    #[test]
    fn a_copy_tells_what_may_come_and_changes_nothing() {
        let mut splitter = ReasoningSplitter::new(THINK, "x");
        let mut copy = splitter.clone();
        copy.push(b"<think>hm", b"<think>hm");
        assert_eq!((copy.channel(), splitter.channel()), (Channel::Reasoning, Channel::Reply));
        assert_eq!(splitter.push(b"Yes", b"Yes").reply, b"Yes");
        assert!(splitter.push(b"<", b"<").reply == b"<" && !splitter.holds_back());
    }
}
