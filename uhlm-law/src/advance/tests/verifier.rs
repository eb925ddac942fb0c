//! The verifier's rules, one by one.

use super::super::{
    Advance, Begin, EndReason, Ending, Frame, Grant, Grants, Labelling, Limits, MAX_FRAME_IDS, Next, PassKind,
    PassTiming, Plan, PrefixHash, Refusal, Row, Sent, StreamId, TargetSession, Text,
};
use crate::protocol::{ErrorBody, ErrorCode};
use crate::sampling::{SamplingParams, TokenId};

/// The token that ends a generation; a reply that holds 7 and 8 in a row holds a stop string.
const END: TokenId = 9;

struct Rule;

impl Ending for Rule {
    fn is_end(&self, id: TokenId) -> bool {
        id == END
    }

    fn completes_stop(&self, reply: &[TokenId], _: &[String]) -> bool {
        reply.ends_with(&[7, 8])
    }
}

fn begin() -> Begin {
    Begin { seed: 1, sampling: SamplingParams::default(), reply_start: 2, max_tokens: 8, stop: vec!["x".to_owned()] }
}

fn session() -> TargetSession {
    TargetSession::new(Limits { vocabulary_size: 10, context: 64, max_draft: 16, max_body: 1 << 20 })
}

/// Makes a request that goes on after `before`, all of which is committed.
fn request(seq: u32, before: &[TokenId], draft: &[TokenId]) -> Advance {
    Advance {
        generation: 0,
        seq,
        have: before.len() as u32,
        base: before.len() as u32,
        check: PrefixHash::of(before),
        stand: vec![],
        draft: draft.to_vec(),
        grants: Grants::NONE,
        labels: Labelling::NONE,
        begin: None,
        deadline_ms: None,
    }
}

/// Makes a request that gives `stand` after `before`.
fn given(seq: u32, before: &[TokenId], stand: &[TokenId], draft: &[TokenId]) -> Advance {
    let have = (before.len() + stand.len()) as u32;
    Advance { have, stand: stand.to_vec(), ..request(seq, before, draft) }
}

fn first(draft: &[TokenId]) -> Advance {
    Advance { begin: Some(begin()), ..given(0, &[], &[1, 2], draft) }
}

fn accept(session: &mut TargetSession, stream: u64, request: &Advance) -> Vec<Sent> {
    session.accept(StreamId(stream), request, &Rule).expect("a request that is taken")
}

fn pass(session: &mut TargetSession) -> Plan {
    match session.next(64) {
        Next::Pass(plan) => plan,
        other => panic!("no pass, but {other:?}"),
    }
}

fn ended(session: &mut TargetSession, winners: &[TokenId]) -> Vec<Sent> {
    let rows: Vec<Row> = winners.iter().map(|&winner| Row { winner, p: None }).collect();
    session.pass_ended(&rows, None, &Rule)
}

fn texts(sent: &[Sent]) -> Vec<(u64, u32, Vec<TokenId>)> {
    let text = |sent: &Sent| match &sent.frame {
        Frame::Text(Text { pos, ids, .. }) => Some((sent.stream.0, *pos, ids.clone())),
        _ => None,
    };
    sent.iter().filter_map(text).collect()
}

fn end(stream: u64, reason: EndReason) -> Sent {
    Sent { stream: StreamId(stream), frame: Frame::End(reason) }
}

#[test]
fn a_pass_judges_all_that_was_drafted_and_decides_one_more() {
    let mut session = session();
    assert!(accept(&mut session, 1, &first(&[3, 4])).is_empty());
    let plan = pass(&mut session);
    assert_eq!((plan.kind, plan.keep, plan.tokens.as_slice()), (PassKind::Judged, 0, &[1, 2, 3, 4][..]));
    assert_eq!((plan.rows, plan.first, plan.draft()), (3, 2, &[3, 4][..]));
    assert_eq!(session.next(64), Next::Busy);
    assert_eq!(texts(&ended(&mut session, &[3, 4, 5])), [(1, 2, vec![3, 4, 5])]);
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2, 3, 4, 5][..], 4));
    assert_eq!(session.next(64), Next::End(end(1, EndReason::Granted)));
    assert_eq!(session.next(64), Next::Idle);
}

#[test]
fn a_pass_appends_until_the_first_inequality_and_needs_no_row_after_it() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3, 4, 5]));
    let plan = pass(&mut session);
    assert!(!plan.settles(0, 3) && plan.settles(1, 6) && plan.settles(3, 0));
    assert_eq!(texts(&ended(&mut session, &[3, 6])), [(1, 2, vec![3, 6])]);
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2, 3, 6][..], 3));
}

#[test]
fn a_text_says_how_long_its_pass_took_and_how_many_tokens_went_through_it() {
    let mut session = session();
    let text = |sent: &[Sent]| match &sent[sent.len() - 1].frame {
        Frame::Text(text) => (text.pass_us, text.queue_us, text.rows),
        other => panic!("no text, but {other:?}"),
    };
    let timing = PassTiming { pass_us: 300, queue_us: Some(20) };
    let rows = [3, 4, 5].map(|winner| Row { winner, p: None });
    accept(&mut session, 1, &first(&[3, 4]));
    pass(&mut session);
    assert_eq!(
        text(&session.pass_ended(&rows, Some(timing), &Rule)),
        (Some(300), Some(20), Some(4)),
        "with the prompt"
    );
    accept(&mut session, 2, &request(1, &[1, 2, 3, 4, 5], &[6, 7]));
    pass(&mut session);
    assert_eq!(
        text(&session.pass_ended(&rows, Some(timing), &Rule)),
        (Some(300), Some(20), Some(3)),
        "the draft and one"
    );
    // What was decided before is no news of a pass.
    assert_eq!(text(&accept(&mut session, 3, &request(2, &[1, 2, 3], &[]))), (None, None, None));
}

#[test]
fn what_a_pass_has_no_room_for_is_judged_by_the_next_one() {
    for (winners, next) in [(&[3][..], Some(&[4, 5][..])), (&[7], None)] {
        let mut session = session();
        let grants = Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Unlimited };
        accept(&mut session, 1, &Advance { grants, ..first(&[3, 4, 5]) });
        let Next::Pass(plan) = session.next(0) else { panic!("a pass") };
        assert_eq!((plan.kind, plan.draft(), plan.next_drafted), (PassKind::Judged, &[][..], Some(3)));
        ended(&mut session, winners);
        assert!(session.runs_ahead());
        assert_eq!(plan.judged(session.text().tail(2)).collect::<Vec<_>>(), [next.is_some()]);
        let left = if next.is_some() { Grant::Unlimited } else { Grant::Passes(1) };
        assert_eq!(session.left(), left, "the drafted token without a row is judged as well");
        let Next::Pass(plan) = session.next(1) else { panic!("a pass") };
        match next {
            Some(draft) => assert_eq!((plan.draft(), plan.next_drafted), (&draft[..1], Some(draft[1]))),
            None => assert_eq!((plan.kind, plan.next_drafted), (PassKind::SelfMade, None)),
        }
    }
}

#[test]
fn self_made_passes_are_as_many_as_were_granted_for_the_outcome() {
    for (winners, left) in [(&[3, 4][..], 2), (&[5], 1)] {
        let mut session = session();
        let grants = Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Passes(2) };
        accept(&mut session, 1, &Advance { grants, ..first(&[3]) });
        assert_eq!(pass(&mut session).kind, PassKind::Judged);
        ended(&mut session, winners);
        assert_eq!(session.left(), Grant::Passes(left));
        for _ in 0..left {
            let plan = pass(&mut session);
            assert_eq!((plan.kind, plan.rows, plan.tokens.len()), (PassKind::SelfMade, 1, 1));
            ended(&mut session, &[0]);
        }
        assert_eq!(session.next(64), Next::End(end(1, EndReason::Granted)));
    }
}

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
fn a_draft_that_is_too_long_for_a_pass_is_judged_by_several() {
    let mut session = session();
    let grants = Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::NONE };
    accept(&mut session, 1, &Advance { grants, ..first(&[3, 4, 5]) });
    let Next::Pass(plan) = session.next(1) else { panic!("no pass") };
    assert_eq!((plan.draft(), plan.rows), (&[3][..], 2));
    ended(&mut session, &[3, 4]);
    assert_eq!(pass(&mut session).draft(), [5]);
    ended(&mut session, &[6]);
    // The token after the last row contradicts a draft just as well.
    let mut session = self::session();
    accept(&mut session, 1, &Advance { grants, ..first(&[3, 4, 5]) });
    session.next(1);
    ended(&mut session, &[3, 6]);
    assert_eq!(session.left(), Grant::Passes(1));
}

#[test]
fn a_reply_ends_with_its_end_token_its_stop_string_its_length_or_the_context() {
    let ends = |winners: &[TokenId], max_tokens, context| {
        let mut session = TargetSession::new(Limits { vocabulary_size: 10, context, max_draft: 16, max_body: 1 << 20 });
        let begin = Begin { max_tokens, ..begin() };
        accept(&mut session, 1, &Advance { begin: Some(begin), ..first(&winners[..winners.len() - 1]) });
        let rows = pass(&mut session).rows;
        ended(&mut session, &winners[..rows.min(winners.len())]);
        (session.next(64), session.text().ids()[2..].to_vec())
    };
    assert_eq!(ends(&[3, END, 4], 8, 64), (Next::End(end(1, EndReason::Eog)), vec![3, END]));
    assert_eq!(ends(&[7, 8, 4], 8, 64), (Next::End(end(1, EndReason::Stop)), vec![7, 8]));
    assert_eq!(ends(&[3, 4, 5, 6], 3, 64), (Next::End(end(1, EndReason::Max)), vec![3, 4, 5]));
    assert_eq!(ends(&[3, 4, 5, 6], 8, 4), (Next::End(end(1, EndReason::Context)), vec![3, 4]));
}

#[test]
fn an_end_token_in_the_prompt_ends_nothing() {
    let mut session = session();
    accept(&mut session, 1, &Advance { begin: Some(begin()), ..given(0, &[], &[1, END], &[]) });
    assert_eq!(pass(&mut session).kind, PassKind::Fill);
}

#[test]
fn a_new_generation_replaces_the_old_one_and_forgets_what_another_seed_wrote() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3, 4]));
    pass(&mut session);
    let begins = Begin { seed: 2, reply_start: 3, ..begin() };
    let next = Advance { generation: 1, begin: Some(begins), ..given(0, &[1, 2], &[3], &[]) };
    assert_eq!(accept(&mut session, 2, &next), [end(1, EndReason::Superseded)]);
    assert!(ended(&mut session, &[3, 4, 5]).is_empty());
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2, 3][..], 3));
    // What comes late from the old one is over.
    assert_eq!(accept(&mut session, 3, &request(9, &[1, 2], &[3])), [end(3, EndReason::Superseded)]);
    assert_eq!(session.stream(), Some(StreamId(2)));
    // The same prompt with another seed keeps the cache, and not the reply.
    let mut session = self::session();
    accept(&mut session, 1, &first(&[3]));
    pass(&mut session);
    ended(&mut session, &[3, 4]);
    let again = Advance { generation: 1, begin: Some(Begin { seed: 2, ..begin() }), ..given(0, &[1], &[2], &[]) };
    assert!(texts(&accept(&mut session, 2, &again)).is_empty());
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2][..], 2));
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
fn given_tokens_are_labelled_by_the_next_pass_where_that_is_wanted() {
    let mut session = session();
    accept(&mut session, 1, &first(&[]));
    pass(&mut session);
    ended(&mut session, &[]);
    let labels = Labelling { matched: true, probabilities: true };
    accept(&mut session, 2, &Advance { labels, ..given(1, &[1, 2], &[3, 4], &[5]) });
    let plan = pass(&mut session);
    assert_eq!((plan.first, plan.contexts, plan.rows, plan.keep), (2, 2, 4, 1));
    assert_eq!((plan.tokens.as_slice(), plan.draft()), (&[2, 3, 4, 5][..], &[5][..]));
    assert!(!plan.settles(0, 9) && !plan.settles(1, 9) && plan.settles(2, 9));
    let rows = [(3, 0.5), (6, 0.25), (6, 0.125)].map(|(winner, p)| Row { winner, p: Some(p) });
    let sent = session.pass_ended(&rows, None, &Rule);
    let Frame::Text(text) = &sent[0].frame else { panic!("no text") };
    assert_eq!((text.pos, text.ids.as_slice()), (4, &[6][..]));
    let labels = text.labels.as_ref().expect("labels");
    assert_eq!((labels.pos, labels.matched.as_slice()), (2, &[true, false, false][..]));
    assert_eq!(labels.p, [0.5, 0.25, 0.125]);
}

#[test]
fn a_cache_that_is_lost_is_filled_again_and_nothing_else_changes() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3]));
    pass(&mut session);
    ended(&mut session, &[3, 4]);
    session.cache_lost(0);
    accept(&mut session, 2, &request(1, &[1, 2, 3, 4], &[5]));
    let plan = pass(&mut session);
    assert_eq!((plan.keep, plan.tokens.as_slice(), plan.rows), (0, &[1, 2, 3, 4, 5][..], 2));
    session.pass_abandoned(3);
    assert_eq!((session.decoded(), pass(&mut session).keep), (3, 3));
    session.cache_lost(1);
    assert_eq!(pass(&mut session).keep, 1, "a pass that was planned is off");
}

#[test]
fn an_engine_that_fails_ends_the_answer_and_the_text_stays() {
    let mut session = session();
    accept(&mut session, 1, &first(&[3]));
    pass(&mut session);
    let error = ErrorBody { code: ErrorCode::Internal, reason: "out of order".to_owned(), held: None };
    let failed = Sent { stream: StreamId(1), frame: Frame::Failed(error.clone()) };
    assert_eq!(session.pass_failed(error), [failed]);
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2][..], 0));
    assert_eq!(session.next(64), Next::Idle);
}

#[test]
fn a_long_text_comes_in_several_frames() {
    let mut session =
        TargetSession::new(Limits { vocabulary_size: 10, context: 1 << 20, max_draft: 16, max_body: 1 << 20 });
    let long = vec![3; 2 * MAX_FRAME_IDS + 5];
    let begin = Begin { max_tokens: 1 << 19, stop: vec![], ..begin() };
    accept(&mut session, 1, &Advance { begin: Some(begin), ..given(0, &[], &[1, 2], &[]) });
    accept(&mut session, 2, &given(1, &[1, 2], &long, &[]));
    let sent = texts(&accept(&mut session, 3, &request(2, &[1, 2], &[])));
    let lengths: Vec<_> = sent.iter().map(|(_, pos, ids)| (*pos as usize, ids.len())).collect();
    assert_eq!(lengths, [(2, MAX_FRAME_IDS), (2 + MAX_FRAME_IDS, MAX_FRAME_IDS), (2 + 2 * MAX_FRAME_IDS, 5)]);
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
