//! Calls between marks, or as the JSON that a reply begins with.

use super::{Ids, MAX_CALL_BYTES, Piece, find, malformed};
use crate::call::{CallError, named, read};
use crate::format::ToolFormat;
use crate::json::{Scan, Scanner};

/// Largest number of bytes between a mark and the arguments, where the name stands outside of the JSON.
const MAX_HEADER_BYTES: usize = 512;
/// What a model without a mark may write before its call, and after it.
const FENCES: [(&str, &str); 3] = [("```json", "```"), ("```", "```"), ("<tools>", "</tools>")];
/// What begins and ends code, in which calls are only shown.
const CODE: &str = "```";
/// Fields that a call without a mark may begin with.
const FIRST_FIELDS: [&str; 6] = ["\"name\"", "\"type\"", "\"function\"", "\"arguments\"", "\"parameters\"", "\"id\""];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing but white space was written since the reply began, or since a call that needs no mark.
    Start,
    Text,
    /// A mark was written, and the JSON of a call is expected or under way.
    Body,
    /// A mark was written, and a name before the arguments.
    Header,
    /// The arguments of the call whose name and id are the header.
    Arguments,
    /// What stands after the mark cannot become a call.
    Broken,
    /// JSON that may be a call without a mark; it begins after so many bytes of what is held.
    Bare {
        lead: usize,
        /// What ends the fence before it.
        fence: Option<&'static str>,
    },
    /// A call has ended.
    After,
    /// A call that was too long goes on, and is dropped.
    Dropped,
}

/// The place of a reply, and what is held of it.
#[derive(Clone, Debug)]
pub(super) struct TaggedParser {
    format: ToolFormat,
    names: Vec<String>,
    state: State,
    held: Vec<u8>,
    scanner: Scanner,
    /// Name of the call whose arguments are being written, with its id.
    header: String,
    /// What may still follow the call that has ended, and is no text then.
    closers: Vec<&'static str>,
    /// Whether the opener is a control token, so that text which spells it opens nothing.
    is_token: bool,
    /// Whether the text is within code.
    in_code: bool,
}

impl TaggedParser {
    pub(super) fn new(format: ToolFormat, names: Vec<String>) -> Self {
        let state = if format.may_be_bare() && !names.is_empty() { State::Start } else { State::Text };
        Self {
            format,
            names,
            state,
            held: Vec::new(),
            scanner: Scanner::default(),
            header: String::new(),
            closers: Vec::new(),
            is_token: false,
            in_code: false,
        }
    }

    pub(super) fn take_opener_as_token(&mut self) {
        self.is_token = true;
    }

    pub(super) fn holds_back(&self) -> bool {
        !self.held.is_empty() && self.state != State::Dropped
    }

    pub(super) fn push(&mut self, bytes: &[u8], ids: &mut Ids) -> Vec<Piece> {
        let mut out = Vec::new();
        self.held.extend_from_slice(bytes);
        self.advance(ids, &mut out);
        out
    }

    /// Takes a control token that is a mark of the format.
    pub(super) fn push_mark(&mut self, name: &[u8], ids: &mut Ids) -> Vec<Piece> {
        let may_open = matches!(self.state, State::Start | State::Text | State::Bare { .. } | State::After);
        if !(self.is_token && may_open && name == self.format.opener().as_bytes()) {
            return self.push(name, ids);
        }
        let held = std::mem::take(&mut self.held);
        self.open();
        if held.is_empty() { Vec::new() } else { vec![Piece::text(held)] }
    }

    pub(super) fn finish(&mut self, ids: &mut Ids) -> Vec<Piece> {
        let mut out = Vec::new();
        if self.state == State::Arguments {
            self.unread_header();
        }
        loop {
            let held = std::mem::take(&mut self.held);
            match self.state {
                State::Start | State::Text | State::After | State::Bare { .. } => {
                    if !held.is_empty() {
                        out.push(Piece::text(held));
                    }
                }
                State::Dropped => {}
                State::Body | State::Header | State::Arguments | State::Broken => {
                    // A mark within a string that never ended is the end of the call after all.
                    let closer = self.format.closer();
                    let end = find(&held, closer).filter(|_| !closer.is_empty());
                    let end = end.map_or(held.len(), |at| at + closer.len());
                    self.refuse(&held[..end], CallError::Unfinished, &mut out);
                    self.end(&[]);
                    if end < held.len() {
                        self.held = held[end..].to_vec();
                        self.advance(ids, &mut out);
                        continue;
                    }
                }
            }
            self.state = State::Text;
            return out;
        }
    }

    /// Looks at what is held as far as it is certain.
    fn advance(&mut self, ids: &mut Ids, out: &mut Vec<Piece>) {
        while self.step(ids, out) {}
    }

    /// Takes one step; returns whether another may follow.
    fn step(&mut self, ids: &mut Ids, out: &mut Vec<Piece>) -> bool {
        match self.state {
            State::Start => self.start(),
            State::Text => self.text(out),
            State::Body => self.body(ids, out),
            State::Header => self.header(out),
            State::Arguments => self.arguments(ids, out),
            State::Broken => self.broken(out),
            State::Bare { lead, fence } => self.bare(lead, fence, ids, out),
            State::After => self.after(),
            State::Dropped => self.dropped(),
        }
    }

    fn go(&mut self, state: State) -> bool {
        self.state = state;
        true
    }

    /// Begins a call behind its mark.
    fn open(&mut self) -> bool {
        self.scanner = Scanner::default();
        self.go(State::Body)
    }

    /// Ends a call, which `closers` may still follow.
    fn end(&mut self, closers: &[&'static str]) -> bool {
        self.closers = closers.iter().copied().filter(|closer| !closer.is_empty()).collect();
        self.go(State::After)
    }

    /// Finds out whether the reply begins with JSON.
    fn start(&mut self) -> bool {
        let blank = self.held.len() - self.held.trim_ascii_start().len();
        let rest = &self.held[blank..];
        if rest.is_empty() {
            return false;
        }
        let fence = FENCES.iter().find(|(open, _)| rest.starts_with(open.as_bytes()));
        let inner = &rest[fence.map_or(0, |(open, _)| open.len())..];
        match inner.trim_ascii_start().first() {
            Some(b'{') => {
                let lead = self.held.len() - inner.trim_ascii_start().len();
                self.scanner = Scanner::default();
                self.go(State::Bare { lead, fence: fence.map(|(_, close)| *close) })
            }
            None => false,
            Some(_) if FENCES.iter().any(|(open, _)| open.as_bytes().starts_with(rest)) => false,
            Some(_) => self.go(State::Text),
        }
    }

    fn text(&mut self, out: &mut Vec<Piece>) -> bool {
        let opener = if self.is_token || self.in_code { "" } else { self.format.opener() };
        let opened = if opener.is_empty() { None } else { find(&self.held, opener) };
        let code = find(&self.held, CODE);
        if let Some(at) = opened.filter(|at| code.is_none_or(|code| *at < code)) {
            if at > 0 {
                out.push(Piece::text(&self.held[..at]));
            }
            self.held.drain(..at + opener.len());
            return self.open();
        }
        if let Some(at) = code {
            let certain = self.held.drain(..at + CODE.len()).collect::<Vec<u8>>();
            out.push(Piece::text(certain));
            self.in_code = !self.in_code;
            return true;
        }
        let kept = kept(&self.held, opener).max(kept(&self.held, CODE));
        if self.held.len() > kept {
            let certain = self.held.drain(..self.held.len() - kept).collect::<Vec<u8>>();
            out.push(Piece::text(certain));
        }
        false
    }

    fn body(&mut self, ids: &mut Ids, out: &mut Vec<Piece>) -> bool {
        // Blanks that JSON does not have may stand before a name.
        let Some(first) = self.held.trim_ascii_start().first() else { return self.bounded(out) };
        if matches!(self.format, ToolFormat::Mistral | ToolFormat::MistralNamed) && !b"[{".contains(first) {
            return self.go(State::Header);
        }
        match self.scanner.scan(&self.held) {
            Scan::More => self.bounded(out),
            Scan::Stray => self.go(State::Broken),
            Scan::End(end) => {
                let text: Vec<u8> = self.held.drain(..end).collect();
                match read(&String::from_utf8_lossy(&text)) {
                    Ok(calls) => out.extend(calls.into_iter().map(|call| ids.call(call))),
                    Err(reason) => self.refuse(&text, reason, out),
                }
                self.end(&[self.format.closer()])
            }
        }
    }

    /// Waits for the arguments behind a name.
    fn header(&mut self, out: &mut Vec<Piece>) -> bool {
        const ARGUMENTS: &str = "[ARGS]";
        if let Some(at) = find(&self.held, ARGUMENTS) {
            self.header = String::from_utf8_lossy(&self.held[..at]).into_owned();
            self.held.drain(..at + ARGUMENTS.len());
            self.scanner = Scanner::default();
            return self.go(State::Arguments);
        }
        if self.held.len() > MAX_HEADER_BYTES {
            return self.go(State::Broken);
        }
        self.bounded(out)
    }

    fn arguments(&mut self, ids: &mut Ids, out: &mut Vec<Piece>) -> bool {
        match self.scanner.scan(&self.held) {
            Scan::More => self.bounded(out),
            Scan::Stray => {
                self.unread_header();
                self.go(State::Broken)
            }
            Scan::End(end) => {
                let text: Vec<u8> = self.held.drain(..end).collect();
                let (name, id) = match self.header.split_once("[CALL_ID]") {
                    Some((name, id)) => (name, Some(id)),
                    None => (self.header.as_str(), None),
                };
                match named(name, id, &String::from_utf8_lossy(&text)) {
                    Ok(call) => out.push(ids.call(call)),
                    Err(reason) => self.refuse(&[self.header.as_bytes(), b"[ARGS]", &text].concat(), reason, out),
                }
                self.end(&[self.format.closer()])
            }
        }
    }

    /// Puts the name back before the arguments: what is no call is told with all that the model wrote.
    fn unread_header(&mut self) {
        self.held.splice(..0, format!("{}[ARGS]", self.header).into_bytes());
    }

    /// Waits for the end of what cannot become a call.
    fn broken(&mut self, out: &mut Vec<Piece>) -> bool {
        let closer = self.format.closer();
        let Some(at) = find(&self.held, closer).filter(|_| !closer.is_empty()) else { return self.bounded(out) };
        let text: Vec<u8> = self.held.drain(..at + closer.len()).collect();
        let inner = String::from_utf8_lossy(&text[..at]);
        let reason = read(&inner).err().unwrap_or(CallError::NoName);
        self.refuse(&text, reason, out);
        self.end(&[])
    }

    /// Gives a call up that has become too long.
    fn bounded(&mut self, out: &mut Vec<Piece>) -> bool {
        if self.held.len() <= MAX_CALL_BYTES {
            return false;
        }
        let held = std::mem::take(&mut self.held);
        self.refuse(&held, CallError::TooLong, out);
        self.go(State::Dropped)
    }

    fn dropped(&mut self) -> bool {
        let closer = self.format.closer();
        if closer.is_empty() {
            self.held.clear();
            return false;
        }
        if let Some(at) = find(&self.held, closer) {
            self.held.drain(..at + closer.len());
            return self.end(&[]);
        }
        let kept = kept(&self.held, closer);
        self.held.drain(..self.held.len() - kept);
        false
    }

    /// Reads JSON that may be a call without a mark. What is none is text.
    fn bare(&mut self, lead: usize, fence: Option<&'static str>, ids: &mut Ids, out: &mut Vec<Piece>) -> bool {
        let text = &self.held[lead..];
        match self.scanner.scan(text) {
            Scan::More if may_be_call(text) && self.held.len() <= MAX_CALL_BYTES => false,
            Scan::More | Scan::Stray => self.go(State::Text),
            Scan::End(end) => {
                let calls = read(&String::from_utf8_lossy(&text[..end])).ok();
                let calls = calls.filter(|calls| calls.iter().all(|call| self.names.contains(&call.name)));
                let Some(calls) = calls else { return self.go(State::Text) };
                self.held.drain(..lead + end);
                out.extend(calls.into_iter().map(|call| ids.call(call)));
                self.end(&[fence.unwrap_or_default(), self.format.closer()])
            }
        }
    }

    /// Drops what only separates a call from what follows it.
    fn after(&mut self) -> bool {
        let blank = |byte: &u8| byte.is_ascii_whitespace() || (*byte == b';' && self.format == ToolFormat::Llama);
        let start = self.held.iter().position(|byte| !blank(byte)).unwrap_or(self.held.len());
        self.held.drain(..start);
        let followed = self.closers.iter().position(|closer| self.held.starts_with(closer.as_bytes()));
        if let Some(place) = followed {
            let closer = self.closers.remove(place);
            self.held.drain(..closer.len());
            return true;
        }
        if self.held.is_empty() || self.closers.iter().any(|closer| closer.as_bytes().starts_with(&self.held)) {
            return false;
        }
        let may_be_bare = self.format.may_be_bare() && !self.names.is_empty();
        self.go(if may_be_bare { State::Start } else { State::Text })
    }

    /// Tells of a text that is no call, with the mark before it.
    fn refuse(&self, text: &[u8], reason: CallError, out: &mut Vec<Piece>) {
        out.push(malformed(&[self.format.opener().as_bytes(), text].concat(), reason));
    }
}

/// Returns the length of the longest end of `text` that may begin `mark`.
fn kept(text: &[u8], mark: &str) -> usize {
    let mark = mark.as_bytes();
    (1..mark.len().min(text.len() + 1)).rev().find(|&length| text.ends_with(&mark[..length])).unwrap_or(0)
}

/// Tells whether a JSON object that begins so may be a call.
fn may_be_call(object: &[u8]) -> bool {
    let first = object.get(1..).unwrap_or_default().trim_ascii_start();
    FIRST_FIELDS.iter().any(|field| field.as_bytes().starts_with(first) || first.starts_with(field.as_bytes()))
}
