//! Where a reply ends, and where another begins.

use super::super::super::{Advance, Begin, EndReason, Limits, MAX_FRAME_IDS, Next, PassKind, StreamId, TargetSession};
use super::{END, accept, begin, end, ended, first, given, pass, request, session, texts};
use crate::sampling::TokenId;

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
    let mut session = super::session();
    accept(&mut session, 1, &first(&[3]));
    pass(&mut session);
    ended(&mut session, &[3, 4]);
    let again = Advance { generation: 1, begin: Some(Begin { seed: 2, ..begin() }), ..given(0, &[1], &[2], &[]) };
    assert!(texts(&accept(&mut session, 2, &again)).is_empty());
    assert_eq!((session.text().ids(), session.decoded()), (&[1, 2][..], 2));
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
