//! Sessions open, close, expire and make room, and nothing of them stays behind.

use std::time::Duration;

use uhlm_law::advance::ErrorCode;
use uhlm_law::advance::*;
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_server::{EngineOptions, Limits, OwnerLimits};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedily as written};

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_is_gone_and_leaves_nothing_behind() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    session.advance(&greedily(&prompt(30, 1), &[4, 5])).await.unwrap();
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used), (1, 1));
    assert!((30..=32).contains(&counters.cached_tokens), "{counters:?}");
    assert_eq!(session.close().await, 204);
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used, counters.cached_tokens), (0, 0, 0));
    assert_eq!(session.advance(&greedily(&[1], &[])).await.unwrap_err().body.code, ErrorCode::Gone);
    assert_eq!(session.close().await, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_to_a_session_that_is_closed_is_told_so() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    remote.hold();
    remote.allow(2);
    let request = Advance { grants: Grants::UNLIMITED, ..greedily(&[1], &[]) };
    let stream = session.stream(&request).await.unwrap();
    remote.until_waiting().await;
    let (status, ()) = tokio::join!(session.close(), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        remote.release();
    });
    assert_eq!(status, 204);
    let answer = stream.rest().await;
    assert!(matches!(answer.0.last(), Some(Frame::Failed(error)) if error.code == ErrorCode::Gone), "{answer:?}");
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used, counters.requests_waiting), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_exist_are_gone_too() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let mut session = fixture.open().await;
    for id in ["0", "zz", &"0".repeat(32), "..%2f..", &"a".repeat(500)] {
        session.id = id.to_owned();
        assert_eq!(session.advance(&greedily(&[1], &[])).await.unwrap_err().status, 410, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_one_session_too_many_the_one_unused_longest_is_evicted() {
    let mut config = config();
    config.limits = Limits { sessions: 2, keep: Duration::ZERO, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let (first, second) = (fixture.open().await, fixture.open().await);
    first.advance(&greedily(&[1, 2], &[])).await.unwrap();
    let third = fixture.open().await;
    assert_eq!(second.advance(&greedily(&[1], &[])).await.unwrap_err().status, 410);
    first.advance(&window(1, &[1, 2], &[3])).await.unwrap();
    third.advance(&greedily(&[1], &[])).await.unwrap();
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.sessions_evicted), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_session_is_not_evicted_and_the_new_one_is_asked_to_wait() {
    let (target, remote) = Synthetic::large();
    let mut config = config();
    config.limits = Limits { sessions: 1, keep: Duration::ZERO, ..Limits::default() };
    let fixture = Fixture::with(config, target).await;
    let session = fixture.open().await;
    remote.hold();
    remote.allow(1);
    // The scheduler is in a pass: the new session is looked at after it, when the stream waits for its next.
    let stream = session.stream(&Advance { grants: Grants::UNLIMITED, ..greedily(&[1], &[]) }).await.unwrap();
    remote.until_waiting().await;
    let open = fixture.open_request();
    let steer = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            remote.allow(1);
        }
    };
    let refused = tokio::select! {
        opened = fixture.try_open(&open) => opened.err().expect("refused"),
        () = steer => unreachable!("it goes on until there is an answer"),
    };
    assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
    drop(stream);
    remote.release();
    fixture.until("the stream is given up", |c| c.requests_abandoned == 1).await;
    fixture.open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_used_lately_is_not_evicted_and_an_owner_has_no_more_than_its_part() {
    let mut config = config();
    let owner = OwnerLimits { sessions: 2, ..OwnerLimits::default() };
    config.limits = Limits { sessions: 100, owner, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    let (first, second) = (fixture.open().await, fixture.open().await);
    let refused = fixture.try_open(&fixture.open_request()).await.err().expect("refused");
    assert_eq!((refused.status, refused.retry_after), (429, Some(1)));
    first.advance(&greedily(&[1], &[])).await.unwrap();
    assert_eq!(second.close().await, 204);
    fixture.open().await;
    assert_eq!(fixture.counters().sessions_evicted, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_session_expires() {
    let mut config = config();
    config.limits = Limits { session_idle: Duration::from_millis(100), ..Limits::default() };
    let fixture = Fixture::with(config, llama()).await;
    let session = fixture.open().await;
    session.advance(&greedily(&prompt(10, 0), &[1])).await.unwrap();
    fixture.until("the session expires", |c| c.sessions_open == 0).await;
    let counters = fixture.counters();
    assert_eq!((counters.sessions_expired, counters.slots_used, counters.cached_tokens), (1, 0, 0));
    assert_eq!(session.advance(&greedily(&[1], &[])).await.unwrap_err().status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_slots_take_turns_and_notice_nothing() {
    let (few, many) = (Synthetic::sized(2, 8192, 512).0, Synthetic::sized(16, 8192, 512).0);
    let (few, many) = (Fixture::new(few).await, Fixture::new(many).await);
    for fixture in [&few, &many] {
        let mut sessions = Vec::new();
        for i in 0..5 {
            sessions.push((fixture.open().await, vec![i]));
        }
        for round in 0..3 {
            for (session, text) in &mut sessions {
                let request = match round {
                    0 => greedily(text, &written(text, 4)),
                    _ => window(round, text, &written(text, 4)),
                };
                let ids = session.advance(&request).await.unwrap().ids();
                assert_eq!(ids, written(text, 5));
                text.extend(ids);
            }
        }
    }
    assert!(few.counters().sessions_unloaded > 0);
    assert_eq!((few.counters().slots_used, few.counters().sessions_evicted), (2, 0));
    assert_eq!(many.counters().sessions_unloaded, 0);
    assert_eq!(few.counters().judged_tokens, many.counters().judged_tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_cache_is_emptied_of_sessions_at_rest() {
    let fixture = Fixture::new(Synthetic::sized(8, 100, 64).0).await;
    let mut sessions = Vec::new();
    for salt in 0..4 {
        let session = fixture.open().await;
        let text: Vec<TokenId> = (0..40).map(|i| (i + salt) % 30).collect();
        let ids = session.advance(&greedily(&text, &written(&text, 2))).await.unwrap().ids();
        sessions.push((session, [text, ids].concat()));
    }
    assert!(fixture.counters().cached_tokens <= 100);
    assert!(fixture.counters().sessions_unloaded >= 2);
    for (session, held) in &sessions {
        let answer = session.advance(&window(1, held, &written(held, 1))).await.unwrap();
        assert_eq!(answer.ids(), written(held, 2));
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
    let options = EngineOptions { context: 512, slots: 4, ..small() };
    let (tight, roomy) = (Fixture::new(llama_with(options)).await, Fixture::new(llama()).await);
    let mut probs = Vec::new();
    for fixture in [&tight, &roomy] {
        let mut of_this: Vec<f32> = Vec::new();
        let sessions = fixture.open_several(4).await;
        for round in 0..2 {
            for (i, session) in sessions.iter().enumerate() {
                // What is given after the prompt is labelled, so that rows are compared whatever is drafted.
                let text = prompt(200, i as u32);
                let labels = Labelling { matched: true, probabilities: true };
                let request = match round {
                    0 => start(&text[..190], begin(&text[..190], SamplingParams::default(), 1)),
                    _ => Advance {
                        base: 190,
                        check: PrefixHash::of(&text[..190]),
                        stand: text[190..].to_vec(),
                        labels,
                        grants: passes(1),
                        ..window(1, &text, &[])
                    },
                };
                let answer = session.advance(&request).await.unwrap();
                if round == 1 {
                    let labels = answer.labels();
                    assert_eq!((labels.pos, labels.p.len()), (190, 10));
                    of_this.extend(labels.p);
                }
            }
        }
        probs.push(of_this);
    }
    assert!(tight.counters().sessions_unloaded > 0);
    for (a, b) in probs[0].iter().zip(&probs[1]) {
        assert!((a - b).abs() <= 1e-4 + 2e-3 * a.abs(), "{a} and {b}");
    }
}
