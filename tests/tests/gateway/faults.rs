//! Engines fail, die, come back and change under load: nothing is lost, nothing is written twice, nothing is another
//! model's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{Generation, Mode, OfflinePolicy, Session, SessionOptions};
use uhlm_law::sampling::SamplingParams;
use uhlm_net::BearerToken;
use uhlm_server::upstream::{EngineKind, UpstreamOptions};
use uhlm_server::{ServerConfig, Tokens};
use uhlm_testing::engine::{StandIn, Trouble};
use uhlm_testing::eventually::eventually;
use uhlm_testing::served::Served;
use uhlm_testing::{pair, patient};

use crate::support::{
    Alone, KINDS, MAX_TOKENS, begin, counter, gateway, is_up, prompts, rest, session, session_with, stand_in, upstream,
    write,
};

/// An engine so slow that a reply is not over before a test does something.
const SLOW: Trouble = Trouble::Late(Duration::from_millis(15));

fn warm() -> SamplingParams {
    SamplingParams { temperature: 0.8, ..SamplingParams::default() }
}

/// Returns the prompt whose reply is the longest of the first ones, and that reply.
fn long_reply() -> (String, Vec<u32>) {
    let mut alone = Alone::new(&warm());
    let replies = prompts().into_iter().take(8).map(|prompt| (alone.write(&prompt, 3), prompt));
    let (reply, prompt) = replies.max_by_key(|(reply, _)| reply.len()).expect("prompts");
    assert!(reply.len() > MAX_TOKENS / 2, "{} tokens", reply.len());
    (prompt, reply)
}

#[test]
fn trouble_that_passes_costs_time_and_nothing_else() {
    let (prompt, expected) = long_reply();
    for kind in KINDS {
        let engine = stand_in(kind);
        let served = gateway(&[&engine]);
        let session = session(served.verifier(), Mode::Exact, &warm());
        for trouble in [Trouble::Busy, Trouble::Broken, Trouble::FewTokens, Trouble::OtherIds, Trouble::Nonsense] {
            engine.fail(trouble, 2);
            assert_eq!(write(&session, &prompt, 3).expect("no failure"), expected, "{kind}, {trouble:?}");
        }
        let repeated = counter(&served, "uhlm_upstream_repeated_total{reason=\"failed\"}").expect("a counter");
        assert!(repeated >= 5, "{kind}: {repeated} questions were asked again");
    }
}

#[test]
fn one_of_two_engines_is_killed_in_the_middle_of_a_reply() {
    let (prompt, expected) = long_reply();
    for kind in KINDS {
        let mut engines = [stand_in(kind), stand_in(kind)];
        let served = gateway(&[&engines[0], &engines[1]]);
        let session = session(served.verifier(), Mode::RemoteOnly, &warm());
        engines.iter().for_each(|engine| engine.fail(SLOW, usize::MAX));
        let before = engines.each_ref().map(StandIn::asked);
        let (mut generation, mut ids) = (begin(&session, &prompt, 3, MAX_TOKENS), Vec::new());
        // The engine that serves the session is the one that was asked more.
        eventually("an engine is asked", || {
            engines.iter().zip(before).any(|(engine, before)| engine.asked() > before + 8)
        });
        let home = if engines[0].asked() - before[0] > engines[1].asked() - before[1] { 0 } else { 1 };
        engines[home].kill();
        rest(&mut generation, &mut ids).expect("no failure");
        assert_eq!(ids, expected, "{kind}");
        assert!(!is_up(&served, &engines[home]) && is_up(&served, &engines[1 - home]));
        // It comes back, and serves its sessions again.
        engines[home].revive();
        eventually("the engine is asked again", || is_up(&served, &engines[home]));
        assert_eq!(write(&session, &prompt, 3).expect("no failure"), expected, "{kind}, afterwards");
    }
}

#[test]
fn the_only_engine_is_killed_and_started_again_in_the_middle_of_a_reply() {
    let (prompt, expected) = long_reply();
    let mut engine = stand_in(EngineKind::Sglang);
    let served = gateway(&[&engine]);
    let session = session(served.verifier(), Mode::RemoteOnly, &warm());
    engine.fail(SLOW, usize::MAX);
    let before = engine.asked();
    let (mut generation, mut ids) = (begin(&session, &prompt, 3, MAX_TOKENS), Vec::new());
    eventually("the engine is asked", || engine.asked() > before + 8);
    engine.kill();
    std::thread::sleep(Duration::from_millis(300));
    engine.revive();
    rest(&mut generation, &mut ids).expect("no failure");
    assert_eq!(ids, expected);
}

#[test]
fn an_engine_that_comes_back_with_another_model_is_not_asked() {
    let (prompt, expected) = long_reply();
    let draft = uhlm_llama::Model::load(&pair::file("demo-draft.gguf"), &uhlm_llama::LoadOptions::default());
    let draft = draft.expect("the bundled draft model");
    let mut engines = [stand_in(EngineKind::Vllm), stand_in(EngineKind::Vllm)];
    let served = gateway(&[&engines[0], &engines[1]]);
    let session = session(served.verifier(), Mode::Exact, &warm());
    // Another model of the same vocabulary, under the same name.
    engines[0].kill();
    engines[0].swap(draft.clone(), None);
    eventually("the break is noticed", || {
        let _ = write(&session, &prompt, 3);
        !is_up(&served, &engines[0])
    });
    let before = engines[0].asked();
    engines[0].revive();
    eventually("it is checked", || engines[0].asked() >= before + 2);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!is_up(&served, &engines[0]), "the rows are those of another model");
    for seed in 3..6 {
        let mut alone = Alone::new(&warm());
        assert_eq!(write(&session, &prompt, seed).expect("no failure"), alone.write(&prompt, seed));
    }
    // The other one says that it runs another model, in the middle of everything: nothing of it is used.
    engines[1].swap(draft, Some("another"));
    let options = SessionOptions { offline: OfflinePolicy::Fail, ..patient::options(Mode::RemoteOnly, warm(), 1) };
    let alone = session_with(served.verifier(), options);
    assert!(write(&alone, &prompt, 3).is_err());
    engines[1].swap(pair::target(), Some("stand-in"));
    eventually("the target is back", || is_up(&served, &engines[1]));
    let afresh = session_with(served.verifier(), patient::options(Mode::RemoteOnly, warm(), 1));
    assert_eq!(write(&afresh, &prompt, 3).expect("no failure"), expected);
}

#[test]
fn an_engine_is_told_when_nobody_waits_any_more() {
    let engine = stand_in(EngineKind::Vllm);
    let served = gateway(&[&engine]);
    let session = session(served.verifier(), Mode::RemoteOnly, &warm());
    engine.fail(Trouble::Late(Duration::from_secs(20)), 1);
    let before = (engine.asked(), engine.broken_off());
    let generation = begin(&session, &prompts()[0], 3, MAX_TOKENS);
    eventually("the engine is asked", || engine.asked() > before.0);
    let began = Instant::now();
    generation.cancel();
    eventually("the engine is told", || engine.broken_off() > before.1);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_second_engine_is_asked_where_the_first_is_unusually_late() {
    let (prompt, expected) = long_reply();
    let engines = [stand_in(EngineKind::Sglang), stand_in(EngineKind::Sglang)];
    let served = gateway(&[&engines[0], &engines[1]]);
    let session = session(served.verifier(), Mode::RemoteOnly, &warm());
    // By then it is known how long an answer takes, and which engine serves the session.
    write(&session, &prompt, 3).expect("no failure");
    let home = if engines[0].asked() > engines[1].asked() { &engines[0] } else { &engines[1] };
    home.fail(Trouble::Late(Duration::from_secs(30)), 1);
    let began = Instant::now();
    assert_eq!(write(&session, &prompt, 3).expect("no failure"), expected);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(counter(&served, "uhlm_upstream_repeated_total{reason=\"late\"}"), Some(1));
}

#[test]
fn an_owner_with_many_sessions_does_not_keep_the_engine_from_another() {
    const TOKENS: usize = 30;
    let engine = stand_in(EngineKind::Vllm);
    let owners = ["first-owner-of-the-test", "second-owner-of-the-test"];
    let served = Served::start_with(|config| ServerConfig {
        upstream: Some(UpstreamOptions { parallel: 1, ..upstream(&[&engine]) }),
        tokens: Tokens::new(owners).expect("valid tokens"),
        ..config
    });
    let of_owner = |token: &str, seed| {
        let config = HttpConfig::new(served.url()).with_trust(served.trust());
        let config = config.with_token(BearerToken::new(token).expect("a token"));
        let verifier = Arc::new(HttpVerifier::new(config).expect("a client"));
        session_with(verifier, patient::options(Mode::RemoteOnly, warm(), seed))
    };
    let quiet = of_owner(owners[0], 1);
    engine.fail(SLOW, usize::MAX);
    // Twelve replies of one owner, one after the other in each of twelve sessions.
    let crowd: Vec<Session> = (0..12).map(|i| of_owner(owners[1], i)).collect();
    let replies: Vec<Generation> = crowd.iter().map(|session| begin(session, &prompts()[1], 5, 10 * TOKENS)).collect();
    eventually("the crowd is served", || counter(&served, "uhlm_sessions_open").is_some_and(|open| open >= 12));
    let (before, mut ids) = (engine.asked(), Vec::new());
    rest(&mut begin(&quiet, &prompts()[0], 3, TOKENS), &mut ids).expect("no failure");
    let asked = engine.asked() - before;
    drop(replies);
    // Half of the questions is a fair share; one of thirteen sessions in turn would be a thirteenth.
    assert!(asked < 5 * TOKENS as u64, "{asked} questions while one owner got {} tokens", ids.len());
}
