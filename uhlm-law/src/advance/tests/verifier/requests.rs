//! Requests that come late, twice, out of order, or are not taken.

use super::super::super::{
    Advance, Begin, EndReason, ErrorBody, ErrorCode, Frame, Grant, Grants, Next, PassKind, Refusal, Sent, StreamId,
    TargetSession,
};
use super::{Rule, accept, begin, end, ended, first, given, pass, request, session, texts};

#[test]
fn given_tokens_that_the_text_holds_already_keep_what_follows_and_others_replace_it() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3, 4]));
    pass(&mut session);
    ended(&mut session, &[3, 4, 5]);
    let sent = accept(&mut session, 2, &given(1, &[1, 2], &[3, 4], &[]));
    assert_eq!(texts(&sent), [(2, 4, vec![5])], "what the text holds beyond is sent at once");
    assert_eq!(session.text().ids(), [1, 2, 3, 4, 5]);
    accept(&mut session, 3, &given(2, &[1, 2, 3], &[6], &[]));
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2, 3, 6][..], 3));
}

#[test]
fn a_pass_of_a_text_that_was_replaced_is_discarded_and_what_it_decoded_is_kept_as_far_as_it_is_right() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3, 4, 5]));
    pass(&mut session);
    accept(&mut session, 2, &given(1, &[1, 2], &[3, 6], &[]));
    assert!(!session.pass_is_wanted());
    assert!(ended(&mut session, &[3, 4, 5, 0]).is_empty());
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2, 3, 6][..], 3));
}

#[test]
fn a_later_request_takes_over_and_an_earlier_one_only_parks() {
    let mut session = session();
    accept(&mut session, 1, &first(&[]));
    assert_eq!(accept(&mut session, 3, &request(2, &[1, 2, 3], &[4])), [end(1, EndReason::Superseded)]);
    // What the draft rests on is missing; the request before brings it, and gets no answer of its own.
    assert_eq!(accept(&mut session, 2, &request(1, &[1, 2], &[3])), [end(2, EndReason::Superseded)]);
    assert_eq!(pass(&mut session).draft(), [3, 4]);
    assert_eq!(texts(&ended(&mut session, &[3, 4, 5])), [(3, 2, vec![3, 4, 5])]);
}

#[test]
fn drafts_that_were_parked_are_judged_although_nobody_listens_any_more() {
    let mut session = session();
    accept(&mut session, 1, &first(&[]));
    accept(&mut session, 3, &request(2, &[1, 2, 3], &[4]));
    assert_eq!(pass(&mut session).kind, PassKind::Fill);
    ended(&mut session, &[]);
    assert_eq!(session.next(64), Next::End(end(3, EndReason::Granted)));
    accept(&mut session, 2, &request(1, &[1, 2], &[3]));
    assert_eq!(pass(&mut session).draft(), [3, 4]);
    assert!(ended(&mut session, &[3, 4, 5]).is_empty());
    assert_eq!(texts(&accept(&mut session, 4, &request(3, &[1, 2], &[]))), [(4, 2, vec![3, 4, 5])]);
}

#[test]
fn a_repeat_grants_nothing_anew_unless_the_answer_to_the_first_broke_off() {
    let mut session = session();
    let grants = Grants { after_agreement: Grant::Passes(1), ..Grants::NONE };
    let asked = Advance { grants, ..first(&[]) };
    accept(&mut session, 1, &asked);
    pass(&mut session);
    ended(&mut session, &[3]);
    let sent = accept(&mut session, 2, &asked);
    assert_eq!(sent[0], end(1, EndReason::Superseded));
    assert_eq!(texts(&sent), [(2, 2, vec![3])]);
    assert_eq!(session.next(64), Next::End(end(2, EndReason::Granted)));
    accept(&mut session, 3, &asked);
    session.reset(StreamId(3));
    accept(&mut session, 4, &asked);
    assert_eq!(pass(&mut session).kind, PassKind::SelfMade);
}

#[test]
fn a_reset_of_the_live_answer_ends_grants_and_proposals_and_that_of_another_means_nothing() {
    let mut session = session();
    accept(&mut session, 1, &Advance { grants: Grants::UNLIMITED, ..first(&[]) });
    accept(&mut session, 2, &Advance { grants: Grants::UNLIMITED, ..request(1, &[1, 2], &[3]) });
    session.reset(StreamId(1));
    assert_eq!(session.stream(), Some(StreamId(2)));
    assert_eq!(pass(&mut session).draft(), [3]);
    session.reset(StreamId(2));
    assert!(ended(&mut session, &[3, 4]).is_empty(), "the text goes on, and nobody hears it");
    assert_eq!(session.text().ids(), [1, 2, 3, 4]);
    assert_eq!(session.next(64), Next::Idle);
}

#[test]
fn drafts_that_the_text_contradicts_are_dropped_and_count_as_a_mismatch() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3]));
    pass(&mut session);
    ended(&mut session, &[4]);
    let grants = Grants { after_mismatch: Grant::Passes(7), after_agreement: Grant::NONE };
    let sent = accept(&mut session, 2, &Advance { grants, ..request(1, &[1, 2, 3], &[5]) });
    assert!(texts(&sent).is_empty(), "the device says that it has three tokens");
    assert_eq!(session.left(), Grant::Passes(7));
    assert_eq!(pass(&mut session).kind, PassKind::SelfMade);
}

#[test]
fn what_cannot_be_taken_is_refused_and_changes_nothing() {
    let mut session = session();
    let refused = |session: &mut TargetSession, request: &Advance| {
        let before = session.clone();
        let refusal = session.accept(StreamId(99), request, &Rule).expect_err("a request that is refused");
        assert_eq!(*session, before);
        refusal
    };
    let unbegun = refused(&mut session, &request(0, &[1], &[2]));
    assert_eq!(unbegun, Refusal::NotBegun { generation: 0, held: 0 });
    let empty = Advance { begin: Some(Begin { reply_start: 0, ..begin() }), ..given(0, &[], &[], &[1]) };
    assert_eq!(refused(&mut session, &empty), Refusal::NoPrompt { reply_start: 0, given: 0 });
    accept(&mut session, 1, &first(&[]));
    let behind = refused(&mut session, &given(1, &[1, 2, 3], &[4], &[]));
    assert_eq!(behind, Refusal::Desync { base: 3, held: 2 });
    assert_eq!(ErrorBody::from(behind).held, Some(2));
    assert_eq!(refused(&mut session, &given(1, &[5], &[4], &[])), Refusal::Desync { base: 1, held: 2 });
    let unknown = Refusal::UnknownToken { id: 10, vocabulary_size: 10 };
    assert_eq!(refused(&mut session, &request(1, &[1, 2], &[3, 10])), unknown);
    let long = refused(&mut session, &given(1, &[1, 2], &[0; 63], &[]));
    assert_eq!(long, Refusal::TooLong { tokens: 65, context: 64 });
    let other = Advance { begin: Some(Begin { seed: 7, ..begin() }), ..request(1, &[1, 2], &[]) };
    assert_eq!(refused(&mut session, &other), Refusal::BegunOtherwise { generation: 0 });
    let codes = [unbegun, behind, unknown, long, Refusal::Gone].map(|refusal| refusal.code());
    let expected = [ErrorCode::Desync, ErrorCode::Desync, ErrorCode::Malformed, ErrorCode::TooLarge, ErrorCode::Gone];
    assert_eq!(codes, expected);
}

#[test]
fn a_prompt_may_come_in_parts_and_nothing_is_decided_before_it_is_whole() {
    let mut session = session();
    let begin = Begin { reply_start: 4, ..begin() };
    let generous = Advance { grants: Grants::UNLIMITED, draft: vec![7], ..given(0, &[], &[1, 2], &[]) };
    accept(&mut session, 1, &Advance { begin: Some(begin), ..generous });
    let Next::Pass(plan) = session.next(16) else { panic!("what is there is read") };
    assert_eq!((plan.kind, plan.tokens.as_slice(), plan.rows), (PassKind::Fill, &[1][..], 0));
    session.pass_ended(&[], None, &Rule);
    assert!(matches!(session.next(16), Next::End(Sent { frame: Frame::End(EndReason::Granted), .. })));
    accept(&mut session, 2, &Advance { grants: Grants::UNLIMITED, ..given(1, &[1, 2], &[3, 4], &[]) });
    let Next::Pass(plan) = session.next(16) else { panic!("the prompt is whole") };
    assert_eq!((plan.kind, plan.tokens.as_slice(), plan.rows), (PassKind::SelfMade, &[2, 3, 4][..], 1));
}
