use uhlm_law::advance::ErrorBody;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn link() -> (Link, Instant) {
    (Link::new(LinkConfig { seed: 7, ..LinkConfig::default() }), Instant::now())
}

fn exchange(round_trip_ms: u32, queue_ms: u32, decode_ms: u32, rows: usize) -> Exchange {
    Exchange {
        elapsed: MS * (round_trip_ms + queue_ms + decode_ms),
        queue: MS * queue_ms,
        pass: MS * decode_ms,
        rows,
        attempts: 1,
    }
}

fn unreachable() -> VerifierError {
    VerifierError::Unreachable { reason: "reset".into() }
}

#[test]
fn the_round_trip_is_the_time_that_the_verifier_did_not_spend() {
    let (mut link, _) = link();
    for _ in 0..50 {
        link.on_answer(&exchange(80, 5, 30, 4));
    }
    let measured = link.round_trip().expect("measured");
    assert!((79..=81).contains(&measured.as_millis()), "{measured:?}");
}

#[test]
fn retried_exchanges_do_not_count_as_round_trips() {
    let (mut link, _) = link();
    link.on_answer(&Exchange { attempts: 2, ..exchange(5000, 0, 10, 1) });
    assert_eq!(link.round_trip(), None);
}

#[test]
fn decode_time_is_fitted_as_a_line_over_the_tokens() {
    let (mut link, _) = link();
    for n in [1, 4, 8, 2, 6, 3, 8, 1] {
        link.on_answer(&exchange(20, 0, 100 + 5 * n, n as usize));
    }
    let (t0, t1) = link.decode_time().expect("fitted");
    assert!((t0.as_secs_f64() - 0.1).abs() < 1e-6 && (t1.as_secs_f64() - 0.005).abs() < 1e-6, "{t0:?} {t1:?}");
}

#[test]
fn windows_of_one_length_give_their_mean_and_never_a_negative_time() {
    let (mut link, _) = link();
    for ms in [100, 110, 90] {
        link.on_answer(&exchange(20, 0, ms, 5));
    }
    assert_eq!(link.decode_time().map(|(_, slope)| slope), Some(Duration::ZERO));
    for n in [1, 100] {
        link.on_answer(&exchange(20, 0, 200 / n, n as usize));
    }
    let (t0, t1) = link.decode_time().expect("fitted");
    assert!(t0 > Duration::ZERO && t1 == Duration::ZERO);
}

#[test]
fn the_fit_follows_a_verifier_that_becomes_slower() {
    let (mut link, _) = link();
    for n in (0..200).map(|i| 1 + i % 8) {
        link.on_answer(&exchange(20, 0, 50, n));
    }
    for n in (0..300).map(|i| 1 + i % 8) {
        link.on_answer(&exchange(20, 0, 150, n));
    }
    let (t0, t1) = link.decode_time().expect("fitted");
    assert!(t0 + t1 * 4 > 140 * MS);
}

#[test]
fn the_deadline_is_the_longest_before_a_measurement_and_doubles_after_a_miss() {
    let (mut link, now) = link();
    assert_eq!(link.deadline(0), Duration::from_secs(10));
    for _ in 0..100 {
        link.on_answer(&exchange(200, 0, 100, 4));
    }
    let usual = link.deadline(4);
    assert!(usual >= 999 * MS && usual < 1100 * MS, "{usual:?}");
    link.on_failure(&VerifierError::DeadlineExceeded { deadline: usual }, now);
    assert!(link.deadline(4) >= 2 * usual - MS);
    for _ in 0..20 {
        link.on_failure(&VerifierError::DeadlineExceeded { deadline: usual }, now);
    }
    assert!((5999 * MS..6600 * MS).contains(&link.deadline(4)), "{:?}", link.deadline(4));
    link.on_answer(&exchange(200, 0, 100, 4));
    assert!(link.deadline(4) < 1100 * MS);
}

#[test]
fn a_fast_link_still_gets_the_shortest_deadline() {
    let (mut link, _) = link();
    link.on_answer(&exchange(1, 0, 1, 1));
    assert_eq!(link.deadline(1), LinkConfig::default().min_deadline);
}

#[test]
fn failures_degrade_then_open_the_circuit_and_an_answer_closes_it() {
    let (mut link, now) = link();
    assert_eq!(link.on_failure(&unreachable(), now), Some(LinkState::Degraded));
    assert!(!link.may_send(now));
    assert_eq!(link.on_failure(&unreachable(), now), None);
    assert_eq!(link.on_failure(&unreachable(), now), Some(LinkState::Offline));
    assert_eq!(link.on_answer(&exchange(20, 0, 10, 1)), Some(LinkState::Online));
    assert!(link.may_send(now));
}

#[test]
fn the_back_off_grows_with_jitter_up_to_its_cap() {
    let (mut link, start) = link();
    let mut now = start;
    let mut pauses = Vec::new();
    for _ in 0..12 {
        link.on_failure(&unreachable(), now);
        let at = link.next_attempt(now).expect("no probe under way");
        pauses.push(at - now);
        now = at;
    }
    for (i, pause) in pauses.iter().enumerate() {
        let full = (250 * MS * (1 << i.min(7))).min(Duration::from_secs(30));
        assert!(*pause >= full / 2 && *pause <= full, "pause {i} is {pause:?}");
    }
    assert!(pauses.windows(2).any(|pair| pair[1] != pair[0] * 2), "no jitter");
}

#[test]
fn one_seed_gives_the_same_pauses_again() {
    let pauses = |seed| {
        let now = Instant::now();
        let mut link = Link::new(LinkConfig { seed, ..LinkConfig::default() });
        (0..5)
            .map(|_| {
                link.on_failure(&unreachable(), now);
                link.next_attempt(now).map(|at| at - now)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(pauses(3), pauses(3));
    assert_ne!(pauses(3), pauses(4));
}

#[test]
fn offline_lets_one_probe_through_at_a_time() {
    let (mut link, now) = link();
    for _ in 0..3 {
        link.on_failure(&unreachable(), now);
    }
    let later = now + Duration::from_secs(60);
    assert!(link.may_send(later));
    link.on_send();
    assert!(!link.may_send(later));
    assert_eq!(link.next_attempt(later), None);
    link.on_failure(&VerifierError::Cancelled, later);
    assert!(link.may_send(later), "a cancelled probe leaves the circuit as it was");
    assert_eq!(link.state(), LinkState::Offline);
}

#[test]
fn online_lets_any_number_of_windows_fly() {
    let (mut link, now) = link();
    link.on_send();
    assert!(link.may_send(now));
}

#[test]
fn retry_after_is_honoured_up_to_a_limit() {
    let (mut link, now) = link();
    let busy = |seconds| VerifierError::Busy { retry_after: Some(Duration::from_secs(seconds)) };
    assert_eq!(link.on_failure(&busy(5), now), Some(LinkState::Degraded));
    assert!(!link.may_send(now + 4999 * MS));
    assert!(link.may_send(now + 5000 * MS));
    link.on_reachable();
    link.on_failure(&busy(1_000_000), now);
    assert_eq!(link.next_attempt(now), Some(now + Duration::from_secs(600)));
}

#[test]
fn a_later_failure_in_flight_does_not_shorten_the_pause() {
    let (mut link, now) = link();
    link.on_failure(&VerifierError::Busy { retry_after: Some(Duration::from_secs(20)) }, now);
    link.on_failure(&unreachable(), now);
    assert_eq!(link.next_attempt(now), Some(now + Duration::from_secs(20)));
}

#[test]
fn refusals_prove_the_link_works_and_trust_problems_open_the_circuit_at_once() {
    let (mut link, now) = link();
    assert_eq!(link.on_failure(&VerifierError::Desync { held: 3 }, now), None);
    assert_eq!(link.on_failure(&VerifierError::SessionGone, now), None);
    let refused = |code| VerifierError::Refused(ErrorBody { code, reason: String::new(), held: None });
    assert_eq!(link.on_failure(&refused(ErrorCode::Unsupported), now), None);
    assert_eq!(link.on_failure(&refused(ErrorCode::Internal), now), Some(LinkState::Degraded));
    link.on_reachable();
    assert_eq!(link.on_failure(&VerifierError::Unauthorized, now), Some(LinkState::Offline));
    assert_eq!(link.on_failure(&unreachable(), now), None, "offline stays offline");
}

#[test]
fn a_network_change_allows_a_probe_at_once_and_forgets_the_old_round_trip() {
    let (mut link, now) = link();
    link.on_answer(&exchange(20, 0, 10, 1));
    for _ in 0..5 {
        link.on_failure(&unreachable(), now);
    }
    link.on_network_change();
    assert!(link.may_send(now));
    assert_eq!(link.round_trip(), None);
    assert_eq!(link.state(), LinkState::Offline, "only an answer proves that it works");
}

fn missed() -> VerifierError {
    VerifierError::DeadlineExceeded { deadline: MS }
}

#[test]
fn a_verifier_that_tells_its_progress_is_given_silence_and_no_time_for_what_it_reads() {
    let (mut link, now) = link();
    link.set_tells_progress(true);
    assert_eq!(link.deadline(3000), Duration::from_secs(10), "nothing is measured yet");
    for _ in 0..100 {
        link.on_answer(&exchange(100, 40_000, 50_000, 3000));
    }
    let silence = link.deadline(3000);
    assert!((3399 * MS..3500 * MS).contains(&silence), "{silence:?}");
    assert_eq!(silence, link.deadline(1));
    link.on_failure(&missed(), now);
    assert!(link.deadline(1) >= 2 * silence - MS);
}

#[test]
fn a_verifier_that_does_not_tell_gets_time_by_the_length_of_what_it_reads() {
    let (mut link, _) = link();
    assert_eq!(link.deadline(3000), Duration::from_secs(160));
    // Sixty tokens a second.
    for n in [60, 600, 120, 300] {
        link.on_answer(&exchange(100, 0, n * 1000 / 60, n as usize));
    }
    let measured = link.deadline(3000);
    assert!((100_000 * MS..102_000 * MS).contains(&measured), "{measured:?}");
}

#[test]
fn deadlines_outgrow_a_proxy_that_holds_everything_back_for_half_a_minute() {
    let (mut link, now) = link();
    link.set_tells_progress(true);
    let waits: Vec<_> = (0..5)
        .map(|_| {
            let wait = link.deadline(10);
            link.on_failure(&missed(), now);
            wait.as_secs()
        })
        .collect();
    assert_eq!(waits, [10, 20, 40, 60, 60]);
    // Once that is measured of the way, the first deadline is long enough.
    link.on_answer(&exchange(30_000, 0, 10, 1));
    assert_eq!(link.deadline(10), Duration::from_secs(60));
}

#[test]
fn silence_of_a_verifier_that_was_reached_has_a_grace_and_only_once_an_outage() {
    let (mut link, now) = link();
    link.on_answer(&exchange(20, 0, 10, 1));
    assert!(!link.has_grace(now));
    assert_eq!(link.on_failure(&missed(), now), Some(LinkState::Degraded));
    assert_eq!((link.cause(), link.grace_left(now)), (Some(LinkCause::TimedOut), Some(Duration::from_secs(2))));
    link.on_failure(&missed(), now + 1500 * MS);
    assert_eq!(link.grace_left(now + 1500 * MS), Some(500 * MS), "a further miss does not prolong it");
    assert!(!link.has_grace(now + 2000 * MS));
    link.on_failure(&missed(), now + 3000 * MS);
    assert!(!link.has_grace(now + 3000 * MS), "known to be away");
    link.on_reachable();
    assert_eq!(link.cause(), None);
    link.on_failure(&missed(), now + 4000 * MS);
    assert!(link.has_grace(now + 4000 * MS), "another outage");
}

#[test]
fn what_says_that_nobody_is_there_has_no_grace_and_ends_one() {
    let refusals = [unreachable(), VerifierError::Busy { retry_after: None }, VerifierError::Unauthorized];
    for error in refusals {
        let (mut link, now) = link();
        link.on_reachable();
        link.on_failure(&error, now);
        assert!(!link.has_grace(now), "{error:?}");
        link.on_reachable();
        link.on_failure(&missed(), now);
        link.on_failure(&error, now);
        assert!(!link.has_grace(now), "{error:?}");
    }
    let (mut never_reached, now) = link();
    never_reached.on_failure(&missed(), now);
    assert!(!never_reached.has_grace(now));
}

#[test]
fn each_failure_has_its_cause() {
    let internal = ErrorBody { code: ErrorCode::Internal, reason: String::new(), held: None };
    let causes = [
        (VerifierError::Busy { retry_after: None }, LinkCause::Busy),
        (missed(), LinkCause::TimedOut),
        (unreachable(), LinkCause::Unreachable),
        (VerifierError::Refused(internal), LinkCause::Faulty),
        (VerifierError::InvalidAnswer { reason: String::new() }, LinkCause::Faulty),
        (VerifierError::Unauthorized, LinkCause::Rejected),
    ];
    for (error, cause) in causes {
        let (mut link, now) = link();
        link.on_failure(&error, now);
        assert_eq!(link.cause(), Some(cause), "{error:?}");
        link.on_failure(&VerifierError::Cancelled, now);
        assert_eq!(link.cause(), Some(cause), "a cancelled call says nothing");
    }
}
