//! Calls of gpt-oss: messages with a recipient, between control tokens.
//!
//! The header of a message, from `<|start|>` or `<|channel|>` to `<|message|>`, says whom it is for. It is held until
//! then; if it is for no tool, everything is passed on as it came.

use super::{Ids, MAX_CALL_BYTES, Piece, malformed};
use crate::call::{CallError, named};
use crate::format::ToolFormat;

/// Largest length of a message's header, in bytes.
const MAX_HEADER_BYTES: usize = 512;
/// Channels of messages.
const CHANNELS: [&str; 3] = ["analysis", "commentary", "final"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The prompt has begun the header, and the reply may go on with it or not.
    Begin,
    Header,
    /// A message that is for no tool.
    Message,
    /// The arguments of a call.
    Call,
    /// A call that was too long goes on, and is dropped.
    Dropped,
}

/// The place of a reply, and what is held of it.
#[derive(Clone, Debug)]
pub(super) struct HarmonyParser {
    /// Names of the tools that there are.
    names: Vec<String>,
    state: State,
    /// Text of the header.
    header: String,
    /// What the header was made of, to be passed on.
    held: Vec<Piece>,
    arguments: Vec<u8>,
}

impl HarmonyParser {
    pub(super) fn new(names: Vec<String>, prompt: &str) -> Self {
        let state = if prompt.ends_with("<|start|>assistant") { State::Begin } else { State::Message };
        Self { names, state, header: String::new(), held: Vec::new(), arguments: Vec::new() }
    }

    pub(super) fn holds_back(&self) -> bool {
        !self.held.is_empty() || self.state == State::Call
    }

    pub(super) fn push(&mut self, bytes: &[u8], name: &[u8], ids: &mut Ids) -> Vec<Piece> {
        let mut out = Vec::new();
        let mark = ToolFormat::Harmony.marks().iter().find(|mark| bytes.is_empty() && mark.as_bytes() == name);
        match mark {
            Some(mark) => self.pass_mark(mark, ids, &mut out),
            None if !bytes.is_empty() => self.pass_text(bytes, &mut out),
            None => {}
        }
        out
    }

    pub(super) fn finish(&mut self, ids: &mut Ids) -> Vec<Piece> {
        let mut out = Vec::new();
        if self.state == State::Call {
            self.end_call(CallError::Unfinished, ids, &mut out);
        }
        out.append(&mut self.held);
        self.state = State::Message;
        out
    }

    fn pass_mark(&mut self, mark: &'static str, ids: &mut Ids, out: &mut Vec<Piece>) {
        if self.state == State::Call {
            self.end_call(CallError::NotJson { reason: "it ends too early".into() }, ids, out);
        }
        let piece = Piece::Text { bytes: Vec::new(), name: mark };
        match mark {
            "<|message|>" if matches!(self.state, State::Begin | State::Header) => {
                if self.recipient().is_some() {
                    self.held.clear();
                    self.state = State::Call;
                    return;
                }
                out.append(&mut self.held);
                out.push(piece);
                self.state = State::Message;
            }
            "<|start|>" => {
                out.append(&mut self.held);
                self.header.clear();
                self.held.push(piece);
                self.state = State::Header;
            }
            "<|channel|>" | "<|constrain|>" if matches!(self.state, State::Begin | State::Header) => {
                self.header.push(' ');
                self.held.push(piece);
                self.state = State::Header;
            }
            "<|channel|>" => {
                self.header.clear();
                self.held.push(piece);
                self.state = State::Header;
            }
            _ => {
                out.append(&mut self.held);
                out.push(piece);
                self.state = State::Message;
            }
        }
    }

    fn pass_text(&mut self, bytes: &[u8], out: &mut Vec<Piece>) {
        match self.state {
            State::Begin | State::Header => {
                self.header.push_str(&String::from_utf8_lossy(bytes));
                self.held.push(Piece::text(bytes));
                let begun = self.header.trim_start();
                let is_reply = self.state == State::Begin && !(begun.starts_with("to=") || "to=".starts_with(begun));
                if is_reply || self.header.len() > MAX_HEADER_BYTES {
                    out.append(&mut self.held);
                    self.state = State::Message;
                }
            }
            State::Message => out.push(Piece::text(bytes)),
            State::Call => {
                self.arguments.extend_from_slice(bytes);
                if self.arguments.len() > MAX_CALL_BYTES {
                    out.push(malformed(&self.raw(), CallError::TooLong));
                    self.arguments.clear();
                    self.state = State::Dropped;
                }
            }
            State::Dropped => {}
        }
    }

    /// Ends a call. If its arguments are not whole JSON, it ended because of `reason`.
    fn end_call(&mut self, reason: CallError, ids: &mut Ids, out: &mut Vec<Piece>) {
        let text = String::from_utf8_lossy(&self.arguments).into_owned();
        let is_cut_off = reason == CallError::Unfinished;
        let call = named(self.recipient().unwrap_or_default(), None, &text);
        out.push(match call {
            _ if is_cut_off && text.trim().is_empty() => malformed(&self.raw(), reason),
            Ok(call) => ids.call(call),
            Err(CallError::NotJson { .. }) if is_cut_off => malformed(&self.raw(), reason),
            Err(error) => malformed(&self.raw(), error),
        });
        self.arguments.clear();
        self.state = State::Message;
    }

    fn raw(&self) -> Vec<u8> {
        [self.header.trim().as_bytes(), b"<|message|>", &self.arguments].concat()
    }

    /// Returns the tool that the header names as the recipient. Only a message of the channel for calls is one: what
    /// stands in another is thought of or said, and whoever else is a recipient is no tool.
    fn recipient(&self) -> Option<&str> {
        let mut words = self.header.split_whitespace();
        if words.clone().find(|word| CHANNELS.contains(word)) != Some("commentary") {
            return None;
        }
        let name = words.find_map(|word| word.strip_prefix("to="))?;
        let known = self.names.iter().map(String::as_str).find(|known| *known == name);
        known.or_else(|| name.strip_prefix("functions.").filter(|name| !name.is_empty()))
    }
}
