//! The examples of the module's page, byte for byte.

use super::super::super::{
    Advance, Begin, Body, Encoding, EndReason, ErrorBody, ErrorCode, Frame, Grant, Grants, Labelling, Labels,
    PrefixHash, Progress, Text,
};
use crate::sampling::SamplingParams;

const PAGE: &str = include_str!("../../../advance.rs");

/// Returns the bytes of the example under `title`: hexadecimal digits up to `;` on each line of the block that the
/// title begins.
fn example(title: &str) -> Vec<u8> {
    let lines = PAGE.lines().skip_while(|line| *line != format!("//! ; {title}")).skip(1);
    let lines = lines.take_while(|line| *line != "//! ```").map(|line| line.trim_start_matches("//!"));
    let digits: String = lines.flat_map(|line| line.split(';').next()).flat_map(str::split_whitespace).collect();
    assert!(!digits.is_empty(), "no example of {title}");
    let byte = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn is_as_written<T: Body + PartialEq + std::fmt::Debug>(title: &str, body: &T) {
    assert_eq!(Encoding::Binary.encode(body), example(title), "{title}: {:02x?}", Encoding::Binary.encode(body));
    assert_eq!(Encoding::Binary.decode::<T>(&example(title)).as_ref(), Ok(body), "{title}");
}

fn json<T: Body>(title: &str, body: &T) {
    let lines = PAGE.lines().skip_while(|line| *line != format!("//! {title} in JSON:")).skip(3);
    let lines = lines.take_while(|line| *line != "//! ```").map(|line| line.trim_start_matches("//!").trim());
    let page: String = lines.collect();
    assert_eq!(String::from_utf8(Encoding::Json.encode(body)).expect("JSON is text"), page, "{title}");
}

#[test]
fn the_examples_of_the_page_are_what_is_written() {
    let mut request = Advance {
        generation: 2,
        seq: 7,
        have: 412,
        base: 416,
        check: PrefixHash::of(&[1, 2, 3]),
        stand: vec![],
        draft: vec![278, 1900, 29_889],
        grants: Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Unlimited },
        labels: Labelling::NONE,
        begin: None,
        deadline_ms: None,
    };
    is_as_written("a request of three drafted tokens", &request);
    json("The request of three drafted tokens", &request);
    request.seq = 0;
    (request.have, request.base, request.check) = (2, 0, PrefixHash::EMPTY);
    (request.stand, request.draft) = (vec![1, 300], vec![]);
    request.grants = Grants::NONE;
    request.labels = Labelling { matched: true, probabilities: true };
    request.begin = Some(Begin {
        seed: 5,
        sampling: SamplingParams { temperature: 0.5, ..SamplingParams::default() },
        reply_start: 2,
        max_tokens: 200,
        stop: vec!["\n\n".to_owned()],
        grammar: None,
    });
    is_as_written("a request that begins a generation", &request);
    let text = Frame::Text(Text {
        pos: 416,
        check: PrefixHash::of(&[1, 2, 3]).short(),
        ids: vec![278, 310],
        passes: 3,
        pass_us: Some(42_000),
        queue_us: Some(310),
        rows: Some(2),
        labels: Some(Labels { pos: 416, matched: vec![true, false], p: vec![0.5, 0.125] }),
    });
    is_as_written("a text of two tokens, with times and labels", &text);
    json("The text of two tokens", &text);
    is_as_written("progress", &Frame::Progress(Progress { read: 640, total: 3000, ahead: 0 }));
    is_as_written("the end", &Frame::End(EndReason::Eog));
    let error = ErrorBody { code: ErrorCode::Unavailable, reason: "busy".to_owned(), held: None };
    is_as_written("a failure", &Frame::Failed(error));
    let error = ErrorBody { code: ErrorCode::Desync, reason: String::new(), held: Some(410) };
    is_as_written("a refusal", &error);
}
