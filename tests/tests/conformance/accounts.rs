//! Why the target was asked, how much of it was taken, and how much may be.

use uhlm_ffi::{
    Budget, Consent, Decision, ErrorKind, GenerationEvent, GenerationOptions, Goal, Mode, OfflinePolicy, Origin,
    SessionOptions, Totals, Why, totals_from_json, totals_sum, totals_to_json,
};
use uhlm_testing::served::Served;

use crate::support::{QUESTION, at_most, chat, drawing, engine, finished, in_time, reply, rest, verifier, wait};

fn explained(tokens: u32) -> GenerationOptions {
    GenerationOptions { explain: true, ..at_most(tokens) }
}

/// Returns the reason of each committed token, with its origin.
fn reasons(events: &[GenerationEvent]) -> Vec<(Why, Origin)> {
    let reason = |event: &GenerationEvent| match event {
        GenerationEvent::Committed { token, origin } => token.why.map(|why| (why, *origin)),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

fn patient(mode: Mode) -> SessionOptions {
    SessionOptions { mode: Some(mode), offline: Some(OfflinePolicy::Wait { seconds: 60.0 }), ..drawing() }
}

#[test]
fn each_token_says_why_it_was_asked_about() {
    let served = Served::start();
    let verifier = verifier(&served);
    let open = |options| wait(engine().open_session(Some(verifier.clone()), options, None)).expect("valid");
    let goal = Some(Goal::Threshold { uncertainty: 0.3 });
    let session = open(SessionOptions { goal, ..patient(Mode::Opportunistic) });
    let events = reply(&session, chat(QUESTION), explained(60));
    let reasons_told = reasons(&events);
    assert_eq!(reasons_told.len() as u64, finished(&events).2.tokens);
    for (why, origin) in &reasons_told {
        let expected = match origin {
            Origin::Draft => Decision::Passed,
            Origin::Verified => Decision::Agreed,
            Origin::Target if why.decision == Decision::Replaced => Decision::Replaced,
            Origin::Target => Decision::RanAhead,
            Origin::Unverified => Decision::Alone,
        };
        assert_eq!(why.decision, expected, "{origin:?}");
        if why.decision == Decision::Passed {
            assert!(why.threshold == Some(0.3) && why.uncertainty <= Some(0.3), "{why:?}");
        }
        assert_eq!(why.request.is_some(), matches!(origin, Origin::Verified | Origin::Target), "{why:?}");
    }
    let requests = reasons_told.iter().filter_map(|(why, _)| why.request).max();
    assert!(requests.is_some_and(|last| last <= finished(&events).2.requests), "{requests:?}");
    let exact = reasons(&reply(&open(patient(Mode::Exact)), chat(QUESTION), explained(60)));
    assert!(exact.iter().all(|(why, _)| why.pace.is_some() && why.threshold.is_none()), "{exact:?}");
    // Nobody asked for reasons.
    assert!(reasons(&reply(&session, chat(QUESTION), at_most(20))).is_empty());
}

#[test]
fn a_budget_bounds_what_is_taken_of_the_verifier() {
    let served = Served::start();
    let verifier = verifier(&served);
    let open = |budget: Budget, spent: Option<Totals>, offline| {
        let options = SessionOptions { budget, spent, offline: Some(offline), ..patient(Mode::Exact) };
        wait(engine().open_session(Some(verifier.clone()), options, None)).expect("valid")
    };
    let none = Budget { requests: None, bytes: None, target_passes: None };
    let limits = [
        Budget { requests: Some(3), ..none },
        Budget { bytes: Some(400), ..none },
        Budget { target_passes: Some(5), ..none },
        Budget { target_passes: Some(1), ..none },
    ];
    for budget in limits {
        let taken = || {
            let session = open(budget, None, OfflinePolicy::GoOn);
            let mut ends = Vec::new();
            for _ in 0..4 {
                let (_, text, statistics) = finished(&reply(&session, chat(QUESTION), at_most(60)));
                assert!(!text.is_empty());
                ends.push(statistics.budget_spent);
            }
            assert_eq!(ends.last(), Some(&true), "{budget:?}");
            let totals = session.totals().expect("open");
            assert!(totals.generations == 4 && totals.origins.unverified > 0, "{totals:?}");
            assert!(budget.requests.is_none_or(|most| totals.requests <= most), "{totals:?}");
            assert!(budget.target_passes.is_none_or(|most| totals.target_passes <= most), "{totals:?}");
            totals
        };
        // The passes are granted beforehand. The bytes of an answer count when they are heard.
        let totals =
            in_time(taken, |totals| budget.bytes.is_none_or(|most| totals.body_up + totals.body_down <= most + 400));
        // What the app gives back counts, and the policy to fail fails before anything is sent.
        let session = open(budget, Some(totals), OfflinePolicy::Fail);
        let outcome = rest(&session.start(chat(QUESTION), at_most(20)).expect("idle")).1;
        assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::BudgetSpent), "{budget:?}");
        assert_eq!(session.sent().expect("open").total_requests, 0);
    }
    let session = open(none, None, OfflinePolicy::GoOn);
    let (_, _, statistics) = finished(&reply(&session, chat(QUESTION), at_most(60)));
    assert!(!statistics.budget_spent && statistics.origins.unverified == 0, "{statistics:?}");
    assert_eq!(statistics.requests, session.sent().expect("open").total_requests);
}

#[test]
fn a_dry_run_tells_what_would_be_asked_and_sends_nothing() {
    let served = Served::start();
    let verifier = verifier(&served);
    let options = SessionOptions {
        consent: Some(Consent::Withheld),
        goal: Some(Goal::Threshold { uncertainty: 0.3 }),
        ..patient(Mode::Opportunistic)
    };
    let session = wait(engine().open_session(Some(verifier), options, None)).expect("valid");
    let dry = GenerationOptions { dry_run: true, seed: Some(5), ..explained(60) };
    let events = reply(&session, chat(QUESTION), dry.clone());
    let (_, text, statistics) = finished(&events);
    for (why, origin) in reasons(&events) {
        let asks = why.uncertainty > Some(0.3);
        let expected = if asks { (Decision::Alone, Origin::Unverified) } else { (Decision::Passed, Origin::Draft) };
        assert_eq!((why.decision, origin), expected, "{why:?}");
    }
    assert!(statistics.origins.unverified > 0 && statistics.origins.draft > 0, "{statistics:?}");
    assert_eq!((statistics.requests, session.sent().expect("open").total_requests), (0, 0));
    // The text is that of the device alone, and in the mode `exact` everything would be asked about.
    session.reset().expect("idle");
    let alone = GenerationOptions { mode: Some(Mode::DeviceOnly), seed: Some(5), ..at_most(60) };
    assert_eq!(finished(&reply(&session, chat(QUESTION), alone)).1, text);
    session.reset().expect("idle");
    let exact = GenerationOptions { mode: Some(Mode::Exact), ..dry };
    let (_, _, statistics) = finished(&reply(&session, chat(QUESTION), exact));
    assert_eq!(statistics.origins.unverified, statistics.tokens);
}

#[test]
fn totals_add_up_and_can_be_kept() {
    let options = SessionOptions { mode: Some(Mode::DeviceOnly), ..drawing() };
    let session = wait(engine().open_session(None, options, None)).expect("valid");
    assert_eq!(session.totals().expect("open"), Totals::default());
    let replies: Vec<_> = (0..2).map(|_| finished(&reply(&session, chat(QUESTION), at_most(20))).2).collect();
    let totals = session.totals().expect("open");
    let sum = |of: fn(&uhlm_ffi::Statistics) -> u64| replies.iter().map(of).sum::<u64>();
    assert_eq!((totals.generations, totals.drafted), (2, sum(|statistics| statistics.drafted)));
    assert_eq!(totals.prompt_tokens, sum(|statistics| statistics.prompt_tokens));
    let json = totals_to_json(totals);
    assert_eq!(totals_from_json(json).expect("what was written"), totals);
    assert_eq!(totals_sum(totals, totals).drafted, 2 * totals.drafted);
    let refused = totals_from_json("no json".into()).err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::InvalidOptions));
}
