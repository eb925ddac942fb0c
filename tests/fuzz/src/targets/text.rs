//! Bytes of tokens that become text: no cut changes what comes out, no character is split, nothing is lost or written
//! twice, and reasoning is told from the reply wherever the tokens' boundaries are.

use uhlm_law::chat::{Reasoning, ReasoningFormat, ReasoningSplitter, Split};
use uhlm_law::text::complete;

use crate::Target;

pub(crate) const TARGET: Target = Target { name: "text", run, seeds, words: WORDS };

const WORDS: &[&str] =
    &["<think>", "</think>", "\u{4e2d}", "\u{1f600}", "\u{e9}", "\n\n", " ", "analysis", "<|channel|>", "<|message|>"];
const TAGS: ReasoningFormat = ReasoningFormat::Tags { open: "<think>", close: "</think>" };

fn run(data: &[u8]) {
    let Some((&head, bytes)) = data.split_first() else { return };
    let size = 1 + usize::from(head >> 3);
    as_text(bytes, size);
    let prompt = if head & 1 == 1 { "<think>" } else { "" };
    let format = [None, Some(TAGS), Some(ReasoningFormat::Channels)][usize::from(head >> 1) % 3];
    as_reasoning(bytes, size, format, prompt);
}

/// Releases text as far as it is complete, token by token.
fn as_text(bytes: &[u8], size: usize) {
    let (mut held, mut text) = (Vec::new(), String::new());
    for token in bytes.chunks(size) {
        held.extend_from_slice(token);
        let (certain, end) = complete(&held);
        text.push_str(&certain);
        held.drain(..end);
        assert!(held.len() < 4, "no more than a character is held back");
    }
    let (whole, end) = complete(bytes);
    assert_eq!((&text, held.as_slice()), (&whole, &bytes[end..]));
    assert_eq!(whole, String::from_utf8_lossy(&bytes[..end]));
}

/// Takes reasoning and reply apart, whole and in pieces.
fn as_reasoning(bytes: &[u8], size: usize, format: Option<ReasoningFormat>, prompt: &str) {
    let split = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut splitter, mut all) = (ReasoningSplitter::new(format, prompt), Split::default());
        let mut add = |split: Split| {
            all.reasoning.extend(split.reasoning);
            all.reply.extend(split.reply);
        };
        // A token without bytes is a control token, and has a name.
        pieces.filter(|piece| !piece.is_empty()).for_each(|piece| add(splitter.push(piece, b"")));
        add(splitter.finish());
        all
    };
    let whole = split(&mut std::iter::once(bytes));
    assert_eq!(split(&mut bytes.chunks(size)), whole);
    assert!(whole.reasoning.len() + whole.reply.len() <= bytes.len(), "nothing is written twice");
    if let (Some(TAGS), Ok(said)) = (format, std::str::from_utf8(bytes)) {
        let reasoning = Reasoning::detect(Some("<think></think>"), |_| false);
        if let Some((thought, reply)) = reasoning.and_then(|reasoning| reasoning.taken_apart(said)) {
            assert!(thought.len() + reply.len() <= said.len());
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 6] = [
        "a\u{e9}\u{4e2d}\u{1f600} b".as_bytes(),
        b"<think>\nWell, <b>so</b>\n</think>\n\nYes.",
        b"  <thi nk> </think> no",
        b"x\xff\xe4\xb8y\xf0\x9f\x98",
        b"\xf4\x90\x80\x80\xed\xa0\x80\xc0\xaf",
        b"thinking</think>\n\n<think>again</think>",
    ];
    texts
        .iter()
        .enumerate()
        .flat_map(|(i, text)| [(i * 3) as u8, 8 + i as u8].map(|head| [&[head], *text].concat()))
        .collect()
}
