//! The target writes on without a draft, as far as it is granted.

use std::time::{Duration, Instant};

use uhlm_law::advance::*;
use uhlm_law::sampling::SamplingParams;

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, alone, greedily as written, greedy};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_streamed_is_what_one_pass_a_request_brings() {
    let fixture = Fixture::new(llama()).await;
    let prompt = prompt(15, 5);
    for sampling in [SamplingParams::greedy(), SamplingParams::default()] {
        let begin = Begin { max_tokens: 24, ..begin(&prompt, sampling, 3) };
        let one_by_one = fixture.open().await;
        let mut device = Device::new(&fixture, begin.clone(), &prompt);
        while !device.ask(&one_by_one, &[], passes(1)).await.unwrap() {}
        for encoding in [Encoding::Binary, Encoding::Json] {
            let mut session = fixture.open().await;
            session.encoding = encoding;
            let request = Advance { grants: Grants::UNLIMITED, ..start(&prompt, begin.clone()) };
            let answer = session.advance(&request).await.unwrap();
            assert_eq!(answer.ids(), device.reply());
            assert!(answer.end().ends_reply(), "{:?}", answer.end());
            let passes: Vec<u32> = answer.texts().iter().map(|text| text.passes).collect();
            assert_eq!(passes, (1..=answer.ids().len() as u32).collect::<Vec<_>>(), "one pass a token");
            assert!(answer.texts().iter().all(|text| text.pass_us.is_some_and(|us| us > 0)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_many_passes_has_waited_for_each_but_not_for_those_before_it() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let prompt = [1, 2, 3];
    let begin = Begin { max_tokens: 200, ..begin(&prompt, SamplingParams::greedy(), 3) };
    let session = fixture.open().await;
    let began = Instant::now();
    let answer = session.advance(&Advance { grants: Grants::UNLIMITED, ..start(&prompt, begin) }).await.unwrap();
    let took = began.elapsed().as_secs_f64();
    let passes = answer.texts().len();
    assert!(passes > 20, "{passes} passes");
    let metrics = fixture.client.get(format!("{}/metrics", fixture.url)).send().await.unwrap().text().await.unwrap();
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}"));
        line.trim().parse::<f64>().unwrap()
    };
    // Counted from the request, the waiting of pass after pass would be a multiple of the whole time.
    let waited = value("uhlm_queue_seconds_sum ");
    assert!(waited < took, "{waited} s of {took}");
    assert!((waited - value("uhlm_phase_seconds_total{phase=\"queue\"} ")).abs() < 1e-6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_passes_that_are_granted_are_made_and_no_more() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let text = written(&[1, 2], 20);
    let grants = Grants { after_mismatch: Grant::Passes(1), after_agreement: Grant::Passes(3) };
    let wrong = [text[0], (text[1] + 1) % 30];
    for (draft, decided, frames) in [(&[][..], 3, 3), (&text[..2], 3 + 3, 1 + 3), (&wrong, 2 + 1, 1 + 1)] {
        let session = fixture.open().await;
        let answer = session.advance(&Advance { grants, ..greedily(&[1, 2], draft) }).await.unwrap();
        assert_eq!((answer.ids(), answer.end()), (text[..decided].to_vec(), EndReason::Granted));
        assert_eq!(answer.texts().len(), frames, "{draft:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stream_drafts_go_on_from_its_tokens_and_what_is_given_replaces_them() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let answer = session.advance(&Advance { grants: passes(5), ..greedily(&[1, 2, 3], &[]) }).await.unwrap();
    let text = [&[1, 2, 3][..], &answer.ids()].concat();
    assert_eq!(text[3..], written(&[1, 2, 3], 5));
    let draft = greedy(&text);
    let answer = session.advance(&window(1, &text, &[draft])).await.unwrap();
    assert_eq!(answer.ids(), written(&text, 2));
    // The device has gone another way after the fourth token: the rest is rolled back.
    let own = [&text[..4], &[8]].concat();
    let (base, check) = (4, PrefixHash::of(&text[..4]));
    let request = Advance { base, check, stand: vec![8], draft: vec![greedy(&own)], ..window(2, &own, &[]) };
    assert_eq!(session.advance(&request).await.unwrap().ids(), written(&own, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_stream_stops_within_a_pass_and_the_session_goes_on() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    remote.hold();
    remote.allow(3);
    let request = Advance { grants: Grants::UNLIMITED, ..greedily(&[1, 2, 3], &[]) };
    let mut stream = session.stream(&request).await.unwrap();
    stream.next().await.expect("a frame");
    remote.until_waiting().await;
    drop(stream);
    tokio::time::sleep(Duration::from_millis(200)).await;
    remote.release();
    fixture.until("the stream is given up", |c| c.requests_abandoned == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(remote.passes().len(), 4, "the one that was under way, and no more");
    assert_eq!(fixture.counters().requests_waiting, 0);
    // What was decided stays: the device, which has heard of one token, is told the rest.
    let text = [vec![1, 2, 3], written(&[1, 2, 3], 6)].concat();
    let answer = session.advance(&window(1, &text[..4], &text[4..8])).await.unwrap();
    assert_eq!(answer.ids(), text[4..9]);
    assert_eq!(fixture.counters().judged_tokens, 1, "of four drafted tokens three were decided already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_comes_while_the_target_writes_goes_into_its_next_pass() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let text = [vec![1], written(&[1], 40)].concat();
    remote.hold();
    let endless = Advance { grants: Grants::UNLIMITED, ..greedily(&[1], &[]) };
    let streamed = session.stream(&endless);
    let drafted = async {
        remote.until_waiting().await;
        let request = Advance { grants: passes(0), ..window(1, &text[..1], &text[1..6]) };
        let (answer, ()) = tokio::join!(session.advance(&request), async {
            fixture.until("both have asked", |c| c.requests_waiting == 2).await;
            remote.release();
        });
        answer.unwrap()
    };
    let (_, answer) = tokio::join!(streamed, drafted);
    assert_eq!(answer.ids(), text[1..7]);
    let counters = fixture.counters();
    assert_eq!((counters.self_made_passes, counters.judged_passes, counters.judged_tokens), (1, 1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_makes_a_sampled_reply_repeatable_and_another_seed_another_one() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let mut replies = Vec::new();
    for seed in [1, 1, 2] {
        let session = fixture.open().await;
        let begin = begin(&[3, 4], SamplingParams::default(), seed);
        let request = Advance { grants: passes(30), ..start(&[3, 4], begin.clone()) };
        let reply = session.advance(&request).await.unwrap().ids();
        assert_eq!(reply, alone(&[3, 4], &begin, 30));
        replies.push(reply);
    }
    assert_eq!(replies[0], replies[1]);
    assert_ne!(replies[0], replies[2]);
}
