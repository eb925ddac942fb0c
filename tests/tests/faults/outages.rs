//! A verifier that fails, for every policy and at every moment.

use std::time::{Duration, Instant};

use uhlm_core::verifier::VerifierError;
use uhlm_core::{
    DraftAhead, Event, FinishReason, GenerationError, LinkCause, LinkConfig, LinkState, Mode, OfflinePolicy, Origin,
    SessionOptions,
};
use uhlm_law::advance::{EndReason, ErrorBody, ErrorCode, Frame, PrefixHash, Text};
use uhlm_law::digest::Digest;
use uhlm_law::window::CloseRule;
use uhlm_testing::faulty::{Fate, Faulty, Kind, Seen};
use uhlm_testing::synthetic::SyntheticModel;

use crate::support::{LONG, SHORT, consume, faulty, impatient, options, outage, session, start, unreachable};

const TOKENS: usize = 150;

/// Moments of a judged reply at which a call fails.
const MOMENTS: [(Kind, usize); 4] = [(Kind::Open, 0), (Kind::Advance, 0), (Kind::Advance, 1), (Kind::Advance, 4)];

fn wait() -> OfflinePolicy {
    OfflinePolicy::Wait(LONG)
}

fn refused(code: ErrorCode) -> VerifierError {
    VerifierError::Refused(ErrorBody { code, reason: "no".into(), held: None })
}

/// Asserts that the session writes a second reply, with everything in order.
fn assert_usable(verifier: &Faulty, session: &uhlm_core::Session) {
    verifier.mend();
    let next = consume(start(session, 40));
    let statistics = next.complete(40);
    assert!(statistics.origins.verified + statistics.origins.target > 0);
}

fn goes_on(mode: Mode, kind: Kind, index: usize, fate: Fate, options: SessionOptions) {
    let verifier = faulty();
    let breaks = matches!(fate, Fate::BreakAfter(..));
    outage(&verifier, kind, index, 4, fate);
    let session = session(&verifier, options);
    let reply = consume(start(&session, TOKENS));
    let statistics = reply.complete(TOKENS);
    assert!(statistics.origins.unverified > 0, "{mode:?} {kind:?} {:?}", statistics.origins);
    assert_eq!(reply.states().first(), Some(&LinkState::Degraded));
    // A stream that breaks half-way begins well each time.
    assert!(reply.states().contains(&LinkState::Offline) || breaks);
    reply.assert_recovered();
    if mode != Mode::Opportunistic {
        reply.assert_marks();
    }
    verifier.mend();
    let next = consume(start(&session, 40));
    assert_eq!(next.complete(40).origins.unverified, 0);
    assert!(next.states().is_empty());
}

#[test]
fn a_reply_goes_on_alone_and_is_judged_again_once_the_verifier_is_back() {
    for (kind, index) in MOMENTS {
        let options = options(Mode::Exact, OfflinePolicy::GoOn);
        goes_on(Mode::Exact, kind, index, Fate::Fail(unreachable()), options);
    }
}

#[test]
fn an_opportunistic_reply_goes_on_alone_and_is_judged_again_once_the_verifier_is_back() {
    for (kind, index) in [(Kind::Open, 0), (Kind::Advance, 0), (Kind::Advance, 3)] {
        let options = options(Mode::Opportunistic, OfflinePolicy::GoOn);
        goes_on(Mode::Opportunistic, kind, index, Fate::Fail(unreachable()), options);
    }
}

#[test]
fn a_remote_only_reply_goes_on_alone_and_is_written_by_the_target_again_once_it_is_back() {
    let options = || SessionOptions { ..options(Mode::RemoteOnly, OfflinePolicy::GoOn) };
    goes_on(Mode::RemoteOnly, Kind::Open, 0, Fate::Fail(unreachable()), options());
    goes_on(Mode::RemoteOnly, Kind::Advance, 0, Fate::Fail(unreachable()), options());
    goes_on(Mode::RemoteOnly, Kind::Advance, 0, Fate::BreakAfter(5, unreachable()), options());
}

#[test]
fn a_reply_goes_on_alone_when_answers_are_lost_after_they_were_given() {
    for (kind, index) in MOMENTS {
        goes_on(Mode::Exact, kind, index, Fate::LoseReply(unreachable()), options(Mode::Exact, OfflinePolicy::GoOn));
    }
}

#[test]
fn a_reply_goes_on_alone_with_several_windows_in_flight() {
    let options = SessionOptions {
        draft_ahead: DraftAhead::Pipelined(3),
        close: CloseRule::Fixed(3),
        ..options(Mode::Exact, OfflinePolicy::GoOn)
    };
    goes_on(Mode::Exact, Kind::Advance, 3, Fate::Fail(unreachable()), options.clone());
    goes_on(Mode::Exact, Kind::Advance, 3, Fate::LoseReply(unreachable()), options);
}

#[test]
fn replies_shorter_than_the_way_to_the_verifier_bring_it_back_all_the_same() {
    let verifier = faulty();
    let session = session(&verifier, options(Mode::Exact, OfflinePolicy::GoOn));
    consume(start(&session, 20)).complete(20);
    verifier.set(|_| Fate::Fail(unreachable()));
    while session.status().link == LinkState::Online {
        consume(start(&session, 20)).complete(20);
    }
    // The server is back, and each verdict takes far longer than one of these replies.
    let slow = Duration::from_millis(300);
    verifier.set(move |_| Fate::Delay(slow));
    let began = Instant::now();
    while session.status().link != LinkState::Online {
        assert!(began.elapsed() < LONG, "{:?}", session.status());
        session.reset().expect("idle");
        let reply = consume(start(&session, 4));
        let (elapsed, came_back) = (reply.complete(4).elapsed, !reply.states().is_empty());
        assert!(elapsed < slow || came_back, "alone, it waits for nobody: {elapsed:?}");
    }
    assert_usable(&verifier, &session);
}

#[test]
fn a_black_hole_is_noticed_at_the_deadline_and_left_to_the_policy() {
    for (kind, index) in [(Kind::Open, 0), (Kind::Advance, 2)] {
        for policy in [OfflinePolicy::GoOn, wait()] {
            let verifier = faulty();
            // One that is lost may be made up for by the next: the drafts in flight go on.
            outage(&verifier, kind, index, 3, Fate::Swallow);
            let session = session(&verifier, SessionOptions { link: impatient(), ..options(Mode::Exact, policy) });
            let reply = consume(start(&session, TOKENS));
            let statistics = reply.complete(TOKENS);
            assert!(reply.states().contains(&LinkState::Degraded), "{kind:?} {policy:?}");
            if policy == OfflinePolicy::GoOn {
                assert!(statistics.origins.unverified > 0);
            } else {
                assert_eq!(statistics.origins.unverified, 0);
            }
            // A device that writes alone does not wait for the attempt that is under way.
            verifier.mend();
            crate::support::eventually("it is judged again", || {
                consume(start(&session, 40)).complete(40).origins.unverified == 0
            });
        }
    }
}

#[test]
fn a_slow_answer_within_the_deadline_is_no_failure() {
    let verifier = faulty();
    outage(&verifier, Kind::Advance, 1, 2, Fate::Delay(Duration::from_millis(60)));
    let session = session(&verifier, options(Mode::Exact, OfflinePolicy::Fail));
    let reply = consume(start(&session, TOKENS));
    assert_eq!(reply.complete(TOKENS).origins.unverified, 0);
    assert!(reply.states().is_empty());
}

#[test]
fn a_waiting_reply_comes_back_without_an_unverified_token() {
    for mode in [Mode::Exact, Mode::Opportunistic] {
        for (kind, index) in MOMENTS {
            for fate in [Fate::Fail(unreachable()), Fate::LoseReply(unreachable())] {
                let verifier = faulty();
                outage(&verifier, kind, index, 4, fate);
                let session = session(&verifier, options(mode, wait()));
                let reply = consume(start(&session, TOKENS));
                assert_eq!(reply.complete(TOKENS).origins.unverified, 0, "{mode:?} {kind:?} {index}");
                reply.assert_recovered();
            }
        }
    }
}

#[test]
fn a_waiting_remote_only_reply_comes_back() {
    for (kind, fate) in [
        (Kind::Open, Fate::Fail(unreachable())),
        (Kind::Advance, Fate::Fail(unreachable())),
        (Kind::Advance, Fate::BreakAfter(5, unreachable())),
    ] {
        let verifier = faulty();
        outage(&verifier, kind, 0, 3, fate);
        let session = session(&verifier, options(Mode::RemoteOnly, wait()));
        let reply = consume(start(&session, TOKENS));
        assert_eq!(reply.complete(TOKENS).origins.target, TOKENS as u64);
        reply.assert_recovered();
    }
}

#[test]
fn waiting_ends_at_its_limit_with_what_was_committed_kept() {
    let limit = Duration::from_millis(300);
    let moments = MOMENTS.map(|(kind, index)| (Mode::Exact, kind, index));
    let remote = [(Mode::RemoteOnly, Kind::Open, 0), (Mode::RemoteOnly, Kind::Advance, 0)];
    for (mode, kind, index) in moments.into_iter().chain(remote) {
        let verifier = faulty();
        outage(&verifier, kind, index, usize::MAX, Fate::Fail(unreachable()));
        let session = session(&verifier, options(mode, OfflinePolicy::Wait(limit)));
        let began = Instant::now();
        let reply = consume(start(&session, TOKENS));
        assert_eq!(*reply.error(), GenerationError::Offline { cause: unreachable() }, "{mode:?} {kind:?}");
        assert!(began.elapsed() >= limit);
        let kept = session.messages().last().map(|message| message.content.clone()).unwrap_or_default();
        assert_eq!(kept, reply.text, "{mode:?} {kind:?}");
        // The next one waits from its own beginning.
        let again = consume(start(&session, TOKENS));
        assert!(matches!(again.error(), GenerationError::Offline { .. }));
        assert_usable(&verifier, &session);
    }
}

#[test]
fn failing_is_immediate_and_typed_at_every_moment() {
    let moments = MOMENTS.map(|(kind, index)| (Mode::Exact, kind, index));
    let remote = [(Mode::RemoteOnly, Kind::Open, 0), (Mode::RemoteOnly, Kind::Advance, 0)];
    for (mode, kind, index) in moments.into_iter().chain(remote) {
        let verifier = faulty();
        outage(&verifier, kind, index, 1, Fate::Fail(unreachable()));
        let session = session(&verifier, options(mode, OfflinePolicy::Fail));
        let reply = consume(start(&session, TOKENS));
        assert_eq!(*reply.error(), GenerationError::Offline { cause: unreachable() }, "{mode:?} {kind:?}");
        assert_eq!(reply.states(), [LinkState::Degraded]);
        assert!(reply.events.iter().all(|e| !matches!(e, Event::Committed { origin: Origin::Unverified, .. })));
        assert_eq!(verifier.count(Kind::Open), 1, "nothing is tried again");
        // Until its pause is over the link is not tried, and the answer is the same at once.
        crate::support::eventually("the pause is over", || match consume(start(&session, 10)).outcome {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, GenerationError::Offline { cause: unreachable() });
                false
            }
        });
        assert_usable(&verifier, &session);
    }
}

#[test]
fn an_evicted_session_is_opened_again_and_nothing_is_lost() {
    for (mode, kind, index) in [
        (Mode::Exact, Kind::Advance, 0),
        (Mode::Exact, Kind::Advance, 1),
        (Mode::Exact, Kind::Advance, 4),
        (Mode::Opportunistic, Kind::Advance, 1),
    ] {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let verifier = faulty();
            let evicting = std::sync::Arc::downgrade(&verifier);
            verifier.set(move |seen| {
                if seen.kind == kind
                    && seen.index == index
                    && let Some(verifier) = evicting.upgrade()
                {
                    verifier.evict();
                }
                Fate::Pass
            });
            let session = session(&verifier, options(mode, policy));
            let reply = consume(start(&session, TOKENS));
            let statistics = reply.complete(TOKENS);
            assert_eq!((statistics.opens, statistics.origins.unverified), (2, 0), "{kind:?} {index}");
            assert!(reply.states().is_empty());
        }
    }
}

#[test]
fn an_evicted_session_is_opened_again_for_a_continuation_and_for_the_next_reply() {
    let verifier = faulty();
    let session = session(&verifier, options(Mode::RemoteOnly, OfflinePolicy::Fail));
    verifier.set(|seen| match seen {
        Seen { kind: Kind::Advance, index: 0, .. } => Fate::BreakAfter(7, VerifierError::SessionGone),
        _ => Fate::Pass,
    });
    assert_eq!(consume(start(&session, TOKENS)).complete(TOKENS).opens, 2);
    verifier.evict();
    assert_eq!(consume(start(&session, TOKENS)).complete(TOKENS).opens, 1);
}

#[test]
fn a_desynchronised_verifier_gets_the_missing_tokens() {
    for held in [0, 2, 1000] {
        let verifier = faulty();
        outage(&verifier, Kind::Advance, 2, 1, Fate::Fail(VerifierError::Desync { held }));
        let session = session(&verifier, options(Mode::Exact, OfflinePolicy::Fail));
        let reply = consume(start(&session, TOKENS));
        let statistics = reply.complete(TOKENS);
        assert_eq!((statistics.opens, statistics.resent), (1, 1));
    }
}

#[test]
fn desynchronisation_without_end_is_left_to_the_policy() {
    for error in [VerifierError::Desync { held: 0 }, VerifierError::SessionGone] {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Wait(Duration::from_millis(200)), OfflinePolicy::Fail] {
            let verifier = faulty();
            let astray = error.clone();
            verifier.set(move |seen| if seen.kind == Kind::Open { Fate::Pass } else { Fate::Fail(astray.clone()) });
            let session = session(&verifier, options(Mode::Exact, policy));
            let reply = consume(start(&session, 60));
            if policy == OfflinePolicy::GoOn {
                assert_eq!(reply.complete(60).origins.unverified, 60);
            } else {
                assert_eq!(*reply.error(), GenerationError::Offline { cause: error.clone() });
            }
            assert!(verifier.count(Kind::Open) < 60, "{} sessions", verifier.count(Kind::Open));
            // A session that is gone needs no closing.
            assert!(verifier.left_open() <= 1 || error == VerifierError::SessionGone);
        }
    }
}

#[test]
fn a_busy_verifier_is_left_alone_for_as_long_as_it_asks() {
    let pause = Duration::from_millis(250);
    for (kind, policy) in [(Kind::Open, wait()), (Kind::Advance, wait()), (Kind::Advance, OfflinePolicy::GoOn)] {
        let verifier = faulty();
        let times = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let (seen_at, mut busy) = (std::sync::Arc::clone(&times), false);
        verifier.set(move |seen| {
            if busy || seen.kind == kind {
                seen_at.lock().expect("no panic").push(Instant::now());
            }
            if seen.kind == kind && !busy {
                busy = true;
                Fate::Fail(VerifierError::Busy { retry_after: Some(pause) })
            } else {
                Fate::Pass
            }
        });
        let session = session(&verifier, options(Mode::Exact, policy));
        consume(start(&session, TOKENS)).complete(TOKENS);
        let times = times.lock().expect("no panic");
        assert!(times[1] - times[0] >= pause, "asked again after {:?}", times[1] - times[0]);
    }
}

#[test]
fn another_vocabulary_is_refused_before_the_first_token() {
    let other = SyntheticModel { other_vocabulary: true, ..SyntheticModel::target() };
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let verifier = Faulty::new(other.verifier(|config| config));
        let reply = consume(start(&session(&verifier, options(mode, OfflinePolicy::GoOn)), TOKENS));
        assert!(matches!(reply.error(), GenerationError::VocabularyMismatch { .. }), "{:?}", reply.outcome);
        assert!(reply.origins().is_empty());
    }
    let liar = faulty();
    liar.set(|_| Fate::AlterOpened(|opened| opened.info.vocabulary = Digest([0; 32])));
    let reply = consume(start(&session(&liar, options(Mode::Exact, OfflinePolicy::GoOn)), TOKENS));
    assert!(matches!(reply.error(), GenerationError::VocabularyMismatch { .. }));
    assert!(reply.origins().is_empty());
    crate::support::eventually("the useless session is closed", || liar.count(Kind::Open) == 1);
}

#[test]
fn refusals_end_a_reply_typed_with_its_text_kept_and_the_session_usable() {
    type Check = fn(&GenerationError) -> bool;
    let cases: [(VerifierError, Check); 4] = [
        (VerifierError::Unauthorized, |e| *e == GenerationError::Unauthorized),
        (VerifierError::Untrusted { reason: "expired".into() }, |e| {
            *e == GenerationError::Untrusted { reason: "expired".into() }
        }),
        (refused(ErrorCode::Malformed), |e| *e == GenerationError::Refused { reason: "no".into() }),
        (refused(ErrorCode::TooLarge), |e| *e == GenerationError::Refused { reason: "no".into() }),
    ];
    for (error, is_right) in cases {
        for (mode, kind, index) in
            [(Mode::Exact, Kind::Open, 0), (Mode::Exact, Kind::Advance, 3), (Mode::RemoteOnly, Kind::Advance, 0)]
        {
            for policy in [OfflinePolicy::GoOn, wait(), OfflinePolicy::Fail] {
                let verifier = faulty();
                let fate = if mode == Mode::RemoteOnly {
                    Fate::BreakAfter(5, error.clone())
                } else {
                    Fate::Fail(error.clone())
                };
                outage(&verifier, kind, index, 1, fate);
                let session = session(&verifier, options(mode, policy));
                let reply = consume(start(&session, TOKENS));
                assert!(is_right(reply.error()), "{error:?} {kind:?}: {:?}", reply.outcome);
                let kept = session.messages().last().map(|message| message.content.clone()).unwrap_or_default();
                assert_eq!(kept, reply.text);
                verifier.mend();
                crate::support::eventually("usable again", || {
                    let next = consume(start(&session, 40));
                    let Ok((reason, _, statistics)) = next.outcome else { return false };
                    reason == FinishReason::MaxTokens && statistics.origins.unverified == 0
                });
            }
        }
    }
}

#[test]
fn an_internal_failure_of_the_target_is_left_to_the_policy() {
    goes_on(
        Mode::Exact,
        Kind::Advance,
        2,
        Fate::Fail(refused(ErrorCode::Internal)),
        options(Mode::Exact, OfflinePolicy::GoOn),
    );
}

/// Returns a text that begins at `pos`, for answers that no verifier gives.
fn text(pos: u32) -> Frame {
    Frame::Text(Text {
        pos,
        check: PrefixHash::of(&[7]).short(),
        ids: vec![1],
        passes: 1,
        pass_us: None,
        queue_us: None,
        rows: None,
        labels: None,
    })
}

fn foreign_ids(frame: &mut Frame) {
    if let Frame::Text(text) = frame {
        text.ids.iter_mut().for_each(|id| *id = u32::MAX);
    }
}

fn another_place(frame: &mut Frame) {
    if let Frame::Text(text) = frame {
        text.check = PrefixHash::of(&[7]).short();
    }
}

#[test]
fn nonsense_is_not_used_and_is_left_to_the_policy() {
    let nonsense: [(Fate, bool); 4] = [
        (Fate::AlterFrames(foreign_ids), false),
        // Where the place does not agree, the device says again what it has.
        (Fate::AlterFrames(another_place), true),
        (Fate::Frames(vec![text(1_000_000)]), false),
        (Fate::Frames(vec![text(0), text(0)]), false),
    ];
    for (fate, is_made_good) in nonsense {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let verifier = faulty();
            outage(&verifier, Kind::Advance, 1, 1, fate.clone());
            let session = session(&verifier, options(Mode::Exact, policy));
            let reply = consume(start(&session, TOKENS));
            if is_made_good {
                assert_eq!(reply.complete(TOKENS).origins.unverified, 0, "{fate:?}");
            } else if policy == OfflinePolicy::GoOn {
                reply.complete(TOKENS);
                assert_eq!(reply.states().first(), Some(&LinkState::Degraded), "{fate:?}");
                reply.assert_recovered();
            } else {
                let error = reply.error();
                let invalid = matches!(error, GenerationError::Offline { cause: VerifierError::InvalidAnswer { .. } });
                assert!(invalid, "{fate:?} {error:?}");
            }
        }
    }
}

#[test]
fn an_end_that_the_text_does_not_have_ends_no_reply() {
    for reason in [EndReason::Max, EndReason::Eog, EndReason::Stop] {
        for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let verifier = faulty();
            outage(&verifier, Kind::Advance, 1, 1, Fate::Frames(vec![Frame::End(reason)]));
            let session = session(&verifier, options(Mode::Exact, policy));
            let reply = consume(start(&session, TOKENS));
            // Where more is on its way the device says again what it has; otherwise it takes the answer for a failure.
            match &reply.outcome {
                Ok(_) => assert!(reply.complete(TOKENS).tokens() > 0),
                Err(GenerationError::Offline { cause: VerifierError::InvalidAnswer { .. } }) => {
                    assert_eq!(policy, OfflinePolicy::Fail, "{reason:?}");
                }
                Err(error) => panic!("{reason:?}: {error:?}"),
            }
        }
    }
}

/// Returns the states of the link that were told, with their causes.
fn told(reply: &crate::support::Record) -> Vec<(LinkState, Option<LinkCause>)> {
    let state = |event: &Event| if let Event::State { link, cause } = event { Some((*link, *cause)) } else { None };
    reply.events.iter().filter_map(state).collect()
}

#[test]
fn a_busy_verifier_is_told_apart_from_one_that_is_out_of_reach() {
    let busy = VerifierError::Busy { retry_after: Some(Duration::from_millis(100)) };
    for (error, cause) in [(busy, LinkCause::Busy), (unreachable(), LinkCause::Unreachable)] {
        let verifier = faulty();
        outage(&verifier, Kind::Advance, 1, 1, Fate::Fail(error));
        let session = session(&verifier, options(Mode::Exact, OfflinePolicy::GoOn));
        let reply = consume(start(&session, TOKENS));
        assert_eq!(told(&reply), [(LinkState::Degraded, Some(cause)), (LinkState::Online, None)]);
        reply.assert_marks();
        reply.assert_recovered();
    }
}

#[test]
fn a_device_that_may_go_on_alone_does_not_stand_still_until_a_busy_verifier_has_room() {
    let verifier = faulty();
    let busy = VerifierError::Busy { retry_after: Some(LONG) };
    outage(&verifier, Kind::Advance, 1, usize::MAX, Fate::Fail(busy));
    let session = session(&verifier, options(Mode::Exact, OfflinePolicy::GoOn));
    let began = Instant::now();
    let reply = consume(start(&session, TOKENS));
    assert!(reply.complete(TOKENS).origins.unverified > 0);
    assert!(began.elapsed() < LONG, "it took {:?}", began.elapsed());
    // An answer that was on its way may bring it back for a moment.
    let told = told(&reply);
    assert_eq!(told.first(), Some(&(LinkState::Degraded, Some(LinkCause::Busy))));
    assert!(told.iter().all(|(link, cause)| *link == LinkState::Online || *cause == Some(LinkCause::Busy)), "{told:?}");
    reply.assert_marks();
}

#[test]
fn a_verifier_is_back_only_where_it_was_said_to_be_away() {
    let verifier = faulty();
    let options = options(Mode::Exact, OfflinePolicy::GoOn);
    // Long enough for a reply to end before the next attempt.
    let pause = Duration::from_millis(400);
    let link = LinkConfig { back_off: pause, max_back_off: pause, ..options.link.clone() };
    let session = session(&verifier, SessionOptions { link, ..options });
    consume(start(&session, 20)).complete(20);
    outage(&verifier, Kind::Advance, 0, usize::MAX, Fate::Fail(unreachable()));
    let away = consume(start(&session, 20));
    assert_eq!(told(&away).first(), Some(&(LinkState::Degraded, Some(LinkCause::Unreachable))));
    away.assert_marks();
    // Known to be away: said again, before anything unverified.
    let again = consume(start(&session, 20));
    let first = again.events.iter().find(|event| !matches!(event, Event::Provisional(_)));
    assert!(matches!(first, Some(Event::State { link, .. }) if *link != LinkState::Online), "{first:?}");
    again.assert_marks();
    verifier.mend();
    crate::support::eventually("it is back", || {
        let reply = consume(start(&session, 20));
        reply.assert_marks();
        told(&reply).last() == Some(&(LinkState::Online, None))
    });
    let after = consume(start(&session, 20));
    assert_eq!((told(&after), after.complete(20).origins.unverified), (vec![], 0));
}

#[test]
fn silence_has_a_grace_in_which_a_verifier_that_comes_back_costs_no_token() {
    for policy in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
        let verifier = faulty();
        let link = LinkConfig { grace: LONG, ..impatient() };
        let session = session(&verifier, SessionOptions { link, ..options(Mode::Exact, policy) });
        consume(start(&session, 20)).complete(20);
        outage(&verifier, Kind::Advance, 0, 3, Fate::Swallow);
        let reply = consume(start(&session, TOKENS));
        assert_eq!(reply.complete(TOKENS).origins.unverified, 0, "{policy:?}");
        let states = told(&reply);
        assert_eq!(states.first(), Some(&(LinkState::Degraded, Some(LinkCause::TimedOut))), "{policy:?}");
        assert_eq!(states.last(), Some(&(LinkState::Online, None)), "{policy:?}");
    }
}

#[test]
fn after_its_grace_silence_is_left_to_the_policy() {
    let grace = Duration::from_millis(300);
    for policy in [OfflinePolicy::GoOn, OfflinePolicy::Wait(Duration::from_millis(600)), OfflinePolicy::Fail] {
        let verifier = faulty();
        let session = session(
            &verifier,
            SessionOptions { link: LinkConfig { grace, ..impatient() }, ..options(Mode::Exact, policy) },
        );
        consume(start(&session, 20)).complete(20);
        outage(&verifier, Kind::Advance, 0, usize::MAX, Fate::Swallow);
        let began = Instant::now();
        let reply = consume(start(&session, TOKENS));
        assert!(began.elapsed() >= SHORT + grace, "{policy:?}: after {:?}", began.elapsed());
        if policy == OfflinePolicy::GoOn {
            assert_eq!(reply.complete(TOKENS).origins.unverified, TOKENS as u64);
            reply.assert_marks();
        } else {
            let error = reply.error();
            let timed_out = matches!(error, GenerationError::Offline { cause: VerifierError::DeadlineExceeded { .. } });
            assert!(timed_out, "{policy:?} {error:?}");
        }
    }
}
