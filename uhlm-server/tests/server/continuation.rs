//! The target writes on alone.

use std::time::Duration;

use uhlm_law::protocol::*;
use uhlm_law::sampling::SamplingParams;
use uhlm_server::Limits;

use crate::support::*;
use crate::synthetic::{Synthetic, greedy};

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_continuation_is_what_windows_with_one_bonus_each_bring() {
    let fixture = Fixture::new(llama()).await;
    let prompt = prompt(15, 5);
    let by_windows = fixture.open_with(SamplingParams::greedy(), 1).await;
    let mut text = prompt.clone();
    let mut append = prompt.len();
    for seq in 1..=24 {
        let held = text.len() - append;
        let verdict = by_windows.verify(&window(seq, &text[..held], &text[held..], &[], 0.0)).await.unwrap();
        text.push(bonus(&verdict));
        append = 0;
    }
    for encoding in [Encoding::Binary, Encoding::Json] {
        let mut session = fixture.open_with(SamplingParams::greedy(), 2).await;
        session.encoding = encoding;
        let (tokens, last) = session.continuation(&continue_request(1, &[], &prompt, 24)).await.unwrap();
        let expected = &text[prompt.len()..];
        assert_eq!(tokens, expected[..tokens.len()]);
        let ended = tokens.last().is_some_and(|id| {
            use uhlm_law::chat::DraftModel as _;
            model().vocabulary().is_end(*id)
        });
        assert!(tokens.len() == 24 || ended, "{} tokens", tokens.len());
        assert!(matches!(last, ContinueFrame::End { timing } if timing.decode_us > 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_continuation_windows_go_on_from_its_tokens() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open_with(SamplingParams::greedy(), 1).await;
    let (tokens, _) = session.continuation(&continue_request(1, &[], &[1, 2, 3], 5)).await.unwrap();
    let mut text = vec![1, 2, 3];
    for &token in &tokens {
        assert_eq!(token, greedy(&text));
        text.push(token);
    }
    assert_eq!(text.len(), 8);
    let draft = greedy(&text);
    let verdict = session.verify(&window(2, &text, &[], &[draft], 1.0)).await.unwrap();
    assert_eq!(bonus(&verdict), greedy(&[&text[..], &[draft]].concat()));
    // Or from a part of them: the rest is rolled back.
    let verdict = session.verify(&window(3, &text[..5], &[], &[text[5]], 1.0)).await.unwrap();
    assert_eq!(bonus(&verdict), text[6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_a_sampled_continuation_repeatable() {
    let fixture = Fixture::new(llama()).await;
    let mut written = Vec::new();
    for seed in [1, 1, 2] {
        let session = fixture.open_with(SamplingParams::default(), seed).await;
        written.push(session.continuation(&continue_request(1, &[], &prompt(8, 6), 20)).await.unwrap().0);
    }
    assert_eq!(written[0], written[1]);
    assert_ne!(written[0], written[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_where_the_context_ends() {
    let mut config = config();
    config.limits = Limits { context: 12, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    assert_eq!(fixture.handle().info().context, 12);
    let session = fixture.open_with(SamplingParams::greedy(), 1).await;
    let (tokens, last) = session.continuation(&continue_request(1, &[], &[1, 2, 3], 100)).await.unwrap();
    assert_eq!(tokens.len(), 9);
    assert!(matches!(last, ContinueFrame::End { .. }));
    let refused = session.verify(&window(2, &[1, 2, 3], &[4; 9], &[5], 0.0)).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_as_statuses_before_the_stream() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let none = session.continuation(&continue_request(1, &[], &[1], 0)).await.unwrap_err();
    assert_eq!(none.status, 400);
    let ahead = session.continuation(&continue_request(1, &[5, 6], &[1], 3)).await.unwrap_err();
    assert_eq!((ahead.status, ahead.body.held), (409, Some(0)));
    let unknown = session.continuation(&continue_request(1, &[], &[99], 3)).await.unwrap_err();
    assert_eq!(unknown.status, 400);
    session.continuation(&continue_request(1, &[], &[1], 3)).await.unwrap();
    let again = session.continuation(&continue_request(1, &[], &[1], 3)).await.unwrap_err();
    assert_eq!(again.status, 409, "what was streamed is not streamed again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_stream_stops_within_a_token_and_the_session_goes_on() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open_with(SamplingParams::greedy(), 1).await;
    remote.hold();
    let request = continue_request(1, &[], &[1, 2, 3], 1000);
    let mut response = fixture.send(&session.path("continue"), Encoding::Binary, &request).await;
    remote.allow(3);
    response.chunk().await.unwrap().expect("a frame");
    remote.until_waiting().await;
    drop(response);
    tokio::time::sleep(Duration::from_millis(200)).await;
    remote.release();
    fixture.until("the continuation is given up", |c| c.requests_abandoned == 1).await;
    assert!(remote.passes().len() <= 4, "{} passes", remote.passes().len());
    let mut text = vec![1, 2, 3];
    text.push(greedy(&text));
    let draft = greedy(&text);
    let verdict = session.verify(&window(2, &text, &[], &[draft], 1.0)).await.unwrap();
    assert_eq!(bonus(&verdict), greedy(&[&text[..], &[draft]].concat()));
    assert_eq!(fixture.counters().requests_waiting, 0);
}
