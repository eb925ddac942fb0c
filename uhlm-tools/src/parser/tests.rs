//! Every format, cut at every place; and text of any kind.

use proptest::prelude::*;

use super::*;

/// Cuts a text at the names of control tokens, which come whole, as a tokenizer gives them.
fn tokens(format: ToolFormat, text: &str) -> Vec<(bool, String)> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let next = format.marks().iter().filter_map(|mark| rest.find(mark).map(|at| (at, *mark))).min();
        let (at, mark) = next.unwrap_or((rest.len(), ""));
        if at > 0 {
            tokens.push((false, rest[..at].to_owned()));
        }
        if !mark.is_empty() {
            tokens.push((true, mark.to_owned()));
        }
        rest = &rest[at + mark.len()..];
    }
    tokens
}

/// What a reply was taken apart into.
#[derive(Debug, Default, PartialEq)]
struct Taken {
    text: String,
    calls: Vec<(String, String)>,
    ids: Vec<String>,
    malformed: Vec<(String, CallError)>,
}

impl Taken {
    fn add(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                // A test cuts inside characters; its texts are put together as bytes would be.
                Piece::Text { bytes, .. } => self.text.extend(bytes.iter().map(|&byte| char::from(byte))),
                Piece::Call(call) => {
                    self.calls.push((call.name, call.arguments));
                    self.ids.push(call.id);
                }
                Piece::Malformed(Malformed { raw, reason }) => self.malformed.push((raw, reason)),
            }
        }
    }
}

const PROMPT: &str = "<|start|>assistant";

fn parser(format: ToolFormat) -> ToolParser {
    ToolParser::new(format, ["f".to_owned(), "get_weather".to_owned()], PROMPT, [])
}

/// Takes a reply apart whose plain text comes in pieces of `size` bytes; control tokens have a name and no text where
/// `control`, or always in the format of channels.
fn taken(format: ToolFormat, text: &str, size: usize, control: bool) -> Taken {
    let (mut parser, mut taken) = (parser(format), Taken::default());
    let control = control || format == ToolFormat::Harmony;
    let tokens = if control { tokens(format, text) } else { vec![(false, text.to_owned())] };
    for (is_mark, token) in tokens {
        if is_mark {
            taken.add(parser.push(b"", token.as_bytes()));
        } else {
            token.as_bytes().chunks(size).for_each(|bytes| taken.add(parser.push(bytes, b"")));
        }
    }
    taken.add(parser.finish());
    taken
}

/// Takes a reply apart at every size of its pieces; all must give the same.
fn everywhere(format: ToolFormat, text: &str) -> Taken {
    let whole = taken(format, text, text.len().max(1), false);
    for size in 1..text.len() {
        for control in [false, true] {
            assert_eq!(taken(format, text, size, control), whole, "{format:?} {size} {control} {text}");
        }
    }
    whole
}

fn call(name: &str, arguments: &str, id: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

#[test]
fn calls_that_a_format_writes_are_read_again_wherever_the_pieces_end() {
    let first =
        call("get_weather", r#"{"city": "M\u00fcnchen \"}]</tool_call>", "days": [1, {"x": null}]}"#, "abc123def");
    let second = call("f", "{}", "xyz456uvw");
    for format in ToolFormat::ALL {
        for calls in [vec![first.clone()], vec![first.clone(), second.clone()]] {
            let read = everywhere(format, &format.write(&calls));
            let expected: Vec<_> = calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).collect();
            assert_eq!((read.text.as_str(), &read.calls), ("", &expected), "{format:?}");
            assert_eq!(read.malformed, [], "{format:?}");
            if matches!(format, ToolFormat::Mistral | ToolFormat::MistralNamed) {
                assert_eq!(read.ids, calls.iter().map(|call| call.id.clone()).collect::<Vec<_>>());
            } else {
                assert_eq!(read.ids[0], "call00001");
            }
        }
    }
}

#[test]
fn text_around_calls_is_text() {
    use ToolFormat::*;
    let one = [("f", "{}")].as_slice();
    for (format, reply, text, calls) in [
        (Hermes, "Let me see.\n<tool_call>\n{\"name\": \"f\"}\n</tool_call>", "Let me see.\n", one),
        (Hermes, "<tool_call>{\"name\": \"f\"}</tool_call>\nDone.", "Done.", one),
        (Hermes, "a <tool> b <tool_cal", "a <tool> b <tool_cal", &[]),
        (Hermes, "no call at all", "no call at all", &[]),
        (Hermes, "<tool_call>{\"name\": \"f\"}", "", one),
        // Calls without marks.
        (Hermes, "{\"name\": \"f\", \"arguments\": {}}", "", one),
        (Hermes, "```json\n{\"name\": \"f\", \"arguments\": {}}\n```", "", one),
        (Hermes, "<tools>\n{\"name\": \"f\", \"arguments\": {}}\n</tools>", "", one),
        (Hermes, "{\"name\": \"Ada\", \"age\": 7}", "{\"name\": \"Ada\", \"age\": 7}", &[]),
        (Hermes, "{\"age\": 7}", "{\"age\": 7}", &[]),
        (Hermes, "```json\n{\"age\": 7}\n```", "```json\n{\"age\": 7}\n```", &[]),
        (Hermes, "see {\"name\": \"f\"}", "see {\"name\": \"f\"}", &[]),
        (Hermes, "  {\"name\": \"f\"", "  {\"name\": \"f\"", &[]),
        (Hermes, "\n\n", "\n\n", &[]),
        (Llama, "{\"name\": \"f\", \"parameters\": {}}", "", one),
        (Llama, "{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}", "", one),
        (Llama, "{\"name\": \"f\"}; {\"name\": \"f\"}", "", &[("f", "{}"), ("f", "{}")]),
        (Llama, "{\"name\": \"unknown\", \"parameters\": {}}", "{\"name\": \"unknown\", \"parameters\": {}}", &[]),
        (Llama, "<|python_tag|>{\"name\": \"unknown\", \"parameters\": {}}", "", &[("unknown", "{}")]),
        (Mistral, "Ok [TOOL_CALLS] [{\"name\": \"f\"}, {\"name\": \"f\"}]", "Ok ", &[("f", "{}"), ("f", "{}")]),
        (Mistral, "[TOOL_CALLS]{\"name\": \"f\"}", "", one),
        (Mistral, "[TOOL_CALLS]f[ARGS]{}", "", one),
        // Such a blank stands before no JSON, but may before a name.
        (Mistral, "[TOOL_CALLS]\u{c}f[ARGS]{}", "", one),
        (MistralNamed, "a[TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]f[ARGS]{\"x\": 1}", "a", &[("f", "{}"), ("f", "{\"x\": 1}")]),
        (Granite, "<|tool_call|> [{\"name\": \"f\", \"arguments\": {}}]", "", one),
    ] {
        let read = everywhere(format, reply);
        let expected: Vec<_> = calls.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        assert_eq!((read.text.as_str(), read.calls), (text, expected), "{format:?} {reply}");
        assert_eq!(read.malformed, [], "{format:?} {reply}");
    }
}

#[test]
fn calls_in_channels_are_told_from_what_is_said_and_thought() {
    let format = ToolFormat::Harmony;
    let marks = |pieces: Vec<Piece>| -> Vec<String> {
        let shown = |piece| match piece {
            Piece::Text { bytes, name } => format!("{name}{}", String::from_utf8_lossy(&bytes)),
            Piece::Call(call) => format!("{}({})", call.name, call.arguments),
            Piece::Malformed(malformed) => format!("!{}", malformed.raw),
        };
        pieces.into_iter().map(shown).collect()
    };
    let read = |prompt: &str, text: &str| {
        let mut parser = ToolParser::new(format, ["get_weather".to_owned()], prompt, []);
        let mut pieces = Vec::new();
        for (is_mark, token) in tokens(format, text) {
            pieces.extend(if is_mark {
                parser.push(b"", token.as_bytes())
            } else {
                parser.push(token.as_bytes(), b"")
            });
        }
        pieces.extend(parser.finish());
        marks(pieces).concat()
    };
    for (prompt, text, expected) in [
        (PROMPT, "<|channel|>final<|message|>Yes<|return|>", "<|channel|>final<|message|>Yes<|return|>"),
        (
            PROMPT,
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary to=functions.f \
             <|constrain|>json<|message|>{\"x\": 1}<|call|>",
            "<|channel|>analysis<|message|>hm<|end|>f({\"x\": 1})<|call|>",
        ),
        // The recipient in the role's part of the header.
        (PROMPT, " to=functions.f<|channel|>commentary json<|message|>{}<|call|>", "f({})<|call|>"),
        (PROMPT, "Yes", "Yes"),
        (PROMPT, " to be", " to be"),
        ("<|channel|>final<|message|>", "to=functions.f", "to=functions.f"),
        // The commentary that only talks.
        (PROMPT, "<|channel|>commentary<|message|>I will<|end|>", "<|channel|>commentary<|message|>I will<|end|>"),
        (
            PROMPT,
            "<|channel|>commentary to=functions.f<|message|>{\"x\"",
            "!commentary to=functions.f<|message|>{\"x\"",
        ),
        // A call that a limit cut off before its arguments.
        (PROMPT, "<|channel|>commentary to=functions.f<|message|>", "!commentary to=functions.f<|message|>"),
        (PROMPT, "<|channel|>commentary to=functions.f<|message|> ", "!commentary to=functions.f<|message|> "),
        (PROMPT, "<|channel|>commentary to=functions.f<|message|>{}", "f({})"),
        // A tool that there is needs no prefix.
        (PROMPT, "<|channel|>commentary to=get_weather<|message|>{}<|call|>", "get_weather({})<|call|>"),
        (PROMPT, "<|channel|>ana", "<|channel|>ana"),
    ] {
        assert_eq!(read(prompt, text), expected, "{text}");
    }
    // Other channels and other recipients call nothing.
    for header in [
        "analysis to=functions.f",
        "final to=functions.f",
        "analysis to=functions.f commentary",
        "commentary to=user",
        "commentary to=assistant",
        "commentary to=browser.open",
        "commentary to=functions.",
    ] {
        let text = format!("<|channel|>{header}<|message|>{{}}<|call|>");
        assert_eq!(read(PROMPT, &text), text);
    }
}

#[test]
fn what_only_looks_like_a_call_is_told_with_its_text() {
    use ToolFormat::*;
    for (format, reply, raw, text) in [
        (Hermes, "<tool_call>\nnone\n</tool_call>Sorry", "<tool_call>\nnone\n</tool_call>", "Sorry"),
        (Hermes, "<tool_call>{\"name\": \"f\", \"arguments\": {</tool_call>", "", ""),
        (Hermes, "<tool_call>{\"name\": \"f\"", "<tool_call>{\"name\": \"f\"", ""),
        // A string that never ends: the mark in it is the end after all.
        (Hermes, "<tool_call>{\"name\": \"f}</tool_call>Sorry", "<tool_call>{\"name\": \"f}</tool_call>", "Sorry"),
        (Hermes, "<tool_call>", "<tool_call>", ""),
        (Llama, "<|python_tag|>print(1)", "<|python_tag|>print(1)", ""),
        (Mistral, "[TOOL_CALLS][{\"name\": 7}]", "[TOOL_CALLS][{\"name\": 7}]", ""),
        (Mistral, "[TOOL_CALLS]f", "[TOOL_CALLS]f", ""),
        (MistralNamed, "[TOOL_CALLS]f[ARGS]7", "[TOOL_CALLS]f[ARGS]7", ""),
        (MistralNamed, "[TOOL_CALLS]f[ARGS]{\"x\"", "[TOOL_CALLS]f[ARGS]{\"x\"", ""),
        (Granite, "<|tool_call|>[]", "<|tool_call|>[]", ""),
    ] {
        let read = everywhere(format, reply);
        assert_eq!((read.calls.len(), read.malformed.len()), (0, 1), "{format:?} {reply} {read:?}");
        assert_eq!(read.malformed[0].0, if raw.is_empty() { reply } else { raw }, "{format:?}");
        assert_eq!(read.text, text, "{format:?} {reply}");
    }
}

#[test]
fn a_call_that_is_too_long_is_given_up_and_what_follows_it_is_not() {
    let long = "x".repeat(2 * MAX_CALL_BYTES);
    let reply = format!("a<tool_call>{{\"name\": \"f\", \"arguments\": {{\"x\": \"{long}\"}}}}</tool_call>b");
    let read = taken(ToolFormat::Hermes, &reply, 1000, false);
    assert_eq!((read.text.as_str(), read.calls.len(), read.malformed.len()), ("ab", 0, 1));
    assert_eq!((read.malformed[0].0.len(), &read.malformed[0].1), (MAX_CALL_BYTES, &CallError::TooLong));
    for format in ToolFormat::ALL {
        let (mut parser, mut told) = (parser(format), 0);
        let opening = match format {
            ToolFormat::Harmony => "<|channel|>commentary to=functions.f<|message|>",
            _ => format.opener(),
        };
        for (is_mark, token) in tokens(format, opening) {
            let (bytes, name) = if is_mark { ("", token.as_str()) } else { (token.as_str(), "") };
            told += parser.push(bytes.as_bytes(), name.as_bytes()).len();
        }
        for _ in 0..300 {
            told += parser.push(&[b"[\"" as &[u8], &[b'x'; 1000]].concat(), b"").len();
        }
        assert_eq!(told, 1, "{format:?}");
        assert!(format!("{parser:?}").len() < 8 * MAX_CALL_BYTES, "{format:?} holds on to what it gave up");
    }
}

#[test]
fn only_the_closer_of_what_was_opened_before_a_call_is_dropped_and_only_once() {
    use ToolFormat::*;
    let one = "{\"name\": \"f\"}";
    for (format, reply, text) in [
        (Hermes, format!("<tool_call>{one}</tool_call>\n```rust\nx\n```"), "```rust\nx\n```"),
        (Hermes, format!("<tool_call>{one}</tool_call></tool_call>"), "</tool_call>"),
        (Hermes, format!("<tool_call>{one}</tool_call></tools>"), "</tools>"),
        (Hermes, format!("```json\n{one}\n```\n```\nx\n```"), "```\nx\n```"),
        (Hermes, format!("{one}\n```\nx\n```"), "```\nx\n```"),
        (Hermes, format!("<tools>{one}</tools></tool_call>."), "."),
        (Llama, format!("<|python_tag|>{one}```x```"), "```x```"),
    ] {
        let read = everywhere(format, &reply);
        assert_eq!((read.text.as_str(), read.calls.len(), read.malformed.len()), (text, 1, 0), "{reply}");
    }
}

#[test]
fn a_call_that_is_shown_as_code_is_none() {
    for format in [ToolFormat::Hermes, ToolFormat::Mistral, ToolFormat::Granite] {
        let quoted = format!("So:\n```\n{}\n```\n", format.write(&[call("f", "{}", "abc123def")]));
        let read = everywhere(format, &quoted);
        assert_eq!((read.text.as_str(), read.calls.len()), (quoted.as_str(), 0), "{format:?}");
        let read = everywhere(format, &(quoted.clone() + &format.write(&[call("f", "{}", "abc123def")])));
        assert_eq!((read.text.as_str(), read.calls.len()), (quoted.as_str(), 1), "{format:?}");
    }
}

#[test]
fn where_the_opener_is_a_control_token_its_spelling_opens_nothing() {
    let mut parser = parser(ToolFormat::Hermes).with_control_opener();
    let (mut quoted, mut called) = (Taken::default(), Taken::default());
    quoted.add(parser.push(b"Write <tool_call>{\"name\": \"f\"}</tool_call>. ", b""));
    assert_eq!((quoted.text.as_str(), quoted.calls.len()), ("Write <tool_call>{\"name\": \"f\"}</tool_call>. ", 0));
    for (bytes, name) in [("``", ""), ("", "<tool_call>"), ("{\"name\": \"f\"}", ""), ("", "</tool_call>"), ("Yes", "")]
    {
        called.add(parser.push(bytes.as_bytes(), name.as_bytes()));
    }
    called.add(parser.finish());
    assert_eq!((called.text.as_str(), called.calls.len(), called.malformed.len()), ("``Yes", 1, 0));
}

#[test]
fn control_tokens_that_are_no_marks_are_no_text() {
    let mut parser = parser(ToolFormat::Hermes);
    for name in ["[THINK]", "</think>", "<|channel|>", ""] {
        assert_eq!(parser.push(b"", name.as_bytes()), [], "{name}");
    }
    assert_eq!(parser.push(b"Yes", b""), [Piece::text(*b"Yes")]);
}

#[test]
fn an_id_that_the_model_writes_is_taken_only_if_it_is_one_and_of_no_other_call() {
    let used = ["abcdefghi", "call00003"].map(str::to_owned);
    let mut parser = ToolParser::new(ToolFormat::Mistral, ["f".to_owned()], PROMPT, used);
    let ids = ["abcdefghi", "123456789", "123456789", "short", "nine char", "call00009", ""];
    let calls: Vec<String> = ids.iter().map(|id| format!("{{\"name\": \"f\", \"id\": \"{id}\"}}")).collect();
    let mut taken = Taken::default();
    taken.add(parser.push(format!("[TOOL_CALLS][{}]", calls.join(", ")).as_bytes(), b""));
    let expected = ["call00004", "123456789", "call00005", "call00006", "call00007", "call00009", "call00010"];
    assert_eq!(taken.ids, expected);
}

#[test]
fn a_copy_tells_what_may_come_and_changes_nothing() {
    let mut parser = parser(ToolFormat::Hermes);
    let mut copy = parser.clone();
    assert_eq!(copy.push(b"<tool_call>{\"name\": \"f\"}", b"").len(), 1);
    assert_eq!(parser.push(b"Yes", b""), [Piece::text(*b"Yes")]);
    assert!(!parser.holds_back());
    assert!(parser.push(b" <", b"") == [Piece::text(*b" ")] && parser.holds_back());
}

/// Fragments of which replies are made that are nearly calls.
const FRAGMENTS: [&str; 24] = [
    "<tool_call>",
    "</tool_call>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[CALL_ID]",
    "<|tool_call|>",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|call|>",
    "commentary to=functions.f ",
    "{\"name\": \"f\"",
    "\"arguments\": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ", ",
    "\n",
    "x",
    "```json\n",
];

proptest! {
    /// Whatever a reply is, nothing panics, pieces and whole give the same, and text that is no part of a call is all
    /// there.
    #[test]
    fn any_reply_is_taken_apart_alike_wherever_its_pieces_end(
        parts in prop::collection::vec(0..FRAGMENTS.len(), 0..14),
        format in 0..ToolFormat::ALL.len(),
        size in 1_usize..9,
        control: bool,
    ) {
        let format = ToolFormat::ALL[format];
        let reply: String = parts.iter().map(|&part| FRAGMENTS[part]).collect();
        let whole = taken(format, &reply, reply.len().max(1), control);
        prop_assert_eq!(&taken(format, &reply, size, control), &whole);
        let is_plain = format.marks().iter().chain(&["{", "```"]).all(|mark| !reply.contains(mark));
        if is_plain {
            prop_assert_eq!(&whole.text, &reply);
            prop_assert!(whole.calls.is_empty() && whole.malformed.is_empty());
        }
    }

    /// Bytes that are no text, in pieces of any length.
    #[test]
    fn any_bytes_are_taken_apart_without_a_panic(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..40),
        format in 0..ToolFormat::ALL.len(),
    ) {
        let format = ToolFormat::ALL[format];
        let (mut parser, mut count) = (parser(format), 0);
        count += parser.push(format.opener().as_bytes(), b"").len();
        for bytes in &pieces {
            count += parser.push(bytes, b"").len();
        }
        count += parser.finish().len();
        prop_assert!(count <= 2 * pieces.len() + 4);
        prop_assert!(!parser.holds_back());
    }
}
