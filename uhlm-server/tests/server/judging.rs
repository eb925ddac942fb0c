//! Judged drafts: what stands, what the target writes instead, and the labels.

use uhlm_law::advance::*;
use uhlm_law::model::Sequence as _;
use uhlm_law::sampling::{ChainInput, Distribution, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::ContextOptions;

use crate::device::*;
use crate::support::*;
use crate::synthetic::{self, Synthetic, greedily as written, greedy};

/// `p` after `tokens`, from a context of its own.
fn alone(tokens: &[TokenId], params: &SamplingParams) -> Distribution {
    let options = ContextOptions { context: 1024, threads: 1, batch: 64, ..ContextOptions::default() };
    let mut sequence = model().new_sequence(&options).unwrap();
    sequence.decode(tokens, &|| false).unwrap();
    let chain = SamplingChain::new(params.clone()).unwrap();
    let input = ChainInput { logits: sequence.logits(), history: tokens, mask: None };
    chain.distribution(input, &mut Scratch::default()).unwrap()
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 + 2e-3 * a.abs().max(b.abs())
}

const BOTH: Labelling = Labelling { matched: true, probabilities: true };

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_over_k_drafts_decides_k_plus_one_tokens_or_up_to_the_first_difference() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let prompt = [1, 2, 3];
    let text = written(&prompt, 5);
    for right in 0..=4 {
        let session = fixture.open().await;
        let mut draft = text[..4].to_vec();
        if right < 4 {
            draft[right] = (draft[right] + 1) % 30;
        }
        let answer = session.advance(&greedily(&prompt, &draft)).await.unwrap();
        assert_eq!(answer.ids(), text[..=right], "{right} right");
        assert_eq!(answer.end(), EndReason::Granted);
        let [frame] = &answer.texts()[..] else { panic!("one frame for one pass") };
        assert_eq!((frame.pos, frame.check, frame.passes), (3, PrefixHash::of(&prompt).short(), 1));
        assert!(frame.pass_us.is_some() && frame.queue_us.is_some() && frame.labels.is_none());
    }
    let counters = fixture.counters();
    assert_eq!((counters.judged_passes, counters.self_made_passes, counters.passes), (5, 0, 5));
    assert_eq!((counters.judged_tokens, counters.matched_tokens), (1 + 2 + 3 + 4 + 4, 1 + 2 + 3 + 4));
    assert_eq!(counters.frames, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labels_of_drafted_tokens_are_those_of_the_model_alone() {
    let fixture = Fixture::new(llama()).await;
    let params = SamplingParams { temperature: 0.8, penalty_repeat: 1.1, ..SamplingParams::default() };
    let prompt = prompt(20, 0);
    // Its own text is drafted, so that all of it is judged.
    let begin = begin(&prompt, params.clone(), 1);
    let request = Advance { grants: passes(4), ..start(&prompt, begin) };
    let draft = fixture.open().await.advance(&request).await.unwrap().ids();
    let session = fixture.open().await;
    let request = Advance { grants: Grants::NONE, labels: BOTH, draft: draft.clone(), ..request };
    let labels = session.advance(&request).await.unwrap().labels();
    assert_eq!((labels.pos, labels.matched.len(), labels.p.len()), (20, 4, 4));
    assert_eq!(labels.matched, [true; 4]);
    for (i, (&id, &p)) in draft.iter().zip(&labels.p).enumerate() {
        let reference = alone(&[&prompt[..], &draft[..i]].concat(), &params).prob(id);
        assert!(close(p, reference), "token {i}: {p} and alone {reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_tokens_of_the_reply_are_labelled_where_that_is_asked_for() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let prompt = [4, 5];
    session.advance(&greedily(&prompt, &[])).await.unwrap();
    // The device has skipped three tokens, of which the target would have written the first and the third.
    let first = greedy(&prompt);
    let other = (greedy(&[4, 5, first]) + 1) % 30;
    let third = greedy(&[4, 5, first, other]);
    let skipped = [first, other, third];
    let held = [&prompt[..], &skipped].concat();
    let drafted = greedy(&held);
    let request = Advance {
        have: held.len() as u32,
        base: 2,
        check: PrefixHash::of(&prompt),
        stand: skipped.to_vec(),
        draft: vec![drafted],
        labels: Labelling { matched: true, probabilities: false },
        ..window(1, &held, &[])
    };
    let answer = session.advance(&request).await.unwrap();
    assert_eq!(answer.ids(), written(&held, 2));
    let labels = answer.labels();
    assert_eq!((labels.pos, &labels.matched[..], &labels.p[..]), (2, &[true, false, true, true][..], &[][..]));
    // Without a draft and without a grant a pass is made for the labels alone.
    let text = [&held[..], &written(&held, 2)].concat();
    let stand = vec![greedy(&text), 3];
    let held = [&text[..], &stand].concat();
    let (base, check) = (text.len() as u32, PrefixHash::of(&text));
    let request = Advance { base, check, stand, labels: BOTH, ..window(2, &held, &[]) };
    let answer = session.advance(&request).await.unwrap();
    assert!(answer.ids().is_empty());
    let labels = answer.labels();
    assert_eq!((labels.pos, &labels.matched[..]), (7, &[true, false][..]));
    assert_eq!(labels.p, [1.0, 0.0], "greedy");
    assert_eq!(fixture.counters().fill_passes, 2, "the prompt, and the tokens that were given last");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_binary_bring_the_same_frames() {
    let fixture = Fixture::new(llama()).await;
    let mut answers = Vec::new();
    for encoding in [Encoding::Binary, Encoding::Json] {
        let mut session = fixture.open().await;
        session.encoding = encoding;
        let prompt = prompt(9, 1);
        let begin = begin(&prompt, SamplingParams::default(), 3);
        let grants = passes(3);
        let request = Advance { draft: vec![4, 5, 6], labels: BOTH, grants, ..start(&prompt, begin) };
        answers.push(session.advance(&request).await.unwrap().without_times());
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].ids().len() >= 4, "{:?}", answers[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_comes_in_the_encoding_that_accept_names() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    let body = Encoding::Binary.encode(&greedily(&[1, 2], &[3]));
    let request = fixture.client.post(format!("{}{}", fixture.url, session.path())).body(body);
    let response = request.header("content-type", MEDIA_BINARY).header("accept", MEDIA_JSON).send().await.unwrap();
    assert_eq!(encoding_of(&response), Encoding::Json);
    let text = response.text().await.unwrap();
    assert!(text.starts_with(r#"{"text":{"pos":2,"#) && text.ends_with("{\"end\":\"granted\"}\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_longer_than_a_pass_may_judge_is_judged_by_several() {
    let mut config = config();
    config.limits.draft = 4;
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    assert_eq!(fixture.handle().info().limits.max_draft, 4);
    let session = fixture.open().await;
    let text = written(&[1], 10);
    let answer = session.advance(&greedily(&[1], &text)).await.unwrap();
    assert_eq!(answer.ids(), text);
    let lengths: Vec<usize> = answer.texts().iter().map(|text| text.ids.len()).collect();
    assert_eq!(lengths, [5, 5], "four that are judged and one that is decided, each time");
    assert_eq!(fixture.counters().judged_passes, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_fit_one_pass_of_the_engine_are_scored_over_several() {
    // 30 given tokens that want labels and 20 drafted ones, in passes of 8 tokens.
    let fixture = Fixture::new(Synthetic::sized(4, 1000, 8).0).await;
    let session = fixture.open().await;
    session.advance(&greedily(&[1], &[])).await.unwrap();
    let (given, draft): (Vec<_>, Vec<_>) = ((0..30).collect(), written(&[vec![1], (0..30).collect()].concat(), 20));
    let held = [&[1][..], &given].concat();
    let request = Advance {
        base: 1,
        check: PrefixHash::of(&[1]),
        stand: given.clone(),
        draft: draft.clone(),
        labels: BOTH,
        ..window(1, &held, &[])
    };
    let answer = session.advance(&request).await.unwrap();
    assert_eq!(answer.ids()[..20], draft[..]);
    let labels = answer.labels();
    let expected: Vec<bool> = (0..30).map(|i| synthetic::greedy(&held[..=i]) == given[i]).collect();
    assert_eq!(labels.matched[..30], expected[..]);
    assert_eq!(labels.matched[30..], [true; 20]);
    // The first difference ends the pass: what comes after it is not computed.
    let before = fixture.counters().decoded_tokens;
    let text = [&held[..], &answer.ids()].concat();
    let wrong = vec![(greedy(&text) + 1) % 30; 40];
    let answer = session.advance(&window(2, &text, &wrong)).await.unwrap();
    assert_eq!(answer.ids(), [greedy(&text)]);
    assert_eq!(fixture.counters().decoded_tokens - before, 8);
}
