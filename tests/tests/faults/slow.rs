//! A target that reads for far longer than any deadline, over HTTPS and in real time; and one that dies while it does.
//!
//! Deadlines and the target's pace are scaled so that a case takes seconds. With the defaults it takes a minute:
//! `cargo test --workspace --test faults -- --ignored slow::by_hand`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    Consent, Event, GenerationError, GenerationOptions, LinkCause, LinkConfig, LinkState, Mode, OfflinePolicy, Origin,
    Prompt, Session, SessionOptions,
};
use uhlm_eval::paced::paced;
use uhlm_law::model::{LanguageModel as _, Special};
use uhlm_law::pace::Pace;
use uhlm_net::TrustPolicy;
use uhlm_server::{Limits, ServerConfig};
use uhlm_testing::faulty::{Fate, Faulty, Kind};
use uhlm_testing::pair;
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::served::Served;
use uhlm_testing::slow::Slow;
use uhlm_testing::synthetic::SyntheticModel;

use crate::support::{Record, endless, link, options, watch};

/// Rough number of tokens of the prompt.
const PROMPT: usize = 330;
/// Number of tokens of the reply.
const TOKENS: usize = 12;
/// Longest silence that is allowed before anything was measured.
const SILENCE: Duration = Duration::from_millis(1500);
const GRACE: Duration = Duration::from_millis(700);
/// Time for which a policy that waits does so: less than the target reads for.
const PATIENCE: Duration = Duration::from_millis(1200);
/// Time that the target takes for a token. It reads the prompt for about four seconds.
const EACH: Duration = Duration::from_millis(12);
/// Time within which a verifier that dies is noticed and left to the policy.
const BOUND: Duration = Duration::from_secs(8);

fn scaled() -> LinkConfig {
    LinkConfig { min_deadline: SILENCE, max_deadline: SILENCE, grace: GRACE, ..link() }
}

/// Starts a server whose target takes `each` for a token; returns it with the switch that gets it stuck.
fn serve(each: Duration, limits: Limits) -> (Served, Arc<AtomicBool>) {
    let (target, stuck) = Slow::bundled(each);
    (Served::start_on(Some(target), |config| ServerConfig { limits, ..config }), stuck)
}

fn often() -> Limits {
    Limits { progress: Duration::from_millis(200), ..Limits::default() }
}

fn session(address: SocketAddr, trust: TrustPolicy, options: SessionOptions) -> Session {
    let config = HttpConfig::new(format!("https://{address}")).with_trust(trust);
    let verifier = Arc::new(HttpVerifier::new(config).expect("a client"));
    let options = SessionOptions { seed: Some(7), threads: 1, consent: Consent::Conversation, ..options };
    Session::new(Arc::clone(pair::draft().model()), Some(verifier), options).expect("valid options")
}

/// Writes a reply to a prompt of about [`PROMPT`] tokens; `on` sees every event.
fn ask(session: &Session, mut on: impl FnMut(Option<&Event>)) -> Record {
    let model = pair::draft();
    let (mut prompt, mut questions) = (String::new(), pair::questions("prompts_free").into_iter().cycle());
    while model.model().tokenize(&prompt, Special::Plain).expect("tokens").len() < PROMPT {
        prompt.extend(questions.next());
        prompt.push(' ');
    }
    let asked = GenerationOptions { max_tokens: TOKENS, ..GenerationOptions::default() };
    watch(session.generate(Prompt::Raw(prompt), asked).expect("idle"), |_, event| on(event))
}

fn modes() -> Vec<(Mode, Pace)> {
    let exact = [Pace::Fastest, Pace::Balanced, Pace::Thrifty].map(|pace| (Mode::Exact, pace));
    let others = [Mode::Opportunistic, Mode::RemoteOnly].map(|mode| (mode, Pace::default()));
    exact.into_iter().chain(others).collect()
}

fn assert_never_away(reply: &Record, what: &str) {
    let (_, statistics) = reply.finished();
    assert_eq!(statistics.origins.unverified, 0, "{what}");
    assert!(reply.states().is_empty(), "{what}: {:?}", reply.states());
}

#[test]
fn a_prompt_that_is_read_for_longer_than_any_deadline_brings_no_unverified_token() {
    for offline in [OfflinePolicy::GoOn, OfflinePolicy::Wait(PATIENCE), OfflinePolicy::Fail] {
        std::thread::scope(|scope| {
            for (mode, pace) in modes() {
                scope.spawn(move || {
                    let (served, _) = serve(EACH, often());
                    let options = SessionOptions { mode, pace, offline, link: scaled(), ..SessionOptions::default() };
                    let session = session(served.address(), served.trust(), options);
                    let began = Instant::now();
                    let reply = ask(&session, |_| {});
                    let what = format!("{mode:?} {pace:?} {offline:?}");
                    assert_never_away(&reply, &what);
                    assert!(began.elapsed() > 2 * SILENCE, "{what}: it was read in {:?}", began.elapsed());
                });
            }
        });
    }
}

/// The target has a long prompt before a slow device is through with it.
#[test]
fn a_long_prompt_is_on_its_way_before_the_device_has_read_it() {
    const LONG_PROMPT: usize = 600;
    let model = |model| SyntheticModel { capacity: 2 * LONG_PROMPT, ..endless(model) };
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let draft = paced(Arc::new(model(SyntheticModel::draft())), move |tokens, pass| {
        std::thread::sleep(Duration::from_millis(tokens as u64));
        counter.fetch_add(tokens, Ordering::AcqRel);
        pass()
    });
    let verifier = Faulty::new(model(SyntheticModel::target()).verifier(|config| config));
    let asked = Arc::new(Mutex::new(None));
    let first = Arc::clone(&asked);
    verifier.set(move |seen| {
        if seen.kind == Kind::Advance {
            first.lock().expect("no panic").get_or_insert(read.load(Ordering::Acquire));
        }
        Fate::Pass
    });
    let session = Session::new(draft, Some(verifier), options(Mode::Exact, OfflinePolicy::Fail));
    let asking = GenerationOptions { max_tokens: TOKENS, ..GenerationOptions::default() };
    let prompt = Prompt::Raw("abc".repeat(LONG_PROMPT / 3));
    watch(session.expect("valid options").generate(prompt, asking).expect("idle"), |_, _| {}).finished();
    let asked = asked.lock().expect("no panic").expect("a request");
    assert!(asked < LONG_PROMPT, "the target was asked when the device had read all {asked} tokens");
}

/// This is the test above with the default deadlines: the target reads for most of a minute.
#[test]
#[ignore = "takes a minute"]
fn by_hand_a_prompt_that_is_read_for_a_minute_brings_no_unverified_token() {
    for offline in [OfflinePolicy::GoOn, OfflinePolicy::Wait(PATIENCE), OfflinePolicy::Fail] {
        let (served, _) = serve(EACH * 12, Limits::default());
        let options = SessionOptions { offline, ..SessionOptions::default() };
        let began = Instant::now();
        let reply = ask(&session(served.address(), served.trust(), options), |_| {});
        assert_never_away(&reply, &format!("{offline:?}"));
        assert!(began.elapsed() > Duration::from_secs(30), "it was read in {:?}", began.elapsed());
    }
}

/// Asserts that a verifier that dies is left to the policy: with a typed error, told before any unverified token, in
/// time.
fn assert_left_to_the_policy(reply: &Record, offline: OfflinePolicy, took: Duration) {
    assert!(took < BOUND, "{offline:?} decides after {took:?}");
    assert!(reply.states().first().is_some_and(|link| *link != LinkState::Online), "{offline:?} {:?}", reply.states());
    reply.assert_marks();
    if offline == OfflinePolicy::GoOn {
        assert!(reply.finished().1.origins.unverified > 0);
    } else {
        assert!(matches!(reply.error(), GenerationError::Offline { .. }), "{offline:?} {:?}", reply.outcome);
        assert!(!reply.origins().contains(&Origin::Unverified));
    }
}

#[test]
fn a_target_that_gets_stuck_while_it_reads_is_left_to_the_policy_in_bounded_time() {
    for offline in [OfflinePolicy::GoOn, OfflinePolicy::Wait(PATIENCE), OfflinePolicy::Fail] {
        let (served, stuck) = serve(EACH, Limits { stall: SILENCE, ..often() });
        let options = SessionOptions { offline, link: scaled(), ..SessionOptions::default() };
        let session = session(served.address(), served.trust(), options);
        let began = Instant::now();
        let mut stuck_at = None;
        let reply = ask(&session, |_| {
            if stuck_at.is_none() && began.elapsed() > SILENCE {
                stuck_at = Some(Instant::now());
                stuck.store(true, Ordering::Release);
            }
        });
        let took = stuck_at.expect("it was at it by then").elapsed();
        // A server that stops waits for its pass.
        stuck.store(false, Ordering::Release);
        assert_left_to_the_policy(&reply, offline, took);
        let causes = reply.events.iter().find_map(|event| match event {
            Event::State { cause, .. } => *cause,
            _ => None,
        });
        assert_eq!(causes, Some(LinkCause::TimedOut), "{offline:?}");
        if let Err(GenerationError::Offline { cause }) = &reply.outcome {
            assert!(matches!(cause, VerifierError::DeadlineExceeded { .. }), "{cause}");
        }
    }
}

#[test]
fn a_way_that_is_gone_while_the_target_reads_is_left_to_the_policy_in_bounded_time() {
    for weather in [Weather::Resets, Weather::Stall] {
        for offline in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
            let (served, _) = serve(EACH, often());
            let proxy = Proxy::start(served.address());
            let options = SessionOptions { offline, link: scaled(), ..SessionOptions::default() };
            let session = session(proxy.address(), served.trust(), options);
            let began = Instant::now();
            let mut gone_at = None;
            let reply = ask(&session, |_| {
                if gone_at.is_none() && began.elapsed() > SILENCE {
                    gone_at = Some(Instant::now());
                    proxy.set(weather);
                }
            });
            let took = gone_at.expect("it was at it by then").elapsed();
            assert_left_to_the_policy(&reply, offline, took);
        }
    }
}

#[test]
fn a_silence_that_ends_within_its_grace_is_told_and_costs_no_token() {
    let (served, _) = serve(EACH, often());
    let proxy = Proxy::start(served.address());
    let link = LinkConfig { grace: Duration::from_secs(20), ..scaled() };
    for offline in [OfflinePolicy::GoOn, OfflinePolicy::Fail] {
        let options = SessionOptions { offline, link: link.clone(), ..SessionOptions::default() };
        let session = session(proxy.address(), served.trust(), options);
        let began = Instant::now();
        let (mut is_stalled, mut was_stalled) = (false, false);
        let reply = ask(&session, |event| {
            if !was_stalled && began.elapsed() > SILENCE {
                (is_stalled, was_stalled) = (true, true);
                proxy.set(Weather::Stall);
            }
            if is_stalled && matches!(event, Some(Event::State { .. })) {
                is_stalled = false;
                proxy.set(Weather::Clear);
            }
        });
        assert_eq!(reply.finished().1.origins.unverified, 0, "{offline:?}");
        assert_eq!(reply.states(), [LinkState::Degraded, LinkState::Online], "{offline:?}");
    }
}
