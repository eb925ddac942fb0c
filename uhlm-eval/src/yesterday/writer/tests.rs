use uhlm_law::rng::{Rng, Stream};

use super::super::facts::Fact;
use super::*;
use crate::billing::Billing;
use crate::pair::ComputeTimes;

/// Rule of windows by the cost model under shared noise.
const SESSION: Rule = Rule { guesses_apart: false, ..Rule::YESTERDAY };

const TIMES: ComputeTimes = ComputeTimes { draft_ms: 10.0, target_ms: 100.0, target_per_token_ms: 0.0 };

/// Link of 50 ms on which bytes take no time.
const LINK: Link = Link { round_trip: 0.05, up: f64::INFINITY, down: f64::INFINITY, billing: Billing::PAPER };

fn fact(accepted: bool) -> Fact {
    let draft = Draft { u: 0.5, q: 0.5, beta: f64::from(u8::from(!accepted)) };
    Fact { accepted, draft, astray: draft, guessed: accepted, guess: draft, refills: 0 }
}

fn facts(fates: &[bool]) -> Facts {
    Facts {
        positions: fates.iter().map(|&accepted| fact(accepted)).collect(),
        prompt: 7,
        ends: true,
        limit: fates.len() + 20,
    }
}

fn write(rule: Rule, facts: &Facts) -> Written {
    let costs = PassCosts { further_draft: 0.5, ..PassCosts::from(TIMES) };
    Writer::new(rule, &costs, LINK, std::slice::from_ref(facts)).write(facts)
}

fn ms(written: &Written) -> f64 {
    (written.seconds * 1e6).round() / 1e3
}

#[test]
fn one_token_takes_the_prompt_a_round_trip_and_a_pass() {
    for rule in [Rule::YESTERDAY, SESSION] {
        let written = write(rule, &facts(&[true]));
        assert_eq!((ms(&written), written.passes, written.requests, written.drafted), (160.0, 1, 1, 1));
        assert_eq!(written.body_up, 12 + 3 * 7 + 7);
    }
}

#[test]
fn a_rejected_token_is_replaced_and_asks_for_more_draws_where_they_run_out() {
    let rejected = Facts { limit: 1, ..facts(&[false]) };
    assert_eq!(ms(&write(Rule::YESTERDAY, &rejected)), 160.0);
    let mut exhausted = rejected.clone();
    exhausted.positions[0].refills = 2;
    let written = write(Rule::YESTERDAY, &exhausted);
    assert_eq!((ms(&written), written.passes, written.requests), (260.0, 1, 3));
    assert_eq!(ms(&write(SESSION, &exhausted)), 160.0, "under shared noise the target's token is there");
}

#[test]
fn a_guess_that_fails_takes_back_what_rests_on_it() {
    let right = facts(&[true; 60]);
    let mut wrong = right.clone();
    wrong.positions.iter_mut().for_each(|fact| fact.guessed = false);
    let rule = Rule::YESTERDAY;
    assert!(write(rule, &wrong).seconds > 1.1 * write(rule, &right).seconds);
    assert!(write(rule, &wrong).drafted > write(rule, &right).drafted);
    let session = SESSION;
    assert_eq!(write(session, &wrong), write(session, &right), "which guesses nothing apart");
}

#[test]
fn every_reply_is_written_whole_whatever_its_fates() {
    let mut dice = Rng::new(11, Stream::Simulation);
    for round in 0..300 {
        let share = dice.uniform();
        let fates: Vec<bool> = (0..1 + round % 90).map(|_| dice.uniform() < share).collect();
        let mut facts = facts(&fates);
        facts.ends = round % 2 == 0;
        facts.limit = if facts.ends { facts.limit } else { fates.len() };
        for rule in [Rule::YESTERDAY, SESSION] {
            let written = write(rule, &facts);
            let (rejected, n) = (fates.iter().filter(|accepted| !**accepted).count(), fates.len());
            assert_eq!(written.tokens, n);
            // A pass brings at least one token, and at most a window and one more.
            assert!(written.passes <= n && written.passes * 17 >= n, "{written:?}");
            assert!(written.requests >= written.passes && written.drafted + written.passes >= n);
            assert!(written.passes as f64 * 0.1 < written.seconds && rejected <= n);
            let slowest = 0.02 + n as f64 * (0.15 + 0.03);
            assert!(written.seconds < slowest, "{written:?} after {slowest}");
        }
    }
}

#[test]
fn better_drafts_are_faster_and_a_faster_target_too() {
    let fates = |every: usize| (0..60).map(|i| i % every > 0).collect::<Vec<_>>();
    let (poor, good) = (write(Rule::YESTERDAY, &facts(&fates(2))), write(Rule::YESTERDAY, &facts(&fates(12))));
    assert!(good.seconds < 0.7 * poor.seconds && good.passes < poor.passes);
    let costs = PassCosts::from(ComputeTimes { target_ms: 20.0, ..TIMES });
    let facts = facts(&fates(12));
    let fast = Writer::new(Rule::YESTERDAY, &costs, LINK, std::slice::from_ref(&facts)).write(&facts);
    assert!(fast.seconds < 0.8 * good.seconds);
}
