//! The device's rules, one by one.

use super::super::{
    Advance, Asked, Begin, Bounds, Committed, Conversation, Effects, Encoding, EndReason, ErrorBody, ErrorCode, Frame,
    Grants, InvalidAnswer, Labelling, Labels, Origin, Peer, PrefixHash, Progress, Recovery, Refusal, Text, Wanted,
};
use crate::sampling::{SamplingParams, TokenId};

fn begin(reply_start: u32) -> Begin {
    Begin { seed: 1, sampling: SamplingParams::default(), reply_start, max_tokens: 20, stop: vec![], grammar: None }
}

/// Begins a generation after the prompt 1, 2, and a session that has taken its first request.
fn begun() -> (Conversation, Peer) {
    let bounds = Bounds { vocabulary_size: 10, context: 64, max_body: 1 << 20 };
    let mut conversation = Conversation::new(bounds, begin(2), &[1, 2]);
    let mut peer = Peer::new();
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Granted));
    (conversation, peer)
}

fn wanted(conversation: &Conversation) -> Wanted {
    Wanted { upto: conversation.tokens().len(), grants: Grants::NONE, labels: Labelling::NONE }
}

fn ask(conversation: &mut Conversation, peer: &mut Peer) -> (Advance, Asked) {
    let wanted = wanted(conversation);
    conversation.advance(peer, &wanted)
}

fn hear(conversation: &mut Conversation, peer: &mut Peer, asked: &mut Asked, frame: &Frame) -> Effects {
    conversation.hear(peer, asked, frame).expect("an answer")
}

fn text(before: &[TokenId], ids: &[TokenId]) -> Frame {
    Frame::Text(Text {
        pos: before.len() as u32,
        check: PrefixHash::of(before).short(),
        ids: ids.to_vec(),
        passes: 1,
        pass_us: None,
        queue_us: None,
        rows: None,
        labels: None,
    })
}

fn draft(conversation: &mut Conversation, ids: &[TokenId]) {
    ids.iter().for_each(|&id| conversation.draft(id));
}

fn committed(effects: &Effects) -> Vec<(TokenId, Origin)> {
    effects.committed.iter().map(|&Committed { id, origin }| (id, origin)).collect()
}

#[test]
fn the_first_request_gives_the_prompt_and_later_ones_only_what_was_drafted_since() {
    let bounds = Bounds { vocabulary_size: 10, context: 64, max_body: 1 << 20 };
    let mut conversation = Conversation::new(bounds, begin(2), &[1, 2]);
    let mut peer = Peer::new();
    let (first, _) = ask(&mut conversation, &mut peer);
    assert_eq!((first.base, first.stand.as_slice(), first.have), (0, &[1, 2][..], 2));
    assert_eq!(first.begin, Some(begin(2)));
    draft(&mut conversation, &[3, 4]);
    let (second, _) = ask(&mut conversation, &mut peer);
    assert_eq!((second.seq, second.base, second.have, second.draft.as_slice()), (1, 2, 2, &[3, 4][..]));
    assert_eq!((second.begin, second.stand, second.check), (None, vec![], PrefixHash::of(&[1, 2])));
    draft(&mut conversation, &[5]);
    let (third, _) = ask(&mut conversation, &mut peer);
    assert_eq!((third.base, third.have, third.draft.as_slice()), (4, 2, &[5][..]));
    assert_eq!(third.check, PrefixHash::of(&[1, 2, 3, 4]));
}

#[test]
fn a_text_commits_what_was_drafted_alike_and_takes_back_what_was_not() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4, 5]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 6]));
    assert_eq!(committed(&effects), [(3, Origin::Verified), (6, Origin::Target)]);
    assert_eq!((effects.rolled_back, conversation.tokens().ids()), (2, &[1, 2, 3, 6][..]));
    assert!(!effects.ask);
    let (next, _) = ask(&mut conversation, &mut peer);
    assert_eq!((next.base, next.have, next.stand), (4, 4, vec![]), "the verifier holds what it has told");
}

#[test]
fn a_verifier_that_is_past_the_branch_takes_back_nothing() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 4, 5]));
    assert_eq!(committed(&effects), [(3, Origin::Verified), (4, Origin::Target), (5, Origin::Target)]);
    assert_eq!(effects.rolled_back, 0);
}

#[test]
fn a_text_that_is_told_again_commits_only_what_is_new() {
    let (mut conversation, mut peer) = begun();
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 4]));
    let again = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 4]));
    assert_eq!(again, Effects::default());
    let more = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3], &[4, 5]));
    assert_eq!(committed(&more), [(5, Origin::Target)]);
}

#[test]
fn a_text_beyond_what_is_committed_commits_the_branch_where_its_hash_agrees_and_is_asked_for_again_where_not() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3, 4], &[5]));
    assert_eq!(committed(&effects), [(3, Origin::Verified), (4, Origin::Verified), (5, Origin::Target)]);
    draft(&mut conversation, &[6, 7]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    for (before, asks) in [(&[1, 2, 3, 4, 5, 0, 0][..], true), (&[1, 2, 3, 4, 5, 0, 0, 0, 0], false)] {
        let effects = hear(&mut conversation, &mut peer, &mut asked, &text(before, &[8]));
        assert_eq!((committed(&effects), effects.ask), (vec![], asks), "it asks once");
    }
}

#[test]
fn where_the_verifier_holds_another_text_the_devices_is_given_to_it() {
    let (mut conversation, mut peer) = begun();
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3]));
    draft(&mut conversation, &[4, 5]);
    let alone = conversation.go_on_alone();
    assert_eq!(alone.last(), Some(&Committed { id: 5, origin: Origin::Unverified }));
    // What comes late loses, whether it differs before or within what it says.
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3], &[4, 6]));
    assert!(effects.committed.is_empty() && effects.ask);
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3, 4, 6], &[7]));
    assert!(effects.committed.is_empty() && !effects.ask, "it was told already");
    draft(&mut conversation, &[8]);
    let (next, mut asked) = ask(&mut conversation, &mut peer);
    assert_eq!((next.base, next.stand.as_slice(), next.draft.as_slice()), (4, &[5][..], &[8][..]));
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3, 4, 5], &[8, 9]));
    assert_eq!(committed(&effects), [(8, Origin::Verified), (9, Origin::Target)]);
}

#[test]
fn skipped_tokens_are_given_with_the_next_request() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4]);
    assert_eq!(conversation.skip(1), [Committed { id: 3, origin: Origin::Draft }]);
    let (request, _) = ask(&mut conversation, &mut peer);
    assert_eq!((request.base, request.stand.as_slice(), request.have), (2, &[3][..], 3));
    assert_eq!(request.draft, [4]);
}

#[test]
fn an_answer_that_broke_off_is_asked_for_again_with_all_that_may_be_lost() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4]);
    let (_, first) = ask(&mut conversation, &mut peer);
    draft(&mut conversation, &[5]);
    let (_, second) = ask(&mut conversation, &mut peer);
    assert!(!conversation.lost(&mut peer, &first).ask, "a later request has replaced it");
    assert!(conversation.lost(&mut peer, &second).ask);
    let (again, _) = ask(&mut conversation, &mut peer);
    assert_eq!((again.seq, again.base, again.draft.as_slice()), (3, 2, &[3, 4, 5][..]));
}

#[test]
fn a_session_that_is_gone_is_opened_again_with_everything() {
    let (mut conversation, mut peer) = begun();
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3]));
    draft(&mut conversation, &[4]);
    let (_, asked) = ask(&mut conversation, &mut peer);
    let effects = conversation.refused(&mut peer, &asked, &Refusal::Gone.into());
    assert_eq!(effects.recovery, Some(Recovery::Reopen));
    peer.reopened();
    let (again, mut answer) = ask(&mut conversation, &mut peer);
    assert_eq!((again.base, again.stand.as_slice(), again.draft.as_slice()), (0, &[1, 2, 3][..], &[4][..]));
    assert!(again.begin.is_some());
    // Refusals of what went to the lost session are over.
    assert_eq!(conversation.refused(&mut peer, &asked, &Refusal::Gone.into()), Effects::default());
    let effects = hear(&mut conversation, &mut peer, &mut answer, &text(&[1, 2, 3], &[4, 5]));
    assert_eq!(committed(&effects), [(4, Origin::Verified), (5, Origin::Target)]);
}

#[test]
fn a_session_that_lacks_what_was_built_on_is_sent_the_missing_tail_then_all_of_it_and_then_no_more() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4, 5]);
    conversation.skip(2);
    ask(&mut conversation, &mut peer);
    conversation.skip(1);
    let (request, asked) = ask(&mut conversation, &mut peer);
    assert_eq!((request.base, request.stand.as_slice()), (4, &[5][..]));
    let refused = Refusal::Desync { base: 4, held: 3 }.into();
    assert_eq!(conversation.refused(&mut peer, &asked, &refused).recovery, Some(Recovery::AskAgain));
    let (request, asked) = ask(&mut conversation, &mut peer);
    assert_eq!((request.base, request.stand.as_slice(), request.begin.is_some()), (3, &[4, 5][..], true));
    let refused = Refusal::Desync { base: 3, held: 3 }.into();
    conversation.refused(&mut peer, &asked, &refused);
    let (request, asked) = ask(&mut conversation, &mut peer);
    assert_eq!((request.base, request.stand.as_slice()), (2, &[3, 4, 5][..]), "what was once agreed on");
    conversation.refused(&mut peer, &asked, &refused);
    let (request, asked) = ask(&mut conversation, &mut peer);
    assert_eq!(request.base, 0);
    assert_eq!(conversation.refused(&mut peer, &asked, &refused).recovery, Some(Recovery::GiveUp));
}

#[test]
fn each_refusal_has_its_recovery() {
    for (code, recovery) in [
        (ErrorCode::Malformed, Recovery::GiveUp),
        (ErrorCode::Unauthorized, Recovery::GiveUp),
        (ErrorCode::Desync, Recovery::AskAgain),
        (ErrorCode::Gone, Recovery::Reopen),
        (ErrorCode::TooLarge, Recovery::GiveUp),
        (ErrorCode::Unsupported, Recovery::GiveUp),
        (ErrorCode::RateLimited, Recovery::Retry),
        (ErrorCode::Internal, Recovery::Retry),
        (ErrorCode::Unavailable, Recovery::Retry),
    ] {
        let (mut conversation, mut peer) = begun();
        let (_, mut asked) = ask(&mut conversation, &mut peer);
        let error = ErrorBody { code, reason: String::new(), held: None };
        let effects = hear(&mut conversation, &mut peer, &mut asked, &Frame::Failed(error));
        assert_eq!(effects.recovery, Some(recovery), "{code:?}");
    }
}

#[test]
fn a_reply_has_ended_once_all_of_it_is_committed() {
    let (mut conversation, mut peer) = begun();
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3]));
    let effects = hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Eog));
    assert!(effects.finished && effects.ended == Some(EndReason::Eog));
    // The end of a text that is not the device's says nothing, but that the device has to give its own.
    draft(&mut conversation, &[4]);
    conversation.go_on_alone();
    let (request, mut asked) = ask(&mut conversation, &mut peer);
    assert_eq!(request.stand, [4]);
    conversation.lost(&mut peer, &asked);
    let effects = hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Superseded));
    assert!(!effects.finished);
}

#[test]
fn drafts_that_nobody_judged_are_sent_again() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    let effects = hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Granted));
    assert!(effects.ask);
    assert_eq!(ask(&mut conversation, &mut peer).0.draft, [3]);
}

#[test]
fn the_next_generation_sends_what_is_new_in_its_prompt() {
    let (mut conversation, mut peer) = begun();
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 4]));
    draft(&mut conversation, &[5]);
    assert_eq!(conversation.renew(begin(5), &[1, 2, 3, 7, 8], [&mut peer]), 3);
    let (request, _) = ask(&mut conversation, &mut peer);
    assert_eq!((request.generation, request.seq, request.base), (1, 0, 3));
    assert_eq!((request.stand.as_slice(), request.begin.is_some()), (&[7, 8][..], true));
    // The generation before says nothing any more.
    assert_eq!(hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3, 4], &[5])), Effects::default());
}

#[test]
fn a_branch_that_was_drafted_anew_is_sent_anew() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4]);
    ask(&mut conversation, &mut peer);
    assert_eq!(conversation.take_back(3), 1);
    draft(&mut conversation, &[6]);
    assert_eq!(ask(&mut conversation, &mut peer).0.draft, [3, 6]);
    assert_eq!(conversation.take_back(0), 2, "what is committed stays");
}

#[test]
fn what_is_no_answer_is_refused_and_changes_nothing() {
    let (mut conversation, mut peer) = begun();
    let (_, asked) = ask(&mut conversation, &mut peer);
    let labels = |pos, p: Vec<f32>| match text(&[1, 2], &[3]) {
        Frame::Text(text) => Frame::Text(Text { labels: Some(Labels { pos, matched: vec![true], p }), ..text }),
        other => other,
    };
    let wants = |labels| Asked { labels, ..asked.clone() };
    let matched = Labelling { matched: true, probabilities: false };
    for (mut asked, frame, expected) in [
        (asked.clone(), text(&[1, 2], &[10]), InvalidAnswer::UnknownToken { id: 10 }),
        (asked.clone(), text(&[1], &[2]), InvalidAnswer::BeforeReply { pos: 1 }),
        (asked.clone(), text(&[1, 2], &[3; 21]), InvalidAnswer::TooLong { end: 23, limit: 22 }),
        (asked.clone(), text(&[1, 2], &[]), InvalidAnswer::Empty),
        (asked.clone(), labels(2, vec![]), InvalidAnswer::LabelsNotAsked),
        (wants(matched), labels(2, vec![0.5]), InvalidAnswer::LabelsNotAsked),
        (wants(matched), labels(1, vec![]), InvalidAnswer::LabelsOutside),
        (wants(matched), labels(22, vec![]), InvalidAnswer::LabelsOutside),
    ] {
        let before = format!("{conversation:?}{peer:?}");
        assert_eq!(conversation.hear(&mut peer, &mut asked, &frame), Err(expected));
        assert_eq!(format!("{conversation:?}{peer:?}"), before);
    }
    let mut asked = asked;
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 4]));
    let taken_back = conversation.hear(&mut peer, &mut asked, &text(&[1, 2], &[5]));
    assert_eq!(taken_back, Err(InvalidAnswer::TakenBack { pos: 2 }));
    hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Granted));
    let after = conversation.hear(&mut peer, &mut asked, &Frame::End(EndReason::Granted));
    assert_eq!(after, Err(InvalidAnswer::AfterEnd));
}

#[test]
fn progress_changes_nothing_before_the_end_and_is_no_answer_after_it() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    let progress = Frame::Progress(Progress { read: 1, total: 9, ahead: 2 });
    let before = (format!("{conversation:?}"), peer.clone(), asked.clone());
    assert_eq!(hear(&mut conversation, &mut peer, &mut asked, &progress), Effects::default());
    assert_eq!((format!("{conversation:?}"), peer.clone(), asked.clone()), before);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 5]));
    assert_eq!(hear(&mut conversation, &mut peer, &mut asked, &progress), Effects::default());
    hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Granted));
    assert_eq!(conversation.hear(&mut peer, &mut asked, &progress), Err(InvalidAnswer::AfterEnd));
}

#[test]
fn what_the_device_decrees_is_given_to_the_session_and_what_it_wrote_there_is_void() {
    let (mut conversation, mut peer) = begun();
    draft(&mut conversation, &[3, 4, 5]);
    let (_, mut asked) = ask(&mut conversation, &mut peer);
    hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2], &[3, 4, 6, 7]));
    conversation.decree(4, &[8, 9], [&mut peer]);
    assert_eq!((conversation.tokens().ids(), conversation.committed()), (&[1, 2, 3, 4, 8, 9][..], 6));
    // What the session goes on to tell of its own text changes nothing, and nothing has to be asked for it.
    let late = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3, 4], &[6, 7]));
    assert_eq!(late, Effects::default());
    draft(&mut conversation, &[5]);
    let (next, mut asked) = ask(&mut conversation, &mut peer);
    assert_eq!((next.base, next.stand.as_slice(), next.draft.as_slice()), (4, &[8, 9][..], &[5][..]));
    let effects = hear(&mut conversation, &mut peer, &mut asked, &text(&[1, 2, 3, 4, 8, 9], &[5, 2]));
    assert_eq!(committed(&effects), [(5, Origin::Verified), (2, Origin::Target)]);
}

#[test]
fn what_one_body_does_not_hold_is_given_in_parts_and_drafts_wait_for_the_last() {
    // Beside the longest draft there is room for 200 bytes: 200 tokens of one byte, less the generation's settings.
    let bounds = Bounds { vocabulary_size: 10, context: 4096, max_body: 64 + 256 * 5 + 200 };
    let prompt: Vec<TokenId> = (0..500).map(|i| i % 10).collect();
    let mut conversation = Conversation::new(bounds, begin(500), &prompt);
    let mut peer = Peer::new();
    draft(&mut conversation, &[3, 4]);
    let mut given = Vec::new();
    for part in 0.. {
        let wanted = Wanted { grants: Grants::UNLIMITED, ..wanted(&conversation) };
        let (request, mut asked) = conversation.advance(&mut peer, &wanted);
        assert!(Encoding::Binary.encode(&request).len() <= bounds.max_body as usize, "{request:?}");
        assert_eq!((request.base as usize, request.check), (given.len(), PrefixHash::of(&given)));
        assert_eq!((request.begin.is_some(), request.have), (part == 0, request.base + request.stand.len() as u32));
        given.extend(&request.stand);
        let is_last = given.len() == prompt.len();
        assert_eq!((request.draft.is_empty(), request.grants.is_none()), (!is_last, !is_last), "part {part}");
        if is_last {
            assert_eq!((given, request.draft, part), (prompt, vec![3, 4], 2));
            break;
        }
        let effects = hear(&mut conversation, &mut peer, &mut asked, &Frame::End(EndReason::Granted));
        assert!(effects.more && !effects.ask && !effects.finished);
    }
}
