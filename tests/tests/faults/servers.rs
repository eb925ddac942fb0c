//! The bundled pair over HTTPS: servers that stop and come back, evict, or hide behind a bad network.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::verifier::{Verifier, VerifierExt as _};
use uhlm_core::{
    Consent, Event, Generation, GenerationError, GenerationOptions, LinkConfig, LinkState, Mode, OfflinePolicy, Origin,
    Prompt, Session, SessionOptions,
};
use uhlm_law::advance::{Capabilities, Open};
use uhlm_law::model::LanguageModel as _;
use uhlm_net::TrustPolicy;
use uhlm_server::{Limits, ServerConfig};
use uhlm_testing::certificates::CertificateFiles;
use uhlm_testing::counted::Counted;
use uhlm_testing::eventually::eventually;
use uhlm_testing::pair;
use uhlm_testing::port::lasting_address;
use uhlm_testing::proxy::{Proxy, Weather};
use uhlm_testing::served::Served;

use crate::support::{LONG, Record, consume, link, watch};

const TOKENS: usize = 80;
/// Any free port, for a server that does not come back.
const ANY_PORT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

fn client(address: SocketAddr, trust: TrustPolicy) -> Arc<HttpVerifier> {
    let config = HttpConfig::new(format!("https://{address}")).with_trust(trust);
    Arc::new(HttpVerifier::new(config).expect("a client"))
}

/// Makes a session with the bundled draft model at a phone's pace, so that a server has the time to come back within a
/// reply.
fn session(verifier: Arc<HttpVerifier>, options: SessionOptions) -> Session {
    let model = Counted::new(Arc::clone(pair::draft().model()), Duration::from_millis(4)).model();
    Session::new(model, Some(verifier), options).expect("valid options")
}

fn options(mode: Mode, offline: OfflinePolicy) -> SessionOptions {
    let link = LinkConfig { max_deadline: Duration::from_secs(20), min_deadline: Duration::from_secs(20), ..link() };
    let consent = Consent::Conversation;
    SessionOptions { mode, offline, link, seed: Some(7), threads: 1, consent, ..SessionOptions::default() }
}

fn ask(session: &Session, question: &str) -> Generation {
    let options = GenerationOptions { max_tokens: TOKENS, ..GenerationOptions::default() };
    session.generate(Prompt::Raw(question.into()), options).expect("idle")
}

/// Tells whether the event is a token that the target wrote or judged.
fn is_judged(event: &Event) -> bool {
    matches!(event, Event::Committed { origin: Origin::Verified | Origin::Target, .. })
}

/// Asks one question after the other until `enough`, and hands each event to `on`.
fn ask_until(session: &Session, mut on: impl FnMut(usize, &Event), mut enough: impl FnMut(&Record) -> bool) {
    let mut committed = 0;
    for question in pair::questions("prompts_free").iter().cycle().take(500) {
        let reply = watch(ask(session, question), |_, event| {
            if let Some(event) = event {
                committed += usize::from(matches!(event, Event::Committed { .. }));
                on(committed, event);
            }
        });
        reply.finished();
        if enough(&reply) {
            return;
        }
    }
    panic!("500 replies were not enough");
}

fn serve(certificate: &CertificateFiles, listen: SocketAddr) -> Served {
    Served::start_with(|config| ServerConfig {
        listen,
        tls: certificate.tls(),
        grace: Duration::from_millis(100),
        ..config
    })
}

fn survives_a_restart(mode: Mode, policy: OfflinePolicy) {
    let certificate = CertificateFiles::valid();
    let address = lasting_address();
    let mut served = Some(serve(&certificate, address));
    let session = session(client(address, certificate.trust()), options(mode, policy));
    let (mut down, mut opens, mut unverified) = (false, 0, 0);
    let on = |committed: usize, event: &Event| {
        if committed >= 8 && is_judged(event) && !down {
            down = true;
            drop(served.take());
        }
        // It comes back once the device has noticed.
        if matches!(event, Event::State { link: LinkState::Degraded | LinkState::Offline, .. }) && served.is_none() {
            served = Some(serve(&certificate, address));
        }
    };
    let mut back = false;
    ask_until(&session, on, |reply| {
        let statistics = reply.finished().1;
        opens += statistics.opens;
        unverified += statistics.origins.unverified;
        back = back || (opens > 1 && reply.states().last() == Some(&LinkState::Online));
        back && reply.events.iter().any(is_judged)
    });
    // The server that came back knew no session: a second one was opened, by the same session object.
    assert!(opens >= 2);
    assert!(policy == OfflinePolicy::GoOn || unverified == 0);
    assert_eq!(session.status().link, LinkState::Online);
}

#[test]
fn a_server_that_is_restarted_is_found_again_while_the_device_goes_on() {
    survives_a_restart(Mode::Exact, OfflinePolicy::GoOn);
}

#[test]
fn a_server_that_is_restarted_is_found_again_while_the_device_waits() {
    survives_a_restart(Mode::Exact, OfflinePolicy::Wait(LONG));
}

#[test]
fn a_server_that_is_restarted_goes_on_writing() {
    survives_a_restart(Mode::RemoteOnly, OfflinePolicy::Wait(LONG));
}

/// Opens a session as another device.
fn displace(verifier: &dyn Verifier) {
    let (opened, answer) = channel();
    let request = Open { vocabulary: pair::draft().model().vocabulary_hash(), needs: Capabilities::NONE };
    let reply = move |result: Result<_, _>| opened.send(result.is_ok()).expect("somebody waits");
    verifier.open(request, LONG, reply).detach();
    assert_eq!(answer.recv_timeout(LONG), Ok(true));
}

#[test]
fn a_session_that_another_device_displaced_is_opened_again_in_the_middle_of_a_reply() {
    // A session that was just used may be displaced, too.
    let limits = Limits { sessions: 1, keep: Duration::ZERO, ..Limits::default() };
    let served = Served::start_with(|config| ServerConfig { limits, ..config });
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let mine = session(served.verifier(), options(mode, OfflinePolicy::Fail));
        let other = served.verifier();
        let (mut displaced, mut opens) = (false, 0);
        let on = |committed: usize, _: &Event| {
            if committed >= 8 && !displaced {
                displaced = true;
                displace(&*other);
            }
        };
        ask_until(&mine, on, |reply| {
            opens += reply.finished().1.opens;
            assert!(reply.states().is_empty(), "{mode:?} {:?}", reply.states());
            opens >= 2
        });
    }
    assert!(served.metrics().snapshot().sessions_evicted >= 2);
}

#[test]
fn a_server_keeps_nothing_of_sessions_that_were_dropped_whatever_they_were_doing() {
    let served = Served::start();
    let metrics = served.metrics();
    for (mode, cancelled_after) in
        [(Mode::Exact, usize::MAX), (Mode::Exact, 0), (Mode::Exact, 5), (Mode::Opportunistic, 5), (Mode::RemoteOnly, 5)]
    {
        let session = session(served.verifier(), options(mode, OfflinePolicy::Fail));
        let mut committed = 0;
        watch(ask(&session, "the"), |generation, event| {
            committed += usize::from(matches!(event, Some(Event::Committed { .. })));
            if committed >= cancelled_after {
                generation.cancel();
            }
        })
        .finished();
        drop(session);
        eventually("no session is left", || metrics.snapshot().sessions_open == 0);
        eventually("no cache is left", || metrics.snapshot().slots_used == 0);
    }
    let dropped = session(served.verifier(), options(Mode::Exact, OfflinePolicy::Fail));
    let generation = ask(&dropped, "the");
    drop(dropped);
    consume(generation).finished();
    eventually("no session is left", || metrics.snapshot().sessions_open == 0 && metrics.snapshot().slots_used == 0);
}

#[test]
fn fifty_replies_cancelled_at_different_moments_leave_one_session_on_the_server() {
    let served = Served::start();
    let metrics = served.metrics();
    for mode in [Mode::Exact, Mode::RemoteOnly] {
        let session = session(served.verifier(), options(mode, OfflinePolicy::Fail));
        for cycle in 0..50 {
            let mut events = 0;
            let reply = watch(ask(&session, "the"), |generation, _| {
                if events >= cycle % 10 {
                    generation.cancel();
                }
                events += 1;
            });
            reply.finished();
        }
        assert!(!consume(ask(&session, "the")).origins().is_empty());
        let snapshot = metrics.snapshot();
        assert_eq!((snapshot.sessions_open, snapshot.slots_used), (1, 1), "{mode:?}");
        assert_eq!(snapshot.sessions_expired + snapshot.sessions_evicted, 0);
        drop(session);
        eventually("no session is left", || metrics.snapshot().sessions_open == 0);
        eventually("nothing waits", || metrics.snapshot().requests_waiting == 0 && metrics.snapshot().slots_used == 0);
    }
}

fn survives(weather: Weather, policy: OfflinePolicy, mode: Mode) {
    let certificate = CertificateFiles::valid();
    let served = serve(&certificate, ANY_PORT);
    let proxy = Proxy::start(served.address());
    let impatient = LinkConfig { max_deadline: Duration::from_millis(1500), ..link() };
    let impatient = LinkConfig { min_deadline: impatient.max_deadline, ..impatient };
    let options = SessionOptions { link: impatient, ..options(mode, policy) };
    let session = session(client(proxy.address(), certificate.trust()), options);
    let (broken, noticed) = (Cell::new(false), Cell::new(false));
    let on = |committed: usize, event: &Event| {
        if committed >= 8 && is_judged(event) && !broken.get() {
            broken.set(true);
            proxy.set(weather);
        }
        if matches!(event, Event::State { link: LinkState::Degraded | LinkState::Offline, .. })
            && broken.get()
            && !noticed.get()
        {
            noticed.set(true);
            proxy.set(Weather::Clear);
        }
    };
    let mut back = false;
    ask_until(&session, on, |reply| {
        back = back || (noticed.get() && reply.states().last() == Some(&LinkState::Online));
        assert!(policy == OfflinePolicy::GoOn || !reply.origins().contains(&Origin::Unverified));
        back && reply.events.iter().any(is_judged) && session.status().link == LinkState::Online
    });
    assert!(noticed.get());
}

#[test]
fn connections_that_are_reset_are_made_again() {
    survives(Weather::Resets, OfflinePolicy::GoOn, Mode::Exact);
    survives(Weather::Resets, OfflinePolicy::Wait(LONG), Mode::Exact);
    survives(Weather::Resets, OfflinePolicy::Wait(LONG), Mode::RemoteOnly);
}

#[test]
fn connections_that_swallow_everything_are_given_up_for_new_ones() {
    survives(Weather::BlackHole, OfflinePolicy::GoOn, Mode::Exact);
    survives(Weather::BlackHole, OfflinePolicy::Wait(LONG), Mode::Exact);
}

#[test]
fn a_network_that_stands_still_for_longer_than_a_deadline_costs_nothing_but_time() {
    survives(Weather::Stall, OfflinePolicy::GoOn, Mode::Exact);
    survives(Weather::Stall, OfflinePolicy::Wait(LONG), Mode::RemoteOnly);
}

#[test]
fn a_short_stall_is_no_failure() {
    let certificate = CertificateFiles::valid();
    let served = serve(&certificate, ANY_PORT);
    let proxy = Proxy::start(served.address());
    let session = session(client(proxy.address(), certificate.trust()), options(Mode::Exact, OfflinePolicy::Fail));
    let (mut stalled, mut quiet) = (false, 0);
    let reply = watch(ask(&session, "the"), |_, event| {
        if matches!(event, Some(Event::Committed { .. })) && !stalled {
            stalled = true;
            proxy.set(Weather::Stall);
        }
        quiet += u32::from(stalled && event.is_none());
        if quiet == 20 {
            proxy.set(Weather::Clear);
        }
    });
    reply.finished();
    assert!(reply.states().is_empty());
}

#[test]
fn certificates_that_are_expired_foreign_or_for_another_host_are_not_trusted() {
    for (certificate, trust) in [
        (CertificateFiles::expired(), None),
        (CertificateFiles::of_another_host(), None),
        (CertificateFiles::valid(), Some(CertificateFiles::valid().trust())),
    ] {
        let served = serve(&certificate, ANY_PORT);
        let trust = trust.unwrap_or_else(|| certificate.trust());
        for (mode, policy) in [(Mode::Exact, OfflinePolicy::GoOn), (Mode::RemoteOnly, OfflinePolicy::Wait(LONG))] {
            let session = session(client(served.address(), trust.clone()), options(mode, policy));
            let reply = consume(ask(&session, "the"));
            assert!(matches!(reply.error(), GenerationError::Untrusted { .. }), "{:?}", reply.outcome);
            assert!(reply.text.is_empty());
        }
    }
}
