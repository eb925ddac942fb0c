//! Any request may be repeated, hedged, overtaken or late: the text is the same.

use uhlm_law::advance::ErrorCode;
use uhlm_law::advance::*;
use uhlm_law::sampling::SamplingParams;

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, alone, greedily as written, greedy};

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_brings_the_same_text_and_costs_no_pass() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let prompt = prompt(12, 2);
    let request = Advance { draft: vec![7, 8], ..start(&prompt, begin(&prompt, SamplingParams::default(), 4)) };
    let first = session.advance(&request).await.unwrap();
    let passes = fixture.counters().passes;
    for _ in 0..3 {
        let again = session.advance(&request).await.unwrap();
        assert_eq!((again.ids(), again.end()), (first.ids(), first.end()));
    }
    assert_eq!(fixture.counters().passes, passes);
    assert_eq!(fixture.counters().judged_passes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hedge_on_a_second_connection_takes_the_answer_over_and_costs_no_pass() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let other = client_for(fixture.handle()).build().unwrap();
    let request = greedily(&[1, 2, 3], &written(&[1, 2, 3], 2));
    remote.hold();
    let hedge = async {
        remote.until_waiting().await;
        let post = other.post(format!("{}{}", fixture.url, session.path()));
        let post = post.header("content-type", MEDIA_BINARY).body(Encoding::Binary.encode(&request));
        let (response, ()) = tokio::join!(post.send(), async {
            fixture.until("both have asked", |c| c.requests_waiting == 2).await;
            remote.release();
        });
        Stream::new(response.unwrap()).rest().await
    };
    let (first, second) = tokio::join!(session.advance(&request), hedge);
    let first = first.unwrap();
    assert_eq!((first.0.len(), first.end()), (1, EndReason::Superseded));
    assert_eq!((second.ids(), second.end()), (written(&[1, 2, 3], 3), EndReason::Granted));
    assert_eq!((fixture.counters().passes, fixture.counters().judged_passes), (1, 1));
    assert_eq!(fixture.counters().connections, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_request_takes_over_and_the_stream_before_it_ends_with_its_frame() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let text = [vec![1, 2], written(&[1, 2], 400)].concat();
    let streamed = Advance { grants: Grants::UNLIMITED, ..greedily(&[1, 2], &[]) };
    remote.hold();
    remote.allow(3);
    let mut stream = session.stream(&streamed).await.unwrap();
    for i in 2..5 {
        let Some(Frame::Text(frame)) = stream.next().await else { panic!("text") };
        assert_eq!((frame.pos, &frame.ids[..]), (i as u32, &text[i..=i]));
    }
    // The fourth token is under way. It goes to whoever has asked last, and two more.
    remote.until_waiting().await;
    let request = Advance { grants: passes(2), ..window(1, &text[..5], &[]) };
    let (answer, ()) = tokio::join!(session.advance(&request), async {
        fixture.until("both have asked", |c| c.requests_waiting == 2).await;
        remote.release();
    });
    assert_eq!(stream.rest().await.0, [Frame::End(EndReason::Superseded)]);
    let answer = answer.unwrap();
    assert_eq!((answer.ids(), answer.end()), (text[5..8].to_vec(), EndReason::Granted));
    assert_eq!(fixture.counters().requests_waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_late_only_brings_its_draft() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let text = [vec![1], written(&[1], 9)].concat();
    session.advance(&greedily(&[1], &[])).await.unwrap();
    // The second draft rests on the first one, which is overtaken.
    let early = window(2, &text[..4], &text[4..7]);
    let early = Advance { have: 1, ..early };
    let answer = session.advance(&early).await.unwrap();
    assert_eq!((answer.ids(), answer.end()), (vec![], EndReason::Granted));
    let late = session.advance(&window(1, &text[..1], &text[1..4])).await.unwrap();
    assert_eq!((late.0.len(), late.end()), (1, EndReason::Superseded));
    // Both are judged all the same, and who asks next has it all.
    fixture.until("both are judged", |c| c.judged_tokens == 6).await;
    let next = session.advance(&Advance { have: 1, ..window(3, &text[..7], &[]) }).await.unwrap();
    assert_eq!(next.ids(), text[1..8]);
    assert_eq!(fixture.counters().judged_passes, 1, "in one pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_on_a_rejected_one_is_dropped_and_the_session_goes_on() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let first = greedy(&[1]);
    let wrong = (first + 1) % 30;
    session.advance(&greedily(&[1], &[wrong, 3])).await.unwrap();
    let ahead = Advance { have: 1, ..window(1, &[1, wrong, 3], &[4]) };
    let answer = session.advance(&ahead).await.unwrap();
    assert_eq!((answer.ids(), answer.end()), (vec![first], EndReason::Granted), "what the device has not heard");
    assert_eq!(fixture.counters().judged_tokens, 1);
    let answer = session.advance(&window(2, &[1, first], &written(&[1, first], 2))).await.unwrap();
    assert_eq!(answer.ids(), written(&[1, first], 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_generation_is_over_and_a_later_one_replaces_it() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let sampling = SamplingParams::default();
    let first = Advance { grants: passes(4), ..start(&[1, 2], begin(&[1, 2], sampling.clone(), 1)) };
    let reply = session.advance(&first).await.unwrap().ids();
    assert_eq!(reply, alone(&[1, 2], &begin(&[1, 2], sampling.clone(), 1), 4));
    // The next prompt goes on from the reply, of which the session holds everything.
    let held = [&[1, 2][..], &reply].concat();
    let prompt = [&held[..], &[7, 8]].concat();
    let anew = begin(&prompt, sampling, 2);
    let second = Advance {
        generation: 1,
        base: held.len() as u32,
        check: PrefixHash::of(&held),
        stand: vec![7, 8],
        grants: passes(5),
        ..start(&prompt, anew.clone())
    };
    let answer = session.advance(&second).await.unwrap();
    assert_eq!(answer.ids(), alone(&prompt, &anew, 5));
    let late = session.advance(&first).await.unwrap();
    assert_eq!((late.0.len(), late.end()), (1, EndReason::Superseded));
    let again = session.advance(&second).await.unwrap();
    assert_eq!(again.ids(), answer.ids(), "it has changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_goes_another_way_has_the_last_word() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let own = [1, 2, 9, 9, 9];
    remote.hold();
    let endless = Advance { grants: Grants::UNLIMITED, ..greedily(&[1, 2], &[]) };
    let streamed = session.stream(&endless);
    let given = async {
        remote.until_waiting().await;
        // What the device has written alone replaces the pass that is under way.
        let request = Advance {
            base: 2,
            check: PrefixHash::of(&[1, 2]),
            stand: own[2..].to_vec(),
            grants: passes(2),
            ..window(1, &own, &[])
        };
        let (answer, ()) = tokio::join!(session.advance(&request), async {
            fixture.until("both have asked", |c| c.requests_waiting == 2).await;
            remote.release();
        });
        answer.unwrap()
    };
    let (stream, answer) = tokio::join!(streamed, given);
    assert_eq!(stream.unwrap().rest().await.0, [Frame::End(EndReason::Superseded)]);
    assert_eq!(answer.ids(), written(&own, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_ahead_sends_the_missing_tail_and_one_that_differs_starts_over() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let first = session.advance(&greedily(&[1, 2], &[5])).await.unwrap().ids()[0];
    let held = [1, 2, first];
    let ahead = [&held[..], &[8, 9]].concat();
    let build = |base: &[u32], stand: &[u32]| Advance {
        base: base.len() as u32,
        check: PrefixHash::of(base),
        stand: stand.to_vec(),
        ..window(2, &[base, stand].concat(), &[])
    };
    let refused = session.advance(&build(&ahead, &[4])).await.unwrap_err();
    assert_eq!((refused.body.code, refused.body.held), (ErrorCode::Desync, Some(3)));
    let request = Advance { grants: passes(1), ..build(&held, &[8, 9, 4]) };
    let text = [&ahead[..], &[4]].concat();
    assert_eq!(session.advance(&request).await.unwrap().ids(), [greedy(&text)]);
    let refused = session.advance(&build(&[7, 7], &[3])).await.unwrap_err();
    assert_eq!(refused.body.code, ErrorCode::Desync);
    // What the session holds beyond what is given is its own, and stays.
    let over = Advance { seq: 3, grants: passes(2), ..build(&[], &text) };
    assert_eq!(session.advance(&over).await.unwrap().ids(), written(&text, 1 + 2));
}
