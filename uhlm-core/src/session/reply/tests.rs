use uhlm_law::chat::ReasoningFormat;
use uhlm_tools::{ToolFormat, ToolParser};

use super::*;

fn options(stop: &[&str], max_tokens: usize) -> GenerationOptions {
    GenerationOptions { stop: stop.iter().map(|&s| s.to_owned()).collect(), max_tokens, ..GenerationOptions::default() }
}

fn piece(id: TokenId, text: &str) -> Piece<'_> {
    Piece { id, bytes: text.as_bytes(), mark: b"", is_end: false }
}

fn commit(reply: &mut Reply, id: TokenId, text: &str) -> Option<FinishReason> {
    reply.commit(piece(id, text), Origin::Verified, Told { uncertainty: Some(0.5), ..Told::default() }, Duration::ZERO)
}

/// Returns events in short: texts that were committed, shown, taken back.
fn told(reply: &mut Reply) -> Vec<String> {
    let short = |event| match event {
        Event::Committed { token, .. } => format!("{}={}", token.id, token.text),
        Event::Reasoning { token, .. } => format!("{}~{}", token.id, token.text),
        Event::Provisional(token) => format!("{}?{}", token.id, token.text),
        Event::Rollback { tokens } => format!("-{tokens}"),
        Event::State { link, .. } => format!("{link:?}"),
        Event::ToolCall(call) => format!("{}({})", call.name, call.arguments),
        Event::MalformedToolCall { raw, .. } => format!("!{raw}"),
        Event::ToolResult(_) | Event::Finished { .. } => "end".to_owned(),
    };
    reply.take_events().into_iter().map(short).collect()
}

#[test]
fn what_was_shown_is_committed_or_taken_back() {
    let mut reply = Reply::new(&options(&[], 10), 3, 0);
    reply.show(&[piece(1, "one")], 0.5);
    reply.show(&[piece(1, "one"), piece(2, " two")], 0.5);
    assert_eq!(commit(&mut reply, 1, "one"), None);
    reply.roll_back(1);
    assert_eq!(commit(&mut reply, 9, " six"), None);
    assert_eq!(told(&mut reply), ["1?one", "2? two", "1=one", "-1", "9= six"]);
    assert_eq!((reply.text(), reply.committed), ("one six", 2));
    assert_eq!((reply.statistics.rollbacks, reply.statistics.rolled_back), (1, 1));
}

#[test]
fn a_stop_string_that_straddles_a_rollback_is_found_in_what_stands_alone() {
    let mut reply = Reply::new(&options(&["STOP"], 10), 3, 0);
    assert_eq!(commit(&mut reply, 1, "a ST"), None);
    // Provisional text completes the stop string, and is taken back.
    reply.show(&[piece(2, "OP")], 0.5);
    assert!(reply.is_sealed(&[piece(2, "OP")]));
    reply.roll_back(1);
    assert_eq!(commit(&mut reply, 3, "A"), None);
    assert_eq!(commit(&mut reply, 4, " ST"), None);
    assert_eq!(commit(&mut reply, 5, "OP and more"), Some(FinishReason::StopSequence));
    reply.release_rest();
    assert_eq!(reply.text(), "a STA ");
    assert!(told(&mut reply).iter().all(|event| !event.contains("more")));
}

#[test]
fn text_that_was_held_back_joins_its_token_at_the_end() {
    let mut reply = Reply::new(&options(&["STOP"], 3), 3, 0);
    commit(&mut reply, 1, "abc");
    commit(&mut reply, 2, " S");
    assert_eq!(told(&mut reply), ["1=abc"], "the second token waits with its text");
    assert_eq!(commit(&mut reply, 3, "T"), Some(FinishReason::MaxTokens));
    reply.release_rest();
    assert_eq!(told(&mut reply), ["2= ", "3=ST"], "no token is listed twice");
    assert_eq!(reply.text(), "abc ST");
}

#[test]
fn what_is_told_in_between_does_not_lose_what_was_held_back() {
    let mut reply = Reply::new(&options(&["STOP"], 9), 3, 0);
    commit(&mut reply, 1, "a S");
    reply.show(&[piece(2, "x")], 0.1);
    reply.roll_back(1);
    reply.release_rest();
    let events = told(&mut reply);
    let text: String = events.iter().filter_map(|event| event.split_once('=').map(|(_, text)| text)).collect();
    assert_eq!((text.as_str(), reply.text()), ("a S", "a S"), "{events:?}");
}

#[test]
fn a_reply_ends_with_an_end_token_or_with_the_last_that_was_asked_for() {
    let mut reply = Reply::new(&options(&[], 2), 3, 0);
    assert!(!reply.is_sealed(&[piece(1, "a")]));
    assert!(reply.is_sealed(&[piece(1, "a"), piece(2, "b")]), "no third token fits");
    assert!(reply.is_sealed(&[Piece { is_end: true, ..piece(3, "") }]));
    let end =
        reply.commit(Piece { is_end: true, ..piece(3, "") }, Origin::Target, Told::default(), Duration::from_millis(5));
    assert_eq!(end, Some(FinishReason::EndOfReply));
    assert_eq!(reply.statistics.first_token, Duration::from_millis(5));
    assert_eq!(reply.statistics.origins.target, 1);
}

#[test]
fn characters_whose_bytes_come_apart_arrive_whole() {
    let mut reply = Reply::new(&options(&[], 9), 3, 0);
    for (id, byte) in "\u{1f600}".bytes().enumerate() {
        let bytes = [byte];
        reply.commit(
            Piece { id: id as TokenId, bytes: &bytes, mark: b"", is_end: false },
            Origin::Draft,
            Told::default(),
            Duration::ZERO,
        );
    }
    assert_eq!(told(&mut reply), ["0=", "1=", "2=", "3=\u{1f600}"]);
}

const THINK: ReasoningFormat = ReasoningFormat::Tags { open: "<think>", close: "</think>" };

fn thinking(stop: &[&str], prompt: &str, budget: Option<usize>) -> Reply {
    Reply::new(&options(stop, 20), 3, 0)
        .with_parts(Apart::new(ReasoningSplitter::new(Some(THINK), prompt), None), budget)
}

#[test]
fn reasoning_comes_by_itself_and_is_no_part_of_the_text() {
    let mut reply = thinking(&[], "", None);
    for (id, text) in
        [(1, "<think>"), (2, "\n"), (3, "hm"), (4, "\n"), (5, "</think>"), (6, "\n\n"), (7, "Yes"), (8, " no")]
    {
        assert_eq!(commit(&mut reply, id, text), None);
    }
    reply.release_rest();
    assert_eq!(told(&mut reply), ["1~", "2~", "3~hm", "4~\n", "5~", "6=", "7=Yes", "8= no"]);
    assert_eq!((reply.text(), reply.reasoning(), reply.statistics.reasoning_tokens), ("Yes no", "hm", 5));
}

#[test]
fn a_token_with_the_end_of_the_reasoning_and_the_beginning_of_the_reply_is_told_as_both() {
    let mut reply = thinking(&[], "<think>\n", None);
    commit(&mut reply, 1, "hm</think>Yes");
    assert_eq!(told(&mut reply), ["1~hm", "1=Yes"]);
}

#[test]
fn what_only_looks_like_the_beginning_of_reasoning_is_told_at_the_end() {
    let mut reply = thinking(&[], "", None);
    commit(&mut reply, 1, "<thi");
    assert_eq!(told(&mut reply), [""; 0]);
    reply.release_rest();
    assert_eq!((told(&mut reply), reply.text()), (vec!["1=<thi".to_owned()], "<thi"));
}

#[test]
fn a_stop_string_in_the_reasoning_stops_nothing() {
    let mut reply = thinking(&["STOP"], "", None);
    assert!(!reply.is_sealed(&[piece(1, "<think>"), piece(2, "STOP")]));
    assert_eq!(commit(&mut reply, 1, "<think>"), None);
    assert_eq!(commit(&mut reply, 2, "a STOP b"), None);
    assert_eq!(commit(&mut reply, 3, "</think>"), None);
    assert!(reply.is_sealed(&[piece(4, "STOP")]));
    assert_eq!(commit(&mut reply, 4, "c STOP d"), Some(FinishReason::StopSequence));
    assert_eq!((reply.text(), reply.reasoning()), ("c ", "a STOP b"));
}

#[test]
fn provisional_reasoning_shows_nothing_and_can_be_taken_back() {
    let mut reply = thinking(&[], "", None);
    reply.show(&[piece(1, "<think>")], 0.5);
    reply.show(&[piece(1, "<think>"), piece(2, "hm")], 0.5);
    reply.roll_back(2);
    // The target replies without thinking.
    reply.show(&[piece(3, "Yes")], 0.5);
    commit(&mut reply, 3, "Yes");
    assert_eq!(told(&mut reply), ["1?", "2?", "-2", "3?Yes", "3=Yes"]);
    assert_eq!((reply.text(), reply.reasoning()), ("Yes", ""));
}

#[test]
fn a_reply_behind_provisional_reasoning_is_shown_once() {
    let mut reply = thinking(&[], "<think>\n", None);
    let branch = [piece(1, "hm"), piece(2, "</think>"), piece(3, "\n\nYes"), piece(4, " no")];
    (1..=4).for_each(|end| reply.show(&branch[..end], 0.5));
    branch
        .iter()
        .for_each(|piece| assert_eq!(reply.commit(*piece, Origin::Verified, Told::default(), Duration::ZERO), None));
    let expected = ["1?", "2?", "3?Yes", "4? no", "1~hm", "2~", "3=Yes", "4= no"];
    assert_eq!(told(&mut reply), expected);
}

#[test]
fn reasoning_is_too_long_when_its_budget_is_used_up_and_not_after_it_ended() {
    let mut reply = thinking(&[], "<think>\n", Some(2));
    commit(&mut reply, 1, "a");
    assert!(!reply.thinks_too_long());
    commit(&mut reply, 2, "b");
    assert!(reply.thinks_too_long());
    commit(&mut reply, 3, "</think>");
    assert!(!reply.thinks_too_long());
    commit(&mut reply, 4, "c");
    assert!(!reply.thinks_too_long() && reply.text() == "c");
}

#[test]
fn control_tokens_that_mark_channels_are_never_text() {
    let splitter = ReasoningSplitter::new(Some(ReasoningFormat::Channels), "<|start|>assistant");
    let mut reply = Reply::new(&options(&[], 20), 3, 0).with_parts(Apart::new(splitter, None), None);
    let mark = |id, mark: &'static str| Piece { id, bytes: b"", mark: mark.as_bytes(), is_end: false };
    let pieces = [
        mark(1, "<|channel|>"),
        piece(2, "analysis"),
        mark(3, "<|message|>"),
        piece(4, "hm"),
        mark(5, "<|end|>"),
        mark(6, "<|start|>"),
        piece(7, "assistant"),
        mark(1, "<|channel|>"),
        piece(8, "final"),
        mark(3, "<|message|>"),
        piece(9, "Yes"),
    ];
    for piece in pieces {
        assert_eq!(reply.commit(piece, Origin::Target, Told::default(), Duration::ZERO), None);
    }
    assert_eq!((reply.text(), reply.reasoning()), ("Yes", "hm"));
}

#[test]
fn calls_are_told_apart_from_the_text_and_provisional_ones_are_not_told() {
    let parser = ToolParser::new(ToolFormat::Hermes, ["f".to_owned()], "", (1..4).map(|n| format!("call{n:05}")));
    let apart = Apart::new(ReasoningSplitter::new(None, ""), Some(parser));
    let mut reply = Reply::new(&options(&["\"x\""], 20), 3, 0).with_parts(apart, None);
    let open = Piece { id: 2, bytes: b"", mark: b"<tool_call>", is_end: false };
    let call = "{\"name\": \"f\", \"arguments\": {\"x\": 1}}";
    reply.show(&[piece(1, "Ok. ")], 0.5);
    reply.show(&[piece(1, "Ok. "), open, piece(3, call)], 0.5);
    assert!(!reply.is_sealed(&[piece(1, "Ok. "), open, piece(3, call)]), "a stop string in a call stops nothing");
    assert_eq!(commit(&mut reply, 1, "Ok. "), None);
    assert_eq!(reply.commit(open, Origin::Target, Told::default(), Duration::ZERO), None);
    assert_eq!(commit(&mut reply, 3, call), None);
    assert_eq!(commit(&mut reply, 4, "\n<tool_call>none</tool_call>"), None);
    reply.release_rest();
    let expected = ["1?Ok. ", "3?", "1=Ok. ", "2=", "3=", "f({\"x\": 1})", "4=", "!<tool_call>none</tool_call>"];
    assert_eq!(told(&mut reply), expected);
    assert_eq!((reply.text(), reply.calls()[0].id.as_str()), ("Ok. ", "call00004"));
}
