//! Sessions open, close, expire and make room, and nothing of them stays behind.

use std::time::Duration;

use uhlm_law::protocol::*;
use uhlm_server::Limits;

use crate::support::*;
use crate::synthetic::Synthetic;

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_is_gone_and_leaves_nothing_behind() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    session.verify(&window(1, &[], &prompt(30, 1), &[4, 5], 0.0)).await.unwrap();
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used), (1, 1));
    assert!(counters.cached_tokens >= 32);
    assert_eq!(session.close().await, 204);
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used, counters.cached_tokens), (0, 0, 0));
    assert_eq!(session.verify(&window(2, &[], &[1], &[], 0.0)).await.unwrap_err().body.code, ErrorCode::Gone);
    assert_eq!(session.close().await, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_exist_are_gone_too() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let mut session = fixture.open().await;
    for id in ["0", "zz", &"0".repeat(32), "..%2f..", &"a".repeat(500)] {
        session.id = id.to_owned();
        assert_eq!(session.verify(&window(1, &[], &[1], &[], 0.0)).await.unwrap_err().status, 410, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_one_session_too_many_the_one_unused_longest_is_evicted() {
    let mut config = config();
    config.limits = Limits { sessions: 2, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let (first, second) = (fixture.open().await, fixture.open().await);
    first.verify(&window(1, &[], &[1, 2], &[], 0.0)).await.unwrap();
    let third = fixture.open().await;
    assert_eq!(second.verify(&window(1, &[], &[1], &[], 0.0)).await.unwrap_err().status, 410);
    first.verify(&window(2, &[1, 2], &[], &[3], 0.0)).await.unwrap();
    third.verify(&window(1, &[], &[1], &[], 0.0)).await.unwrap();
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.sessions_evicted), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_session_is_not_evicted_and_the_new_one_is_asked_to_wait() {
    let (target, remote) = Synthetic::large();
    let mut config = config();
    config.limits = Limits { sessions: 1, ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let session = fixture.open().await;
    remote.hold();
    let request = window(1, &[], &[1], &[2], 0.0);
    let steer = async {
        remote.until_waiting().await;
        // The scheduler is in a pass: the new session is looked at after it, when the window is answered, unless a second
        // request of the session waits.
        let second = window(2, &[1, 2], &[], &[3], 0.0);
        let refused = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let open = fixture.open_request(Default::default(), 1);
            let (refused, ()) = tokio::join!(fixture.try_open(&open), async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                remote.release();
            });
            refused.err().expect("refused")
        };
        let (refused, _) = tokio::join!(refused, session.verify(&second));
        refused
    };
    let (verdict, refused) = tokio::join!(session.verify(&request), steer);
    verdict.unwrap();
    assert_eq!((refused.status, refused.retry_after), (503, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_session_expires() {
    let mut config = config();
    config.limits = Limits { session_idle: Duration::from_millis(100), ..Limits::default() };
    let fixture = Fixture::with(config, llama()).await;
    let session = fixture.open().await;
    session.verify(&window(1, &[], &prompt(10, 0), &[1], 0.0)).await.unwrap();
    fixture.until("the session expires", |c| c.sessions_open == 0).await;
    let counters = fixture.counters();
    assert_eq!((counters.sessions_expired, counters.slots_used, counters.cached_tokens), (1, 0, 0));
    assert_eq!(session.verify(&window(2, &[], &[1], &[], 0.0)).await.unwrap_err().status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_slots_take_turns_and_notice_nothing() {
    let (few, many) = (Synthetic::sized(2, 8192, 512).0, Synthetic::sized(16, 8192, 512).0);
    let (few, many) = (Fixture::new(few).await, Fixture::new(many).await);
    let mut probs = Vec::new();
    for fixture in [&few, &many] {
        let mut sessions = Vec::new();
        for _ in 0..5 {
            sessions.push(fixture.open().await);
        }
        let mut of_this = Vec::new();
        for seq in 1..=3 {
            for (i, session) in sessions.iter().enumerate() {
                let text: Vec<u32> = (0..6 * seq).map(|t| (t + i as u32 * 3) % 30).collect();
                let held = 6 * (seq as usize - 1);
                let request = window(seq, &text[..held], &text[held..held + 4], &text[held + 4..], 0.0);
                of_this.push(session.verify(&request).await.unwrap().probs);
            }
        }
        probs.push(of_this);
    }
    assert_eq!(probs[0], probs[1]);
    assert!(few.counters().sessions_unloaded > 0);
    assert_eq!((few.counters().slots_used, few.counters().sessions_evicted), (2, 0));
    assert_eq!(many.counters().sessions_unloaded, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_cache_is_emptied_of_sessions_at_rest() {
    let mut config = config();
    config.limits.window = 32;
    let fixture = Fixture::with(config, Synthetic::sized(8, 100, 64).0).await;
    let mut sessions = Vec::new();
    for salt in 0..4 {
        let session = fixture.open().await;
        let text: Vec<u32> = (0..40).map(|i| (i + salt) % 30).collect();
        session.verify(&window(1, &[], &text, &[1, 2], 0.0)).await.unwrap();
        sessions.push((session, text));
    }
    assert!(fixture.counters().cached_tokens <= 100);
    assert!(fixture.counters().sessions_unloaded >= 2);
    for (session, text) in &sessions {
        let held = [&text[..], &[1, 2]].concat();
        session.verify(&window(2, &held, &[], &[3], 0.0)).await.unwrap();
    }
    for (session, _) in &sessions {
        assert_eq!(session.close().await, 204);
    }
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used, counters.cached_tokens), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_itself_survives_a_cache_shared_by_too_many() {
    // 512 cells for 4 sessions of 200 tokens: somebody is always unloaded.
    let options = uhlm_server::EngineOptions { context: 512, batch: 320, slots: 4, threads: 1, gpu_layers: 0 };
    let (tight, roomy) = (Fixture::new(llama_with(options)).await, Fixture::new(llama()).await);
    let mut probs = Vec::new();
    for fixture in [&tight, &roomy] {
        let mut of_this = Vec::new();
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(fixture.open().await);
        }
        for seq in 1..=2u32 {
            for (i, session) in sessions.iter().enumerate() {
                let text = prompt(200, i as u32);
                let request = match seq {
                    1 => window(1, &[], &text[..190], &text[190..195], 0.0),
                    _ => window(2, &text[..195], &text[195..196], &text[196..], 0.0),
                };
                of_this.push(session.verify(&request).await.unwrap().probs);
            }
        }
        probs.push(of_this);
    }
    assert!(tight.counters().sessions_unloaded > 0);
    for (a, b) in probs[0].iter().flatten().zip(probs[1].iter().flatten()) {
        assert!((a - b).abs() <= 1e-4 + 2e-3 * a.abs(), "{a} and {b}");
    }
}
