//! Many devices for which the target writes on while they draft: the text is the plain loop's, whatever arrives when,
//! and it stops for whoever has gone.

use std::time::Duration;

use uhlm_law::advance::*;
use uhlm_law::rng::derived;
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Remote, Synthetic, VOCABULARY, alone, greedily as written};

const DEVICES: usize = 6;
const TOKENS: u32 = 80;

/// Lets one pass of the target run after the other, with time between them for devices to be heard.
async fn pace(remote: &Remote) {
    loop {
        remote.allow(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A device that drafts now and then while the target's text comes in; returns its reply.
///
/// Each request takes over the stream of the one before, which is heard to its end.
async fn reply(fixture: &Fixture, i: usize, prompt: &[TokenId], begin: Begin, text: &[TokenId]) -> Vec<TokenId> {
    let session = fixture.open().await;
    let mut draws = 0;
    let mut below = |end: u64| {
        draws += 1;
        (derived(i as u64, draws) >> 32) % end
    };
    let mut device = Device::new(fixture, begin, prompt);
    let mut open: Option<(Asked, Stream)> = None;
    let mut finished = false;
    while !finished {
        // From none to eight tokens, one in five of which is not the target's.
        device.conversation.take_back(0);
        let known = device.reply().len();
        let count = below(9) as usize;
        for &token in text[known..].iter().take(count) {
            let other = below(5) == 0;
            device.conversation.draft(if other { (token + 1) % (VOCABULARY - 1) } else { token });
        }
        let (request, asked) = device.next(Grants::UNLIMITED);
        let stream = session.stream(&request).await.unwrap();
        if let Some((mut asked, mut before)) = open.replace((asked, stream)) {
            while let Some(frame) = before.next().await {
                finished |= device.hear_frame(&mut asked, &frame).finished;
            }
            assert!(asked.is_ended(), "the answer before is told that it is over");
        }
        let (asked, stream) = open.as_mut().expect("a stream");
        for _ in 0..=below(6) {
            if finished {
                break;
            }
            let frame = stream.next().await.expect("grants that do not end, and a reply that has not ended");
            finished = device.hear_frame(asked, &frame).finished;
        }
    }
    device.reply().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_drafted_when_the_text_is_that_of_a_plain_loop() {
    // Too few places for all of them at once, so that passes are shared and cut.
    let (target, remote) = Synthetic::sized(DEVICES as u32, 4096, 12);
    let fixture = Fixture::new(target).await;
    remote.hold();
    let replies = all(DEVICES, |i| {
        let fixture = &fixture;
        async move {
            let prompt: Vec<TokenId> = (0..20 + 7 * i as TokenId).map(|id| (id + i as TokenId) % 30).collect();
            let begin = Begin { max_tokens: TOKENS, ..begin(&prompt, SamplingParams::default(), i as u64) };
            let text = alone(&prompt, &begin, TOKENS as usize);
            assert_eq!(reply(fixture, i, &prompt, begin, &text).await, text, "device {i}");
        }
    });
    tokio::select! {
        _ = replies => {}
        () = pace(&remote) => {}
    }
    remote.release();
    let counters = fixture.counters();
    let (judged, matched) = (counters.judged_tokens, counters.matched_tokens);
    assert!(counters.self_made_passes > 0 && matched > 0 && matched < judged, "{counters:?}");
    assert!(counters.passes < counters.judged_passes + counters.self_made_passes, "passes are shared: {counters:?}");
    fixture.until("nothing goes on after the ends", |c| c.requests_waiting == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_device_that_goes_away_the_target_stops_at_once_and_for_others_it_goes_on() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let sessions = fixture.open_several(3).await;
    remote.hold();
    let streams = all(3, |i| {
        let prompt = [i as TokenId];
        let begin = Begin { max_tokens: 3000, ..begin(&prompt, SamplingParams::greedy(), 1) };
        let request = Advance { grants: Grants::UNLIMITED, ..start(&prompt, begin) };
        let session = &sessions[i];
        async move { session.stream(&request).await.unwrap() }
    });
    let mut streams = tokio::select! {
        streams = streams => streams,
        () = pace(&remote) => unreachable!("it goes on for ever"),
    };
    drop(streams.remove(1));
    tokio::select! {
        () = fixture.until("it is noticed", |c| c.requests_abandoned == 1) => {}
        () = pace(&remote) => {}
    }
    let before = remote.passes().len();
    remote.allow(20);
    for _ in 0..2000 {
        if remote.passes().len() >= before + 20 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What was under way when it was noticed aside.
    let after = remote.passes().split_off(before + 2);
    assert!(after.len() >= 18, "{} passes", after.len());
    assert!(after.iter().all(|pass| pass.len() == 2), "{after:?}");
    assert_eq!(fixture.counters().requests_waiting, 2);
    for (stream, first) in streams.iter_mut().zip([0, 2]) {
        for (place, token) in written(&[first], 10).into_iter().enumerate() {
            let Some(Frame::Text(frame)) = stream.next().await else { panic!("text") };
            assert_eq!((frame.pos as usize, frame.ids), (place + 1, vec![token]));
        }
    }
    remote.release();
}
