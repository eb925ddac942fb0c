//! Tokens that a grammar leaves no choice about: they are decided without a pass, and told like any other.

use std::sync::Arc;

use super::super::super::{Advance, Begin, EndReason, Ending, Grants, Limits, Next, Row, StreamId, TargetSession};
use super::{END, Rule, begin, end, first, pass, request, session, texts};
use crate::grammar::Grammar;
use crate::sampling::TokenId;

/// After the tokens 3 and 5 the next higher one must follow, and a reply ends where [`Rule`] ends it.
struct Forcing;

impl Ending for Forcing {
    fn is_end(&self, id: TokenId) -> bool {
        Rule.is_end(id)
    }

    fn completes_stop(&self, reply: &[TokenId], stop: &[String]) -> bool {
        Rule.completes_stop(reply, stop)
    }

    fn forced(&self, reply: &[TokenId]) -> Option<TokenId> {
        match reply.last() {
            None => Some(3),
            Some(&last) if last == 3 || last == 5 => Some(last + 1),
            Some(_) => None,
        }
    }
}

fn asked(grammar: Option<Grammar>, draft: &[TokenId], grants: Grants) -> Advance {
    let begin = Begin { grammar: grammar.map(Arc::new), ..begin() };
    Advance { begin: Some(begin), grants, ..first(draft) }
}

fn any() -> Option<Grammar> {
    Some(Grammar::Regex(".*".to_owned()))
}

fn take(session: &mut TargetSession, stream: u64, request: &Advance) -> Vec<(u64, u32, Vec<TokenId>)> {
    texts(&session.accept(StreamId(stream), request, &Forcing).expect("a request that is taken"))
}

fn decide(session: &mut TargetSession, winners: &[TokenId]) -> Vec<(u64, u32, Vec<TokenId>)> {
    let rows: Vec<Row> = winners.iter().map(|&winner| Row { winner, p: None }).collect();
    texts(&session.pass_ended(&rows, None, &Forcing))
}

#[test]
fn what_is_forced_at_the_beginning_is_told_before_any_pass_and_decoded_with_the_next() {
    let mut session = session();
    assert_eq!(take(&mut session, 1, &asked(any(), &[], Grants::UNLIMITED)), [(1, 2, vec![3, 4])]);
    let plan = pass(&mut session);
    assert_eq!((plan.tokens.as_slice(), plan.rows, plan.first), (&[1, 2, 3, 4][..], 1, 4));
    assert_eq!(decide(&mut session, &[5]), [(1, 4, vec![5, 6])], "and after a pass with its token");
    let plan = pass(&mut session);
    assert_eq!((plan.keep, plan.tokens.as_slice(), plan.first), (4, &[5, 6][..], 6));
}

#[test]
fn drafts_that_foresee_what_is_forced_are_judged_from_there_on() {
    let mut session = session();
    assert_eq!(take(&mut session, 1, &asked(any(), &[3, 4, 7, 5, 6, 7], Grants::NONE)), [(1, 2, vec![3, 4])]);
    let plan = pass(&mut session);
    assert_eq!((plan.draft(), plan.first), (&[7, 5, 6, 7][..], 4));
    // The target differs at the second drafted token; what is forced after its own is appended.
    assert_eq!(decide(&mut session, &[7, 3]), [(1, 4, vec![7, 3, 4])]);
    assert_eq!(plan.judged(&[7, 3, 4]).collect::<Vec<_>>(), [true, false], "nothing is said of the rest of the draft");
    assert_eq!(session.text().ids(), [1, 2, 3, 4, 7, 3, 4]);
    assert_eq!(session.decoded(), 5);
}

#[test]
fn the_end_of_a_reply_may_be_forced_and_without_a_grammar_nothing_is() {
    /// After any token the reply ends.
    struct Closing;

    impl Ending for Closing {
        fn is_end(&self, id: TokenId) -> bool {
            Rule.is_end(id)
        }

        fn completes_stop(&self, _: &[TokenId], _: &[String]) -> bool {
            false
        }

        fn forced(&self, reply: &[TokenId]) -> Option<TokenId> {
            reply.last().map(|_| END)
        }
    }

    assert!(Rule.is_end(END));
    let mut closing = session();
    closing.accept(StreamId(1), &asked(any(), &[], Grants::UNLIMITED), &Closing).expect("taken");
    pass(&mut closing);
    let sent = closing.pass_ended(&[Row { winner: 5, p: None }], None, &Closing);
    assert_eq!(texts(&sent), [(1, 2, vec![5, END])]);
    assert_eq!(closing.next(64), Next::End(end(1, EndReason::Eog)));
    let mut free = session();
    assert!(take(&mut free, 1, &asked(None, &[], Grants::UNLIMITED)).is_empty());
    assert!(matches!(free.next(64), Next::Pass(plan) if plan.first == 2));
    // A repeat while a pass is under way forces nothing before what that decides.
    let mut busy = session();
    take(&mut busy, 1, &asked(any(), &[], Grants::UNLIMITED));
    pass(&mut busy);
    take(&mut busy, 2, &request(1, &[1, 2, 3, 4], &[]));
    assert_eq!(decide(&mut busy, &[5]), [(2, 4, vec![5, 6])]);
}

#[test]
fn one_turn_forces_so_many_tokens_and_a_pass_decides_on_the_next() {
    /// After any token the same one must follow, for ever.
    struct Endless;

    impl Ending for Endless {
        fn is_end(&self, _: TokenId) -> bool {
            false
        }

        fn completes_stop(&self, _: &[TokenId], _: &[String]) -> bool {
            false
        }

        fn forced(&self, _: &[TokenId]) -> Option<TokenId> {
            Some(3)
        }
    }

    let limits = Limits { vocabulary_size: 10, context: 4096, max_draft: 16, max_body: 1 << 20 };
    let mut session = TargetSession::new(limits);
    let asked = asked(any(), &[], Grants::UNLIMITED);
    let begin = asked.begin.clone().map(|begin| Begin { max_tokens: 1000, ..begin });
    session.accept(StreamId(1), &Advance { begin, ..asked }, &Endless).expect("taken");
    let first = session.text().len();
    assert!((10..100).contains(&first), "{first}");
    pass(&mut session);
    session.pass_ended(&[Row { winner: 3, p: None }], None, &Endless);
    assert_eq!(session.text().len() - first, first - 2 + 1, "the pass's own, and as many as before");
}
