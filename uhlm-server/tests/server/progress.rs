//! A target that is busy says so: progress while it reads, and sessions that open meanwhile.

use std::time::{Duration, Instant};

use uhlm_law::advance::ErrorCode;
use uhlm_law::advance::*;
use uhlm_law::sampling::TokenId;
use uhlm_server::{Limits, ServerConfig};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedy};

const EVERY: Duration = Duration::from_millis(100);

fn limits() -> Limits {
    Limits { progress: EVERY, ..Limits::default() }
}

fn progress(frame: Option<Frame>) -> Progress {
    match frame {
        Some(Frame::Progress(progress)) => progress,
        other => panic!("{other:?} instead of progress"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_reads_says_how_far_it_is_from_time_to_time() {
    let (target, remote) = Synthetic::sized(4, 8192, 64);
    let fixture = Fixture::with(ServerConfig { limits: limits(), ..config() }, target).await;
    let session = fixture.open().await;
    let prompt: Vec<TokenId> = (0..640).map(|i| i % 30).collect();
    remote.hold();
    let began = Instant::now();
    let mut stream = session.stream(&greedily(&prompt, &[])).await.expect("begun by progress");
    // It may be said before the scheduler has taken the request.
    let mut seen = vec![progress(stream.next().await)];
    for _ in 0..3 {
        remote.allow(1);
        remote.until_waiting().await;
        seen.push(progress(stream.next().await));
    }
    assert!(began.elapsed() >= 4 * EVERY, "no more often than that");
    assert!(seen.is_sorted_by_key(|progress| progress.read), "{seen:?}");
    let last = seen.last().copied().unwrap_or_default();
    assert!(last.read > 0 && last.read < last.total && last.total == 639 && last.ahead == 0, "{seen:?}");
    remote.release();
    let rest = stream.rest().await;
    assert_eq!((rest.ids(), rest.end()), (vec![], EndReason::Granted));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_its_turn_hears_how_many_are_before_it() {
    // One place a pass: whoever comes later waits.
    let (target, remote) = Synthetic::sized(3, 4096, 1);
    let fixture = Fixture::with(ServerConfig { limits: limits(), ..config() }, target).await;
    let sessions = fixture.open_several(3).await;
    remote.hold();
    let request = greedily(&[1, 2, 3, 4, 5, 6], &[7]);
    let mut streams = Vec::new();
    for session in &sessions {
        streams.push(session.stream(&request).await.expect("begun by progress"));
    }
    fixture.until("all have asked", |c| c.requests_waiting == 3).await;
    remote.allow(1);
    remote.until_waiting().await;
    let mut ahead = 0;
    for _ in 0..10 {
        ahead = ahead.max(progress(streams[2].next().await).ahead);
    }
    assert_eq!(ahead, 2);
    remote.release();
    for stream in streams {
        assert_eq!(stream.rest().await.ids()[0], greedy(&[1, 2, 3, 4, 5, 6]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_opens_while_the_target_is_at_a_pass_and_its_first_request_is_served_after_it() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::with(ServerConfig { limits: limits(), ..config() }, target).await;
    let busy = fixture.open().await;
    remote.hold();
    let request = greedily(&[1, 2], &[3]);
    let late = async {
        remote.until_waiting().await;
        let began = Instant::now();
        let session = fixture.open().await;
        assert!(began.elapsed() >= EVERY, "the thread cannot have answered");
        let mut stream = session.stream(&request).await.expect("begun by progress");
        progress(stream.next().await);
        remote.release();
        stream.rest().await
    };
    let (first, late) = tokio::join!(busy.advance(&request), late);
    assert_eq!((first.unwrap().ids()[0], late.ids()[0]), (greedy(&[1, 2]), greedy(&[1, 2])));
    assert_eq!(fixture.counters().sessions_open, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_after_progress_fails_in_the_stream() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::with(ServerConfig { limits: limits(), ..config() }, target).await;
    let (busy, stranger) = (fixture.open().await, fixture.open().await);
    let stranger = Session { id: "0".repeat(32), ..stranger };
    remote.hold();
    let request = greedily(&[1, 2], &[3]);
    let refused = async {
        remote.until_waiting().await;
        let stream = stranger.stream(&request).await.expect("begun by progress");
        remote.release();
        stream.rest().await
    };
    let (answer, refused) = tokio::join!(busy.advance(&request), refused);
    answer.unwrap();
    assert!(matches!(refused.0.last(), Some(Frame::Failed(error)) if error.code == ErrorCode::Gone), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_stuck_says_nothing() {
    let (target, remote) = Synthetic::large();
    let limits = Limits { stall: EVERY * 4, ..limits() };
    let fixture = Fixture::with(ServerConfig { limits, ..config() }, target).await;
    let session = fixture.open().await;
    remote.hold();
    let mut stream = session.stream(&greedily(&[1, 2], &[3])).await.expect("begun by progress");
    let mut said = 0;
    while tokio::time::timeout(EVERY * 10, stream.next()).await.is_ok() {
        said += 1;
        assert!(said < 10, "it says that it lives");
    }
    remote.release();
    assert_eq!(stream.rest().await.ids()[0], greedy(&[1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_came_while_its_own_prompt_was_read_is_not_refused_for_that() {
    let (target, remote) = Synthetic::large();
    let limits = Limits { queue_wait: EVERY, ..limits() };
    let fixture = Fixture::with(ServerConfig { limits, ..config() }, target).await;
    let session = fixture.open().await;
    let prompt = [1, 2, 3, 4];
    remote.hold();
    let (read, late) = (greedily(&prompt, &[]), window(1, &prompt, &[greedy(&prompt)]));
    let steer = async {
        remote.until_waiting().await;
        let stream = session.stream(&late).await.expect("begun by progress");
        tokio::time::sleep(EVERY * 3).await;
        remote.release();
        stream.rest().await
    };
    let (read, late) = tokio::join!(session.advance(&read), steer);
    assert_eq!(read.unwrap().end(), EndReason::Superseded);
    assert_eq!(late.ids()[0], greedy(&prompt));
}
