//! A reply with calls of tools in it: no cut changes what is found, no text is lost where there is no call, a call has
//! arguments that are an object, and calls that are written again are read as the same.

use std::collections::BTreeSet;

use uhlm_tools::{MAX_CALL_BYTES, Piece, ToolCall, ToolFormat, ToolParser, is_object};

use crate::Target;

pub(crate) const TARGET: Target = Target { name: "tools", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "<tool_call>",
    "</tool_call>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]",
    "<|tool_call|>",
    "<|channel|>",
    "commentary to=functions.f ",
    "<|constrain|>",
    "<|message|>",
    "<|call|>",
    "<|start|>assistant",
    "{\"name\": \"f\", \"arguments\": {}}",
    "{\"name\": \"f\", \"parameters\": {\"a\": 1}}",
    "\"id\": \"x\"",
    "```json\n",
    "; ",
    "\\u00e9",
    "\u{4e2d}",
];
/// Names of the tools that there are.
const NAMES: [&str; 2] = ["f", "look-up"];
/// Byte that stands for a control token in an input, with the number of the mark behind it.
const MARK: u8 = 0xff;

/// A token of the reply: bytes, or the mark that it is.
type Token<'a> = (&'a [u8], &'a [u8]);

fn run(data: &[u8]) {
    let Some((&head, bytes)) = data.split_first() else { return };
    let format = ToolFormat::ALL[usize::from(head & 7) % ToolFormat::ALL.len()];
    let (size, with_opener) = (1 + usize::from(head >> 4), head & 8 == 8);
    let prompt = if head & 16 == 16 { "<|start|>assistant" } else { "" };
    let parse = |size: usize| {
        let used = ["call_0".to_owned()];
        let parser = ToolParser::new(format, NAMES.map(str::to_owned), prompt, used);
        let mut parser = if with_opener { parser.with_control_opener() } else { parser };
        let mut pieces: Vec<Piece> =
            tokens(format, bytes, size).into_iter().flat_map(|(bytes, name)| parser.push(bytes, name)).collect();
        pieces.extend(parser.finish());
        joined(pieces)
    };
    let whole = parse(usize::MAX);
    assert_eq!(parse(size), whole, "cut into {size}");
    check(format, bytes, &whole);
}

/// Cuts an input into tokens of at most `size` bytes, and the marks between them.
fn tokens(format: ToolFormat, bytes: &[u8], size: usize) -> Vec<Token<'_>> {
    let marks = format.marks();
    let mut tokens = Vec::new();
    for (i, part) in bytes.split(|byte| *byte == MARK).enumerate() {
        let text = match part.split_first() {
            Some((mark, rest)) if i > 0 => {
                tokens.push((&[][..], marks[usize::from(*mark) % marks.len()].as_bytes()));
                rest
            }
            _ => part,
        };
        tokens.extend(text.chunks(size).map(|chunk| (chunk, &[][..])));
    }
    tokens
}

/// Makes one piece of neighbouring pieces of text.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), piece) {
            (_, Piece::Text { bytes, name: "" }) if bytes.is_empty() => {}
            (Some(Piece::Text { bytes, name: "" }), Piece::Text { bytes: more, name: "" }) => bytes.extend(more),
            (_, piece) => all.push(piece),
        }
    }
    all
}

/// Checks what was found in a reply.
fn check(format: ToolFormat, bytes: &[u8], pieces: &[Piece]) {
    let (mut calls, mut text, mut ids) = (Vec::new(), Vec::new(), BTreeSet::from(["call_0"]));
    let mut is_text = true;
    for piece in pieces {
        match piece {
            Piece::Text { bytes, .. } => text.extend_from_slice(bytes),
            Piece::Call(call) => {
                assert!(!call.name.is_empty() && is_object(&call.arguments), "{call:?}");
                assert!(ids.insert(&call.id), "{} twice", call.id);
                calls.push(call.clone());
                is_text = false;
            }
            Piece::Malformed(malformed) => {
                assert!(malformed.raw.len() <= MAX_CALL_BYTES, "{} bytes", malformed.raw.len());
                is_text = false;
            }
        }
    }
    // A mark that begins no call is text after all.
    let most = tokens(format, bytes, usize::MAX).iter().map(|(bytes, name)| bytes.len() + name.len()).sum();
    assert!(text.len() <= most, "nothing is written twice");
    // The channels of gpt-oss are no text, and neither is a mark.
    if is_text && format != ToolFormat::Harmony && !bytes.contains(&MARK) {
        assert_eq!(text, bytes, "a reply without a call is what it was");
    }
    again(format, &calls);
}

/// Writes calls as a model would, and reads them.
fn again(format: ToolFormat, calls: &[ToolCall]) {
    // Only tools that there are can have been meant; what a model made up may not fit between the marks.
    let calls: Vec<ToolCall> = calls.iter().filter(|call| NAMES.contains(&call.name.as_str())).cloned().collect();
    let is_plain = |call: &ToolCall| call.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if calls.is_empty() || !calls.iter().all(is_plain) {
        return;
    }
    let mut parser = ToolParser::new(format, NAMES.map(str::to_owned), "<|start|>assistant", []);
    let mut pieces = parser.push(format.write(&calls).as_bytes(), b"");
    pieces.extend(parser.finish());
    let read: Vec<(String, serde_json::Value)> = pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Call(call) => Some((call.name, value(&call.arguments))),
            _ => None,
        })
        .collect();
    let written: Vec<_> = calls.iter().map(|call| (call.name.clone(), value(&call.arguments))).collect();
    assert_eq!(read, written, "{format:?}");
}

fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn seeds() -> Vec<Vec<u8>> {
    let call =
        |name: &str, arguments: &str| ToolCall { id: "call_7".into(), name: name.into(), arguments: arguments.into() };
    let calls = [call("f", r#"{"a": [1, {"b": "</tool_call>"}], "c": "\u4e2d"}"#), call("look-up", "{}")];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for (number, format) in (0_u8..).zip(ToolFormat::ALL) {
        seeds.push([&[number | 0x20], "Well: ".as_bytes(), format.write(&calls).as_bytes(), b" and so on"].concat());
        let marked = format.write(&calls[1..]).into_bytes();
        seeds.push([&[number | 0x38, MARK, 0][..], &marked, &[MARK, 1]].concat());
    }
    seeds.push(b"\x00<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \n</tool_call>{\"name\": 3}".to_vec());
    seeds.push(b"\x11Here is JSON: {\"name\": \"nobody\", \"parameters\": {}} and {\"name\": \"f\"".to_vec());
    seeds
}
