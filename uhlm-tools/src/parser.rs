//! The parser of calls in a text that streams.

mod harmony;
mod tagged;

use std::sync::Arc;

use self::harmony::HarmonyParser;
use self::tagged::TaggedParser;
use crate::ToolCall;
use crate::call::{CallError, Read};
use crate::format::ToolFormat;

/// Largest number of bytes that are kept of a call while it is written. A longer one is malformed.
pub const MAX_CALL_BYTES: usize = 64 << 10;

/// A text that looks like a call and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The text, with its marks, as the model wrote it; at most [`MAX_CALL_BYTES`] of it.
    pub raw: String,
    /// The reason why it is no call.
    pub reason: CallError,
}

/// A part of a reply that has become certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that is no part of a call: the bytes of a token's text with an empty name, or no bytes and the name of a
    /// control token that means something to whoever reads reasoning.
    Text {
        /// The bytes, which need not be whole characters.
        bytes: Vec<u8>,
        /// Name of the control token.
        name: &'static str,
    },
    /// A call.
    Call(ToolCall),
    /// A text that looks like a call and is none.
    Malformed(Malformed),
}

impl Piece {
    fn text(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Text { bytes: bytes.into(), name: "" }
    }
}

/// The place of a reply in and between calls. It is cheap to clone, so that text that may be taken back is tried on a
/// copy.
#[derive(Clone, Debug)]
pub struct ToolParser {
    format: ToolFormat,
    inner: Inner,
    ids: Ids,
}

#[derive(Clone, Debug)]
enum Inner {
    Tagged(TaggedParser),
    Harmony(HarmonyParser),
}

impl ToolParser {
    /// Begins a reply to `prompt`, the text that the template made. `names` are those of the tools that there are:
    /// where a model may write a call without a mark, only JSON that calls one of them is a call. `used` are the ids of
    /// the calls of the conversation so far, so that ids are unique in it.
    #[must_use]
    pub fn new(
        format: ToolFormat,
        names: impl IntoIterator<Item = String>,
        prompt: &str,
        used: impl IntoIterator<Item = String>,
    ) -> Self {
        let names = names.into_iter().collect();
        let inner = match format {
            ToolFormat::Harmony => Inner::Harmony(HarmonyParser::new(names, prompt)),
            _ => Inner::Tagged(TaggedParser::new(format, names)),
        };
        let used: Arc<[String]> = used.into_iter().collect();
        Self { format, inner, ids: Ids { count: used.len(), used, here: Vec::new() } }
    }

    /// Says that the vocabulary has the mark that begins a call as a control token: a text that only spells it, as one
    /// that quotes a call does, begins none.
    #[must_use]
    pub fn with_control_opener(mut self) -> Self {
        if let Inner::Tagged(parser) = &mut self.inner {
            parser.take_opener_as_token();
        }
        self
    }

    /// Tells whether calls stand outside of reasoning and reply, so that the parser reads a text before they are taken
    /// apart. Otherwise it reads the reply alone: what a model thinks of calling it does not call.
    #[must_use]
    pub fn comes_first(&self) -> bool {
        matches!(self.inner, Inner::Harmony(_))
    }

    /// Takes a token: the bytes of its text, which a control token has none of, and `name`, its spelling where it is
    /// one of the [marks](ToolFormat::marks); another name means nothing here. Returns what has become certain, in
    /// order.
    pub fn push(&mut self, bytes: &[u8], name: &[u8]) -> Vec<Piece> {
        let is_mark = bytes.is_empty() && self.format.marks().iter().any(|mark| mark.as_bytes() == name);
        match &mut self.inner {
            Inner::Tagged(parser) if is_mark => parser.push_mark(name, &mut self.ids),
            Inner::Tagged(parser) => parser.push(bytes, &mut self.ids),
            Inner::Harmony(parser) => parser.push(bytes, name, &mut self.ids),
        }
    }

    /// Ends the text: what was held back is what it seemed to be.
    pub fn finish(&mut self) -> Vec<Piece> {
        match &mut self.inner {
            Inner::Tagged(parser) => parser.finish(&mut self.ids),
            Inner::Harmony(parser) => parser.finish(&mut self.ids),
        }
    }

    /// Tells whether bytes wait for what follows.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        match &self.inner {
            Inner::Tagged(parser) => parser.holds_back(),
            Inner::Harmony(parser) => parser.holds_back(),
        }
    }
}

/// The ids of calls.
#[derive(Clone, Debug)]
struct Ids {
    /// Number of calls so far, which makes ids.
    count: usize,
    /// Ids of calls before this reply.
    used: Arc<[String]>,
    /// Ids of calls of this reply.
    here: Vec<String>,
}

impl Ids {
    /// Makes a call of what was read. Ids have nine letters and digits, as Mistral's templates ask for; one that the
    /// model wrote is taken if it is such an id and of no other call.
    fn call(&mut self, read: Read) -> Piece {
        let Read { id, name, arguments } = read;
        self.count += 1;
        let is_valid = |id: &String| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let id = id.filter(is_valid).filter(|id| !self.is_used(id)).unwrap_or_else(|| self.made());
        self.here.push(id.clone());
        Piece::Call(ToolCall { id, name, arguments })
    }

    fn is_used(&self, id: &str) -> bool {
        self.used.iter().chain(&self.here).any(|used| used == id)
    }

    fn made(&self) -> String {
        let mut ids = (self.count..).map(|number| format!("call{number:05}"));
        ids.find(|id| !self.is_used(id)).unwrap_or_default()
    }
}

fn malformed(raw: &[u8], reason: CallError) -> Piece {
    let kept = &raw[..raw.len().min(MAX_CALL_BYTES)];
    Piece::Malformed(Malformed { raw: String::from_utf8_lossy(kept).into_owned(), reason })
}

/// Returns where `part` begins in `text`.
fn find(text: &[u8], part: &str) -> Option<usize> {
    text.windows(part.len().max(1)).position(|window| window == part.as_bytes())
}

#[cfg(test)]
mod tests;
