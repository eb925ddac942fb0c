//! The parser of calls in a text that streams.

mod harmony;
mod tagged;

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
    /// where a model may write a call without a mark, only JSON that calls one of them is a call. `calls` is the
    /// number of calls of the conversation so far, so that ids are unique in it.
    #[must_use]
    pub fn new(format: ToolFormat, names: impl IntoIterator<Item = String>, prompt: &str, calls: usize) -> Self {
        let inner = match format {
            ToolFormat::Harmony => Inner::Harmony(HarmonyParser::new(prompt)),
            _ => Inner::Tagged(TaggedParser::new(format, names.into_iter().collect())),
        };
        Self { inner, ids: Ids(calls) }
    }

    /// Tells whether calls stand outside of reasoning and reply, so that the parser reads a text before they are taken
    /// apart. Otherwise it reads the reply alone: what a model thinks of calling it does not call.
    #[must_use]
    pub fn comes_first(&self) -> bool {
        matches!(self.inner, Inner::Harmony(_))
    }

    /// Takes a token: the bytes of its text, which a control token has none of, and `name`, its spelling where it is
    /// one of the [marks](ToolFormat::marks). Returns what has become certain, in order.
    pub fn push(&mut self, bytes: &[u8], name: &[u8]) -> Vec<Piece> {
        match &mut self.inner {
            Inner::Tagged(parser) => parser.push(if bytes.is_empty() { name } else { bytes }, &mut self.ids),
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

/// The number of calls so far, which makes ids.
#[derive(Clone, Debug)]
struct Ids(usize);

impl Ids {
    /// Makes a call of what was read. An id that is made has nine letters and digits, as Mistral's templates ask for.
    fn call(&mut self, read: Read) -> Piece {
        self.0 += 1;
        let Read { id, name, arguments } = read;
        Piece::Call(ToolCall { id: id.unwrap_or_else(|| format!("call{:05}", self.0)), name, arguments })
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
