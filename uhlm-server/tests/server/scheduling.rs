//! Many sessions in one pass of the engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use uhlm_law::advance::*;
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Remote, Synthetic, alone, greedily as written, greedy};

#[tokio::test(flavor = "multi_thread")]
async fn drafts_of_many_sessions_share_a_pass_and_p_is_the_same_as_alone() {
    let (fixture, lonely) = (Fixture::new(llama()).await, Fixture::new(llama()).await);
    let labels = Labelling { matched: true, probabilities: true };
    // The i-th session begins with a prompt, is then given four tokens a round, all of which are labelled, and drafts
    // one.
    let request = |i: usize, round: usize| {
        let text = prompt(200, i as u32);
        let end = 20 + i + 4 * round;
        let held = if round == 0 { 0 } else { end - 4 };
        let first = start(&text[..end], begin(&text[..end], SamplingParams::default(), i as u64));
        Advance {
            seq: round as u32,
            base: held as u32,
            check: PrefixHash::of(&text[..held]),
            stand: text[held..end].to_vec(),
            draft: vec![text[end]],
            labels,
            begin: first.begin.filter(|_| round == 0),
            ..first
        }
    };
    let (mut together, mut apart) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        together.push(fixture.open().await);
        apart.push(lonely.open().await);
    }
    for round in 0..6 {
        let answers = all(8, |i| {
            let (session, request) = (&together[i], request(i, round));
            async move { session.advance(&request).await.unwrap().labels() }
        })
        .await;
        for (i, session) in apart.iter().enumerate() {
            let labels = session.advance(&request(i, round)).await.unwrap().labels();
            assert_eq!(labels.pos, answers[i].pos);
            assert_eq!(labels.p.len(), answers[i].p.len());
            for (a, b) in labels.p.iter().zip(&answers[i].p) {
                assert!((a - b).abs() <= 1e-4 + 2e-2 * a.abs(), "alone {a}, together {b}");
            }
        }
    }
    let (together, alone) = (fixture.counters(), lonely.counters());
    assert_eq!((together.judged_passes, alone.judged_passes), (48, 48));
    assert!(together.passes < together.judged_passes, "{} passes", together.passes);
    assert_eq!(alone.passes, 48);
    assert_eq!(together.decoded_tokens, alone.decoded_tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_during_a_pass_goes_into_the_next_one_together() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let sessions = fixture.open_several(9).await;
    remote.hold();
    let steer = async {
        fixture.until("all have asked", |c| c.requests_waiting == 9).await;
        remote.release();
    };
    let request = greedily(&[1, 2], &[3, 4]);
    let first = sessions[0].advance(&request);
    let rest = async {
        remote.until_waiting().await;
        all(8, |i| sessions[i + 1].advance(&request)).await
    };
    let (first, rest, ()) = tokio::join!(first, rest, steer);
    first.unwrap();
    rest.into_iter().for_each(|answer| drop(answer.unwrap()));
    let passes = remote.passes();
    assert_eq!(passes.iter().map(Vec::len).collect::<Vec<_>>(), [1, 8], "{passes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_drafts_share_passes_and_do_not_wait_for_each_other() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let sessions = fixture.open_several(6).await;
    // However busy the machine is, all of them have asked before the first pass ends.
    remote.hold();
    let steer = async {
        fixture.until("all have asked", |c| c.requests_waiting == 6).await;
        remote.release();
    };
    let replies = all(6, |i| {
        let session = &sessions[i];
        async move {
            let prompt = [i as TokenId, 3];
            let begin = Begin { max_tokens: 60, ..begin(&prompt, SamplingParams::default(), i as u64) };
            let request = Advance { grants: Grants::UNLIMITED, ..start(&prompt, begin.clone()) };
            let answer = session.advance(&request).await.unwrap();
            let longest = answer.texts().iter().map(|text| text.ids.len()).max();
            assert_eq!(longest, Some(1), "a frame a token");
            (answer.ids(), alone(&prompt, &begin, 60))
        }
    });
    let (replies, ()) = tokio::join!(replies, steer);
    assert!(replies.iter().all(|(reply, alone)| reply == alone));
    let counters = fixture.counters();
    assert_eq!(counters.self_made_passes, 360);
    assert!(counters.passes < 360, "{} passes", counters.passes);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_do_not_wait_for_a_long_prompt() {
    let (target, remote) = Synthetic::sized(8, 8192, 64);
    let fixture = Fixture::new(target).await;
    let (long, short) = (fixture.open().await, fixture.open().await);
    let mut text = vec![1, 2];
    text.extend(short.advance(&greedily(&text, &[3])).await.unwrap().ids());
    remote.hold();
    let prompt: Vec<TokenId> = (0..2000).map(|i| i % 30).collect();
    let long_request = greedily(&prompt, &[1]);
    let prefill = long.advance(&long_request);
    let judged = async {
        remote.until_waiting().await;
        let before = remote.passes().len();
        for seq in 1..=4 {
            let request = window(seq, &text, &written(&text, 2));
            let (answer, ()) = tokio::join!(short.advance(&request), async {
                // One pass that was begun already, one with the draft.
                fixture.until("both have asked", |c| c.requests_waiting == 2).await;
                remote.allow(2);
            });
            text.extend(answer.unwrap().ids());
        }
        let during = remote.passes().len() - before;
        remote.release();
        during
    };
    let (prefill, during) = tokio::join!(prefill, judged);
    assert_eq!(prefill.unwrap().ids()[0], greedy(&prompt));
    assert!(during <= 8, "{during} passes for 4 drafts");
    assert!(remote.passes().len() > 30, "the prompt took many");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_client_went_away_is_never_decoded() {
    let (target, remote) = Synthetic::large();
    let fixture = Fixture::new(target).await;
    let (busy, session) = (fixture.open().await, fixture.open().await);
    remote.hold();
    let request = greedily(&[1, 2], &[3]);
    let steer = async {
        remote.until_waiting().await;
        tokio::select! {
            _ = session.advance(&request) => panic!("no pass has ended"),
            () = fixture.until("it has asked", |c| c.requests_waiting == 2) => {}
        }
        fixture.until("it is given up", |c| c.requests_abandoned == 1).await;
        remote.release();
    };
    let (answer, ()) = tokio::join!(busy.advance(&request), steer);
    answer.unwrap();
    fixture.until("it is dropped", |c| c.requests_abandoned == 1 && c.requests_waiting == 0).await;
    assert_eq!(remote.passes().len(), 1);
    // The device asks again with the same number.
    assert_eq!(session.advance(&request).await.unwrap().ids()[0], greedy(&[1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_prompt_given_up_half_way_is_not_decoded_twice() {
    let (target, remote) = Synthetic::sized(4, 8192, 64);
    let fixture = Fixture::new(target).await;
    let session = fixture.open().await;
    let prompt: Vec<TokenId> = (0..640).map(|i| i % 30).collect();
    let request = greedily(&prompt, &written(&prompt, 1));
    remote.hold();
    remote.allow(6);
    tokio::select! {
        _ = session.advance(&request) => panic!("there is more to read"),
        () = fixture.until("six passes are made", |_| remote.passes().len() == 6) => {}
    }
    // The server hears of it by itself; however late, nothing is read twice.
    tokio::time::sleep(Duration::from_millis(100)).await;
    remote.release();
    fixture.until("it is dropped", |c| c.requests_abandoned == 1).await;
    assert_eq!(session.advance(&request).await.unwrap().ids()[0], greedy(&prompt));
    assert_eq!(fixture.counters().decoded_tokens, 641);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_can_be_read_ahead_of_the_first_draft() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let prompt: Vec<TokenId> = (0..300).map(|i| i % 30).collect();
    let answer = session.advance(&greedily(&prompt, &[])).await.unwrap();
    assert_eq!((answer.ids(), answer.end()), (vec![], EndReason::Granted));
    let before = fixture.counters();
    assert_eq!((before.fill_passes, before.decoded_tokens), (1, 299));
    let answer = session.advance(&window(1, &prompt, &written(&prompt, 3))).await.unwrap();
    assert_eq!(answer.ids(), written(&prompt, 4));
    assert_eq!(fixture.counters().decoded_tokens - before.decoded_tokens, 4, "the prompt's last token and the draft");
}

/// How many of the first `count` passes each of the first three slots has a part in.
fn parts(remote: &Remote, count: usize) -> [usize; 3] {
    let passes = remote.passes();
    [0, 1, 2].map(|slot| passes[..count].iter().filter(|pass| pass.iter().any(|part| part.0 == slot)).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_streams_goes_before_what_another_may_have_use_for() {
    // One place a pass, so that somebody waits at every one.
    let (target, remote) = Synthetic::sized(3, 4096, 1);
    let fixture = Fixture::new(target).await;
    remote.hold();
    let endless = Grants { after_mismatch: Grant::Passes(0), after_agreement: Grant::Unlimited };
    let read = AtomicUsize::new(0);
    let mut streams = Vec::new();
    for (i, grants) in [Grants::UNLIMITED, endless, passes(200)].into_iter().enumerate() {
        let session = fixture.open().await;
        let begin = Begin { max_tokens: 60, ..begin(&[1], SamplingParams::greedy(), i as u64) };
        let request = Advance { grants, ..start(&[1], begin) };
        let (fixture, read) = (&fixture, &read);
        streams.push(async move {
            // Slots are given in the order in which requests come.
            fixture.until("those before have asked", |c| c.requests_waiting == i as u64).await;
            let mut stream = session.stream(&request).await.unwrap();
            let mut ids = Vec::new();
            while let Some(frame) = stream.next().await {
                if let Frame::Text(text) = frame {
                    read.fetch_add(text.ids.len(), Ordering::Relaxed);
                    ids.extend(text.ids);
                }
            }
            ids
        });
    }
    let steer = async {
        fixture.until("all have asked", |c| c.requests_waiting == 3).await;
        for pass in 0.. {
            // A pass at a time: a device that has not read what it was sent would not get its turn.
            fixture.until("what was written is read", |_| read.load(Ordering::Relaxed) == pass).await;
            remote.allow(1);
        }
    };
    let replies = tokio::select! {
        replies = futures_util::future::join_all(streams) => replies,
        () = steer => unreachable!("it goes on until the replies are whole"),
    };
    remote.release();
    replies.into_iter().for_each(|reply| assert_eq!(reply, written(&[1], 60)));
    // While all three want something: the first pass of each, then every ninth for the third.
    let [first, second, third] = parts(&remote, 90);
    assert!(first.abs_diff(second) <= 2, "{first} and {second} passes");
    assert!((6..=12).contains(&third), "{third} passes that nobody may need");
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_go_before_what_another_device_may_have_use_for() {
    let (target, remote) = Synthetic::sized(2, 4096, 4);
    let fixture = Fixture::new(target).await;
    let (spare, drafting) = (fixture.open().await, fixture.open().await);
    // Both have their prompts read.
    spare.advance(&Advance { grants: passes(1), ..greedily(&[1], &[]) }).await.unwrap();
    drafting.advance(&greedily(&[2], &written(&[2], 1))).await.unwrap();
    let before = remote.passes().len();
    remote.hold();
    let text = [vec![1], written(&[1], 40)].concat();
    let ahead = Advance { grants: passes(30), ..window(1, &text[..2], &[]) };
    let drafted = [vec![2], written(&[2], 10)].concat();
    let draft = window(1, &drafted[..3], &drafted[3..10]);
    let judged = async {
        // The first self-made pass has begun; the draft takes the next two whole, and a device waits for both.
        remote.until_waiting().await;
        let (answer, ()) = tokio::join!(drafting.advance(&draft), async {
            fixture.until("both have asked", |c| c.requests_waiting == 2).await;
            remote.release();
        });
        answer.unwrap()
    };
    let (written_ahead, judged) = tokio::join!(spare.advance(&ahead), judged);
    assert_eq!(written_ahead.unwrap().ids(), text[2..32]);
    assert_eq!(judged.ids(), drafted[3..11]);
    assert_eq!(remote.passes()[before..before + 4], [vec![(0, 1)], vec![(1, 4)], vec![(1, 4)], vec![(0, 1)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_draft_the_target_judges_what_pays_where_it_writes_on_anyway() {
    for (grants, widest) in [(Grants::UNLIMITED, 2), (Grants::NONE, 21)] {
        let (target, remote) = Synthetic::large();
        let fixture = Fixture::new(target).await;
        let session = fixture.open().await;
        let text = [vec![1], written(&[1], 21)].concat();
        let begin = Begin { max_tokens: 21, ..begin(&text[..1], SamplingParams::greedy(), 1) };
        let request = Advance { grants, draft: text[1..21].to_vec(), ..start(&text[..1], begin) };
        // What is not judged at once is not lost.
        assert_eq!(session.advance(&request).await.unwrap().ids(), text[1..]);
        let passes = remote.passes();
        // Nothing is known about passes of two rows before there was one.
        assert_eq!(passes[0], [(0, widest)], "{grants:?}");
        let mut known = widest;
        for pass in &passes {
            assert!(pass[0].1 <= known + 1, "no more than one row beyond what is known: {passes:?}");
            known = known.max(pass[0].1);
        }
        let counters = fixture.counters();
        assert!(counters.self_made_passes <= 1, "there is a draft for all but the last token");
        assert_eq!((counters.judged_tokens, counters.matched_tokens), (20, 20));
    }
}
