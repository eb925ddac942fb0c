use std::time::Duration;

use uhlm_law::advance::{Labels, PrefixHash, Text};
use uhlm_law::sampling::SamplingParams;

use super::*;
use crate::metrics::VerdictTiming;

const PROMPT: [TokenId; 3] = [100, 101, 102];

/// A pipeline after [`PROMPT`], with its verifier and the time.
struct Bench {
    pipeline: Pipeline,
    peer: Peer,
    asked: Vec<Asked>,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut pipeline = Pipeline::new(1000);
        let begin = Begin {
            seed: 1,
            sampling: SamplingParams::default(),
            reply_start: 3,
            max_tokens: 100,
            stop: Vec::new(),
            grammar: None,
        };
        assert_eq!(pipeline.begin(begin, &PROMPT, None), 0);
        Self { pipeline, peer: Peer::new(), asked: Vec::new(), now: Instant::now() }
    }

    fn draft(&mut self, ids: &[TokenId]) -> &mut Self {
        ids.iter().for_each(|&id| self.pipeline.push(drafted(id, true)));
        self
    }

    /// Sends the open window; returns the tokens that were given and those that were drafted.
    fn send(&mut self) -> (Vec<TokenId>, Vec<TokenId>) {
        let labels = Labelling { matched: true, probabilities: true };
        let sent = self.pipeline.send(&mut self.peer, false, Grants::NONE, labels, self.now);
        let (request, asked, processed) = sent.expect("a generation");
        assert_eq!(processed, request.stand.len() + request.draft.len());
        self.asked.push(asked);
        (request.stand, request.draft)
    }

    /// Hears that the target's text after the first `pos` tokens of `text` is the rest of it, in the answer to
    /// request `asked`.
    fn hear(&mut self, asked: usize, pos: usize, text: &[TokenId], labels: Option<Labels>) -> Outcome {
        let text = [&PROMPT[..], text].concat();
        let frame = Frame::Text(Text {
            pos: (3 + pos) as u32,
            check: PrefixHash::of(&text[..3 + pos]).short(),
            ids: text[3 + pos..].to_vec(),
            passes: 1,
            pass_us: Some(40_000),
            queue_us: Some(1_000),
            rows: Some(2),
            labels,
        });
        let (peer, asked) = (&mut self.peer, &mut self.asked[asked]);
        self.pipeline.hear(peer, asked, &frame, self.now).expect("an answer")
    }
}

fn drafted(id: TokenId, judged: bool) -> Drafted {
    Drafted {
        id,
        uncertainty: 0.5,
        q: 0.5,
        entropy: 1.0,
        margin: 1.0,
        beta: 0.1,
        threshold: None,
        judged,
        forced: false,
    }
}

/// Returns the tokens that stand in short: id, origin, drafted tokens taken back before it.
fn standing(outcome: &Outcome) -> Vec<(TokenId, Origin, usize)> {
    outcome.standing.iter().map(|(back, standing)| (standing.id, standing.origin, *back)).collect()
}

#[test]
fn a_window_that_agrees_stands_with_the_token_after_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.draft(&[1, 2]).send(), (PROMPT.to_vec(), vec![1, 2]));
    let outcome = bench.hear(0, 0, &[1, 2, 3], None);
    assert_eq!(standing(&outcome), [(1, Origin::Verified, 0), (2, Origin::Verified, 0), (3, Origin::Target, 0)]);
    assert_eq!((outcome.judged.len(), bench.pipeline.windows_in_flight()), (2, 0));
    assert_eq!(bench.pipeline.ids(), [100, 101, 102, 1, 2, 3]);
}

#[test]
fn the_first_difference_takes_back_what_was_drafted_after_it() {
    let mut bench = Bench::new();
    bench.draft(&[1, 2, 3, 4]).send();
    bench.draft(&[5]);
    let outcome = bench.hear(0, 0, &[1, 9], None);
    assert_eq!(standing(&outcome), [(1, Origin::Verified, 0), (9, Origin::Target, 4)]);
    let judged: Vec<_> = outcome.judged.iter().map(|d| (d.drafted.id, d.matched)).collect();
    assert_eq!(judged, [(1, true), (2, false)]);
    assert_eq!((bench.pipeline.branch().len(), bench.pipeline.windows_in_flight()), (0, 0));
}

#[test]
fn a_difference_in_the_first_of_three_windows_voids_the_other_two() {
    let mut bench = Bench::new();
    bench.draft(&[1, 2]).send();
    bench.draft(&[3, 4]).send();
    assert_eq!(bench.draft(&[5, 6]).send(), (vec![], vec![5, 6]));
    assert_eq!(bench.pipeline.windows_in_flight(), 3);
    let outcome = bench.hear(0, 0, &[1, 7], None);
    assert_eq!(standing(&outcome), [(1, Origin::Verified, 0), (7, Origin::Target, 5)]);
    assert_eq!(bench.pipeline.windows_in_flight(), 0);
    // What the verifier said of the void windows, it would say with another text before them: nothing of it counts.
    bench.draft(&[8]);
    let late = bench.hear(1, 4, &[1, 2, 3, 4, 5], None);
    assert!(late.standing.is_empty(), "{late:?}");
    assert_eq!(bench.pipeline.branch(), [8]);
}

#[test]
fn three_windows_that_agree_stand_one_after_the_other_and_each_token_once() {
    let mut bench = Bench::new();
    for window in [[1, 2], [3, 4], [5, 6]] {
        bench.draft(&window).send();
    }
    // Each pass decides one token of the next window already.
    let first = bench.hear(0, 0, &[1, 2, 3], None);
    let second = bench.hear(1, 2, &[1, 2, 3, 4, 5], None);
    let third = bench.hear(2, 4, &[1, 2, 3, 4, 5, 6, 7], None);
    let ids = |outcome: &Outcome| standing(outcome).into_iter().map(|token| token.0).collect::<Vec<_>>();
    assert_eq!([ids(&first), ids(&second), ids(&third)], [vec![1, 2, 3], vec![4, 5], vec![6, 7]]);
    assert!([first, second, third].iter().all(|outcome| outcome.verdict.is_some()));
    assert_eq!(bench.pipeline.windows_in_flight(), 0);
}

#[test]
fn a_verdict_is_timed_from_when_its_window_was_sent() {
    let mut bench = Bench::new();
    bench.draft(&[1, 2]).send();
    bench.now += Duration::from_millis(90);
    let verdict = bench.hear(0, 0, &[1, 2, 3], None).verdict.expect("a pass judged it");
    assert_eq!(verdict.timing, VerdictTiming { total_us: 90_000, queue_us: 1_000, decode_us: 40_000 });
    assert_eq!((verdict.window, verdict.given), (2, 3));
}

#[test]
fn skipped_tokens_stand_at_once_and_travel_with_the_next_window_for_their_label() {
    let mut bench = Bench::new();
    bench.draft(&[1]).send();
    bench.hear(0, 0, &[1, 2], None);
    bench.pipeline.push(drafted(3, false));
    bench.pipeline.push(drafted(4, false));
    let skipped: Vec<_> = bench.pipeline.skip().iter().map(|standing| (standing.id, standing.origin)).collect();
    assert_eq!(skipped, [(3, Origin::Draft), (4, Origin::Draft)]);
    assert_eq!(bench.draft(&[5]).send(), (vec![3, 4], vec![5]));
    let labels = Labels { pos: 5, matched: vec![true, false, true], p: vec![0.5, 0.1, 0.7] };
    let outcome = bench.hear(1, 4, &[1, 2, 3, 4, 5, 6], Some(labels));
    let skipped: Vec<_> = outcome.skipped.iter().map(|d| (d.drafted.id, d.matched, d.p)).collect();
    assert_eq!(skipped, [(3, true, Some(0.5)), (4, false, Some(0.1))]);
    assert_eq!(outcome.judged, [Decided { drafted: drafted(5, true), matched: true, p: Some(0.7) }]);
}

#[test]
fn nothing_is_skipped_behind_a_token_that_waits_for_its_verdict() {
    let mut bench = Bench::new();
    bench.draft(&[1]);
    bench.pipeline.push(drafted(2, false));
    assert!(bench.pipeline.skip().is_empty());
    assert_eq!(bench.send().1, [1], "the window ends with the last token that is to be judged");
    // The target's own token for the place of the skipped one is known with the verdict: it wins.
    let outcome = bench.hear(0, 0, &[1, 7], None);
    assert_eq!(standing(&outcome), [(1, Origin::Verified, 0), (7, Origin::Target, 1)]);
    assert_eq!(outcome.judged.len(), 1, "a token that nobody was to judge counts as neither");
}

#[test]
fn alone_everything_stands_and_what_the_verifier_says_later_loses() {
    let mut bench = Bench::new();
    bench.draft(&[1, 2]).send();
    bench.pipeline.push(drafted(3, false));
    let own: Vec<_> = bench.pipeline.go_on_alone().iter().map(|standing| (standing.id, standing.origin)).collect();
    assert_eq!(own, [(1, Origin::Unverified), (2, Origin::Unverified), (3, Origin::Draft)]);
    let late = bench.hear(0, 0, &[1, 9], None);
    assert!(late.standing.is_empty() && bench.pipeline.ids() == [100, 101, 102, 1, 2, 3]);
    assert_eq!(bench.draft(&[4]).send(), (vec![2, 3], vec![4]), "the device's text is given, from where the two part");
}

#[test]
fn windows_that_are_called_back_are_sent_again_as_one() {
    let mut bench = Bench::new();
    bench.draft(&[1, 2]).send();
    bench.draft(&[3]).send();
    let asked = bench.asked[1].clone();
    bench.pipeline.conversation().expect("a generation").lost(&mut bench.peer, &asked);
    assert!(bench.pipeline.call_back());
    assert_eq!(bench.pipeline.window(&bench.peer).len(), 3);
    assert_eq!(bench.send(), (PROMPT.to_vec(), vec![1, 2, 3]));
}

#[test]
fn the_open_window_s_risk_is_that_of_what_was_not_sent() {
    let mut bench = Bench::new();
    bench.draft(&[1, 2]).send();
    bench.draft(&[3]);
    bench.pipeline.push(drafted(4, false));
    let window = bench.pipeline.window(&bench.peer);
    assert!(window.len() == 2 && (window.risk() - 0.1).abs() < 1e-12);
    assert!((bench.pipeline.survival() - 0.9f64.powi(3)).abs() < 1e-12);
    assert_eq!(bench.pipeline.take_back(), 4);
    assert_eq!((bench.pipeline.ids(), bench.pipeline.windows_in_flight()), (&PROMPT[..], 0));
}
