//! Passes of the target: what one decodes, judges and says.

use super::super::super::{
    Advance, EndReason, ErrorBody, ErrorCode, Frame, Grant, Grants, Labelling, Next, PassKind, PassTiming, Row, Sent,
    StreamId,
};
use super::{Rule, accept, end, ended, first, given, pass, request, session, texts};

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
    let mut session = super::session();
    accept(&mut session, 1, &Advance { grants, ..first(&[3, 4, 5]) });
    session.next(1);
    ended(&mut session, &[3, 6]);
    assert_eq!(session.left(), Grant::Passes(1));
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
