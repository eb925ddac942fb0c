//! Takes what a model writes apart: reasoning, reply, and calls of tools.

use uhlm_law::chat::{Channel, ReasoningSplitter};
use uhlm_tools::{Malformed, Piece, ToolCall, ToolParser};

/// A call, or what only looks like one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Called {
    Tool(ToolCall),
    Malformed(Malformed),
}

/// The part of the written text that has become certain.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub(super) reasoning: Vec<u8>,
    pub(super) reply: Vec<u8>,
    pub(super) called: Vec<Called>,
}

/// The place of a model between reasoning, reply and calls. It is cheap to clone, so that text that may be taken back
/// is tried on a copy.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    splitter: ReasoningSplitter,
    /// Parser of calls; `None` where there are no tools.
    tools: Option<ToolParser>,
}

impl Apart {
    pub(super) fn new(splitter: ReasoningSplitter, tools: Option<ToolParser>) -> Self {
        Self { splitter, tools }
    }

    /// Returns the kind of text that the model writes now.
    pub(super) fn channel(&self) -> Channel {
        self.splitter.channel()
    }

    /// Tells whether bytes wait for what follows.
    pub(super) fn holds_back(&self) -> bool {
        self.splitter.holds_back() || self.tools.as_ref().is_some_and(ToolParser::holds_back)
    }

    /// Takes a token: the bytes of its text, which a control token has none of, and `mark`, its name where that means
    /// something here.
    pub(super) fn push(&mut self, bytes: &[u8], mark: &[u8]) -> Taken {
        let mut taken = Taken::default();
        match &mut self.tools {
            Some(tools) if tools.comes_first() => {
                let pieces = tools.push(bytes, mark);
                self.pass_on(pieces, &mut taken);
            }
            tools => {
                let was_reply = self.splitter.channel() == Channel::Reply;
                let split = self.splitter.push(bytes, mark);
                taken.reasoning = split.reasoning;
                match tools {
                    None => taken.reply = split.reply,
                    Some(tools) => {
                        // A mark of a call that is thought of calls nothing.
                        let name = if bytes.is_empty() && was_reply { mark } else { b"" };
                        let mut pieces =
                            if split.reply.is_empty() { Vec::new() } else { tools.push(&split.reply, b"") };
                        if !name.is_empty() {
                            pieces.extend(tools.push(b"", name));
                        }
                        taken.add(pieces);
                    }
                }
            }
        }
        taken
    }

    /// Ends the text: bytes that were held back are what they seemed to be.
    pub(super) fn finish(&mut self) -> Taken {
        let mut taken = Taken::default();
        if let Some(tools) = self.tools.as_mut().filter(|tools| tools.comes_first()) {
            let pieces = tools.finish();
            self.pass_on(pieces, &mut taken);
        }
        let split = self.splitter.finish();
        taken.reasoning.extend(split.reasoning);
        match self.tools.as_mut().filter(|tools| !tools.comes_first()) {
            None => taken.reply.extend(split.reply),
            Some(tools) => {
                let mut pieces = tools.push(&split.reply, b"");
                pieces.extend(tools.finish());
                taken.add(pieces);
            }
        }
        taken
    }

    /// Passes what is no call on to be split into reasoning and reply.
    fn pass_on(&mut self, pieces: Vec<Piece>, taken: &mut Taken) {
        for piece in pieces {
            match piece {
                Piece::Text { bytes, name } => {
                    let split = self.splitter.push(&bytes, name.as_bytes());
                    taken.reasoning.extend(split.reasoning);
                    taken.reply.extend(split.reply);
                }
                called => taken.add(vec![called]),
            }
        }
    }
}

impl Taken {
    fn add(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Text { bytes, .. } => self.reply.extend(bytes),
                Piece::Call(call) => self.called.push(Called::Tool(call)),
                Piece::Malformed(malformed) => self.called.push(Called::Malformed(malformed)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::chat::ReasoningFormat;
    use uhlm_tools::ToolFormat;

    use super::*;

    const THINK: ReasoningFormat = ReasoningFormat::Tags { open: "<think>", close: "</think>" };

    /// Takes tokens apart; those with `\u{1}` before them are control tokens. Returns reasoning, reply, and calls.
    fn taken(
        format: ReasoningFormat,
        tools: ToolFormat,
        prompt: &str,
        tokens: &[&str],
    ) -> (String, String, Vec<String>) {
        let parser = ToolParser::new(tools, ["f".to_owned()], prompt, []);
        let mut apart = Apart::new(ReasoningSplitter::new(Some(format), prompt), Some(parser));
        let mut all = Taken::default();
        let mut add = |taken: Taken| {
            all.reasoning.extend(taken.reasoning);
            all.reply.extend(taken.reply);
            all.called.extend(taken.called);
        };
        for token in tokens {
            match token.strip_prefix('\u{1}') {
                Some(name) => add(apart.push(b"", name.as_bytes())),
                None => add(apart.push(token.as_bytes(), b"")),
            }
        }
        add(apart.finish());
        let called = |called: &Called| match called {
            Called::Tool(call) => format!("{}({})", call.name, call.arguments),
            Called::Malformed(malformed) => format!("!{}", malformed.raw),
        };
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(all.reasoning), text(all.reply), all.called.iter().map(called).collect())
    }

    #[test]
    fn a_call_is_taken_out_of_the_reply_and_one_that_is_only_thought_of_is_not() {
        let call = "{\"name\": \"f\", \"arguments\": {}}";
        for (open, close) in [("<tool_call>", "</tool_call>"), ("\u{1}<tool_call>", "\u{1}</tool_call>")] {
            let tokens = ["<think>", "I call ", open, call, close, "</think>", "\n\n", "Yes.", open, "\n", call, close];
            let (reasoning, reply, calls) = taken(THINK, ToolFormat::Hermes, "x", &tokens);
            assert!(reasoning.starts_with("I call "), "{reasoning}");
            assert_eq!((reply.as_str(), calls), ("Yes.", vec!["f({})".to_owned()]));
        }
    }

    #[test]
    fn a_call_in_a_channel_is_neither_reasoning_nor_reply() {
        let prompt = "<|start|>assistant";
        let tokens = [
            "\u{1}<|channel|>",
            "analysis",
            "\u{1}<|message|>",
            "hm",
            "\u{1}<|end|>",
            "\u{1}<|start|>",
            "assistant",
            "\u{1}<|channel|>",
            "commentary to=functions.f ",
            "\u{1}<|constrain|>",
            "json",
            "\u{1}<|message|>",
            "{}",
            "\u{1}<|call|>",
        ];
        let (reasoning, reply, calls) = taken(ReasoningFormat::Channels, ToolFormat::Harmony, prompt, &tokens);
        assert_eq!((reasoning.as_str(), reply.as_str(), calls), ("hm", "", vec!["f({})".to_owned()]));
        let said = ["\u{1}<|channel|>", "final", "\u{1}<|message|>", "Yes", "\u{1}<|return|>"];
        let (reasoning, reply, calls) = taken(ReasoningFormat::Channels, ToolFormat::Harmony, prompt, &said);
        assert_eq!((reasoning.as_str(), reply.as_str(), calls.len()), ("", "Yes", 0));
    }

    #[test]
    fn control_tokens_that_mark_reasoning_are_in_no_reply_where_there_are_tools() {
        let marks = ReasoningFormat::Tags { open: "[THINK]", close: "[/THINK]" };
        let tokens = ["\u{1}[THINK]", "hm", "\u{1}[/THINK]", "Yes", "\u{1}[THINK]", "\u{1}[/THINK]", "."];
        let (reasoning, reply, calls) = taken(marks, ToolFormat::Mistral, "x", &tokens);
        assert_eq!((reasoning.as_str(), reply.as_str(), calls.len()), ("hm", "Yes.", 0));
        let channels = ["\u{1}<|channel|>", "final", "\u{1}<|message|>", "Yes", "\u{1}<|end|>"];
        let (_, reply, _) = taken(ReasoningFormat::Channels, ToolFormat::Hermes, "<|start|>assistant", &channels);
        assert_eq!(reply, "Yes");
    }
}
