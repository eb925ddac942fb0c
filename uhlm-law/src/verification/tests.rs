use super::*;
use crate::sampling::SamplingParams;

fn target() -> TargetSequence {
    let Ok(chain) = SamplingChain::new(SamplingParams::default()) else { unreachable!("defaults are valid") };
    TargetSequence::new(chain, 1, 10, 64)
}

fn request(seq: u32, held: &[TokenId], append: &[TokenId], draft: &[TokenId], level: f32) -> VerifyRequest {
    VerifyRequest {
        seq,
        base: held.len() as u32,
        base_check: PrefixHash::of(held),
        append: append.to_vec(),
        draft: draft.to_vec(),
        levels: vec![level; draft.len()],
        bonus: true,
        pipelined: false,
    }
}

fn uniform(ids: std::ops::Range<TokenId>) -> Distribution {
    Distribution::from_weights(ids.map(|id| (id, 1.0))).expect("positive weights")
}

fn run(target: &mut TargetSequence, request: &VerifyRequest, p: &Distribution) -> VerifyResponse {
    match target.admit(request).expect("admitted") {
        Admission::Decode(plan) => {
            target.complete(request, &plan, Timing::default(), |_, _| Ok(p.clone())).expect("judged")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_decodes_only_what_is_missing_and_asks_one_row_a_token_and_one_for_the_bonus() {
    let mut target = target();
    let first = request(1, &[], &[1, 2, 3], &[4, 5], 0.0);
    let Ok(Admission::Decode(plan)) = target.admit(&first) else { panic!("not admitted") };
    assert_eq!(plan, Plan { start: 0, tokens: vec![1, 2, 3, 4, 5], rows: 3 });
    let verdict = target.complete(&first, &plan, Timing::default(), |_, _| Ok(Distribution::point(6))).expect("judged");
    assert_eq!(verdict.outcome, Outcome::Accepted { bonus: Some(6) });
    assert_eq!(target.tokens(), [1, 2, 3, 4, 5, 6]);
    let Ok(Admission::Decode(plan)) = target.admit(&request(2, &[1, 2, 3, 4, 5, 6], &[], &[7], 0.0)) else {
        panic!("not admitted")
    };
    assert_eq!(plan, Plan { start: 5, tokens: vec![6, 7], rows: 2 });
}

#[test]
fn without_a_bonus_the_last_token_is_decoded_with_the_next_window() {
    let mut target = target();
    let first = VerifyRequest { bonus: false, ..request(1, &[], &[1], &[2, 3], 0.0) };
    let Ok(Admission::Decode(plan)) = target.admit(&first) else { panic!("not admitted") };
    assert_eq!(plan, Plan { start: 0, tokens: vec![1, 2], rows: 2 });
    target.complete(&first, &plan, Timing::default(), |_, _| Ok(uniform(0..10))).expect("judged");
    let next = VerifyRequest { pipelined: true, ..request(2, &[1, 2, 3], &[], &[4], 0.0) };
    let Ok(Admission::Decode(plan)) = target.admit(&next) else { panic!("not admitted") };
    assert_eq!(plan, Plan { start: 2, tokens: vec![3, 4], rows: 2 });
}

#[test]
fn a_repeated_request_gets_the_same_verdict_and_rolls_no_dice() {
    let mut target = target();
    let first = request(1, &[], &[1], &[2], 1.0);
    let verdict = run(&mut target, &first, &uniform(0..10));
    assert!(matches!(verdict.outcome, Outcome::Rejected { .. }));
    assert_eq!(target.admit(&first), Ok(Admission::Repeat(verdict)));
}

#[test]
fn after_a_rejection_only_the_accepted_tokens_are_held_and_more_draws_continue_the_same_stream() {
    let mut target = target();
    let mut first = request(1, &[], &[1], &[2, 3, 4], 0.0);
    first.levels[1] = 1.0;
    let verdict = run(&mut target, &first, &uniform(0..10));
    assert_eq!(target.tokens(), [1, 2]);
    assert_eq!(verdict.probs.len(), 2);
    let Outcome::Rejected { replacement: speculative::Replacement::Draws(given) } = verdict.outcome else {
        panic!("not draws")
    };
    let all = target.more_draws(&DrawsRequest { seq: 1, from: 0, count: 8 }).expect("draws");
    assert_eq!(all[..given.len()], given[..]);
    let rest = target
        .more_draws(&DrawsRequest { seq: 1, from: given.len() as u32, count: 8 - given.len() as u32 })
        .expect("draws");
    assert_eq!(all[given.len()..], rest[..]);
}

#[test]
fn a_window_sent_ahead_is_void_when_the_one_before_it_is_rejected_and_early_when_that_is_missing() {
    let mut target = target();
    let ahead = VerifyRequest { pipelined: true, ..request(2, &[1, 2, 3], &[], &[4], 0.0) };
    assert_eq!(target.admit(&ahead), Ok(Admission::Early));
    let first = VerifyRequest { bonus: false, ..request(1, &[], &[1], &[2, 3], 1.0) };
    run(&mut target, &first, &uniform(0..10));
    assert!(matches!(target.admit(&ahead), Ok(Admission::Void(_))));
}

#[test]
fn a_device_that_is_ahead_learns_what_is_held_and_one_that_differs_starts_over() {
    let mut target = target();
    run(&mut target, &request(1, &[], &[1, 2], &[], 0.0), &Distribution::point(3));
    let ahead = target.admit(&request(2, &[1, 2, 3, 4], &[], &[5], 0.0)).expect_err("desync");
    assert_eq!((ahead.code, ahead.held), (ErrorCode::Desync, Some(3)));
    let differs = target.admit(&request(2, &[1, 9], &[], &[5], 0.0)).expect_err("desync");
    assert_eq!((differs.code, differs.held), (ErrorCode::Desync, Some(0)));
}

#[test]
fn nonsense_is_refused() {
    let target = target();
    let code = |request: &VerifyRequest| target.admit(request).expect_err("refused").code;
    assert_eq!(code(&request(1, &[], &[1], &[99], 0.5)), ErrorCode::Malformed);
    assert_eq!(code(&request(1, &[], &[1], &[2], f32::NAN)), ErrorCode::Malformed);
    assert_eq!(code(&request(1, &[], &[1], &[2], 1.5)), ErrorCode::Malformed);
    assert_eq!(code(&request(1, &[], &[], &[2], 0.5)), ErrorCode::Malformed);
    assert_eq!(code(&VerifyRequest { levels: vec![], ..request(1, &[], &[1], &[2], 0.5) }), ErrorCode::Malformed);
    assert_eq!(code(&request(1, &[], &[1; 64], &[2], 0.5)), ErrorCode::TooLarge);
    assert_eq!(code(&request(1, &[], &[1], &[2; 300], 0.5)), ErrorCode::Malformed);
}
