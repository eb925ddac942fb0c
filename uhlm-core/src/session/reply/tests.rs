use super::*;

fn options(stop: &[&str], max_tokens: usize) -> GenerationOptions {
    GenerationOptions { stop: stop.iter().map(|&s| s.to_owned()).collect(), max_tokens, ..GenerationOptions::default() }
}

fn piece(id: TokenId, text: &str) -> Piece<'_> {
    Piece { id, bytes: text.as_bytes(), is_end: false }
}

fn commit(reply: &mut Reply, id: TokenId, text: &str) -> Option<FinishReason> {
    reply.commit(piece(id, text), Origin::Verified, Some(0.5), Duration::ZERO)
}

/// Events in short: what was committed, shown, taken back.
fn told(reply: &mut Reply) -> Vec<String> {
    let short = |event| match event {
        Event::Committed { token, .. } => format!("{}={}", token.id, token.text),
        Event::Provisional(token) => format!("{}?{}", token.id, token.text),
        Event::Rollback { tokens } => format!("-{tokens}"),
        Event::State { link, .. } => format!("{link:?}"),
        Event::Finished { .. } => "end".to_owned(),
    };
    reply.take_events().into_iter().map(short).collect()
}

#[test]
fn what_was_shown_is_committed_or_taken_back() {
    let mut reply = Reply::new(&options(&[], 10), 3, 0);
    reply.show(1, b"one", 0.5);
    reply.show(2, b"one two", 0.5);
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
    reply.show(2, b"OP", 0.5);
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
    reply.show(2, b"x", 0.1);
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
    let end = reply.commit(Piece { is_end: true, ..piece(3, "") }, Origin::Target, None, Duration::from_millis(5));
    assert_eq!(end, Some(FinishReason::EndOfReply));
    assert_eq!(reply.statistics.first_token, Duration::from_millis(5));
    assert_eq!(reply.statistics.origins.target, 1);
}

#[test]
fn characters_whose_bytes_come_apart_arrive_whole() {
    let mut reply = Reply::new(&options(&[], 9), 3, 0);
    for (id, byte) in "\u{1f600}".bytes().enumerate() {
        let bytes = [byte];
        reply.commit(Piece { id: id as TokenId, bytes: &bytes, is_end: false }, Origin::Draft, None, Duration::ZERO);
    }
    assert_eq!(told(&mut reply), ["0=", "1=", "2=", "3=\u{1f600}"]);
}
