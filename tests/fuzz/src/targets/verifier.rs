//! A verifier's session under any requests in any order, with passes that end, fail, are given up or lose their cache:
//! a refusal changes nothing, every pass can be made, what is sent is the text, and each answer ends once.

use std::collections::HashSet;

use uhlm_law::advance::{
    Advance, Encoding, Ending, ErrorBody, ErrorCode, Frame, Limits, Next, PassTiming, Plan, PrefixHash, Row, Sent,
    StreamId, TargetSession,
};
use uhlm_law::sampling::TokenId;

use crate::Target;
use crate::choices::{CONTEXT, Choices, VOCABULARY};

pub(crate) const TARGET: Target = Target { name: "verifier", run, seeds, words: &[] };

/// Largest number of steps of a history.
const MAX_STEPS: usize = 300;
const LIMITS: Limits = Limits { vocabulary_size: VOCABULARY, context: CONTEXT, max_draft: 4, max_body: 1 << 20 };

/// Token 7 ends a reply, and token 6 a stop string.
struct Ends;

impl Ending for Ends {
    fn is_end(&self, id: TokenId) -> bool {
        id == 7
    }

    fn completes_stop(&self, reply: &[TokenId], _: &[String]) -> bool {
        reply.last() == Some(&6)
    }
}

struct Verifier {
    session: TargetSession,
    /// The pass under way, as its caller has it.
    plan: Option<Plan>,
    streams: u64,
    /// Answers that are complete.
    ended: HashSet<u64>,
}

fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let session = TargetSession::new(LIMITS);
    let mut verifier = Verifier { session, plan: None, streams: 0, ended: HashSet::new() };
    for _ in 0..MAX_STEPS {
        if choices.is_over() {
            return;
        }
        verifier.step(&mut choices);
        let session = &verifier.session;
        assert!(session.text().len() <= CONTEXT as usize, "the text fits the context");
        assert!(session.decoded() <= session.text().len(), "no more is decoded than there is");
    }
}

impl Verifier {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(12) {
            0..=3 => self.accept(choices),
            4..=6 => self.next(choices),
            7 | 8 => self.end_pass(choices),
            9 => {
                if self.plan.take().is_some() {
                    let error = ErrorBody::new(ErrorCode::Internal, "failed");
                    let sent = self.session.pass_failed(error);
                    self.check(&sent);
                }
            }
            10 => {
                if let Some(plan) = self.plan.take() {
                    let most = plan.keep + plan.tokens.len();
                    self.session.pass_abandoned(choices.below(most + 1));
                }
            }
            _ if choices.yes() => self.session.reset(StreamId(choices.below(self.streams as usize + 1) as u64)),
            _ => {
                self.session.cache_lost(choices.below(CONTEXT as usize + 1));
                self.plan = None;
            }
        }
    }

    fn accept(&mut self, choices: &mut Choices<'_>) {
        let text = self.session.text();
        let base = choices.below(text.len() + 2);
        let fits = choices.below(8) > 0;
        let check = text.hash_of(base).filter(|_| fits).unwrap_or(PrefixHash::of(&[9]));
        let (stand, draft) = (if choices.yes() { choices.ids(6) } else { Vec::new() }, choices.ids(6));
        let given = base + stand.len();
        let have = if stand.is_empty() { given.saturating_sub(choices.below(4)) } else { given };
        let reply_start = 1 + choices.below(6) as u32;
        let begin = choices.yes().then(|| choices.begin(reply_start));
        let request = Advance {
            generation: choices.below(3) as u32,
            seq: choices.below(6) as u32,
            have: have as u32,
            base: base as u32,
            check,
            stand,
            draft,
            grants: choices.grants(),
            labels: choices.labels(),
            begin,
            deadline_ms: None,
        };
        // What a verifier is given has come over the wire.
        let Ok(request) = Encoding::Binary.decode::<Advance>(&Encoding::Binary.encode(&request)) else { return };
        let (before, stream) = (self.session.clone(), self.streams);
        self.streams += 1;
        match self.session.accept(StreamId(stream), &request, &Ends) {
            Ok(sent) => self.check(&sent),
            Err(_) => assert_eq!(self.session, before, "a refusal changes nothing"),
        }
    }

    fn next(&mut self, choices: &mut Choices<'_>) {
        let kept = self.session.decoded();
        match self.session.next(choices.below(6)) {
            Next::Pass(plan) => {
                assert!(self.plan.is_none(), "one pass at a time");
                assert!(plan.keep <= kept, "what is kept is there");
                assert!(!plan.tokens.is_empty() && plan.rows <= plan.tokens.len(), "a row has a token before it");
                assert!(plan.keep + plan.tokens.len() <= CONTEXT as usize, "a pass fits the context");
                assert!(plan.draft().len() <= LIMITS.max_draft as usize);
                self.plan = Some(plan);
            }
            Next::End(sent) => self.check(&[sent]),
            Next::Busy => assert!(self.plan.is_some(), "busy without a pass"),
            Next::Idle => {}
        }
    }

    fn end_pass(&mut self, choices: &mut Choices<'_>) {
        let Some(plan) = self.plan.take() else { return };
        let mut rows = Vec::new();
        for i in 0..plan.rows {
            // Mostly the target agrees.
            let drafted = plan.scored.get(i).copied().filter(|_| choices.below(4) > 0);
            let winner = drafted.unwrap_or_else(|| u32::from(choices.byte()) % VOCABULARY);
            rows.push(Row { winner, p: plan.probabilities.then_some(0.5) });
            if plan.settles(i, winner) {
                break;
            }
        }
        let timing = choices.yes().then_some(PassTiming { pass_us: 100, queue_us: Some(3) });
        let sent = self.session.pass_ended(&rows, timing, &Ends);
        self.check(&sent);
    }

    /// Checks that frames can be read, hold the session's text, and belong to an answer that is not complete.
    fn check(&mut self, sent: &[Sent]) {
        for Sent { stream, frame } in sent {
            assert!(stream.0 < self.streams && !self.ended.contains(&stream.0), "an answer goes on after its end");
            assert_eq!(Encoding::Binary.decode::<Frame>(&Encoding::Binary.encode(frame)).as_ref(), Ok(frame));
            if frame.is_last() {
                self.ended.insert(stream.0);
            }
            let Frame::Text(text) = frame else { continue };
            let held = self.session.text();
            assert_eq!(held.hash_of(text.pos as usize).map(PrefixHash::short), Some(text.check));
            assert!(held.tail(text.pos as usize).starts_with(&text.ids), "what is sent is the text");
        }
    }
}

/// Makes histories of which each byte is as good as any other, and one of requests, passes and verdicts in turn.
fn seeds() -> Vec<Vec<u8>> {
    let ramp: Vec<u8> = (0..=255).collect();
    let fall: Vec<u8> = (0..=255).rev().collect();
    // A prompt of two ids with a generation, then passes under grants.
    let begin = [0, 0, 1, 1, 2, 1, 2, 0, 1, 20, 0, 1, 0, 0, 5, 5, 3];
    let passes = [4, 3, 7, 1, 2, 1].repeat(10);
    let windows = [0, 2, 1, 0, 3, 1, 2, 3, 0, 0, 0, 1, 1, 1, 0, 4, 4, 7, 1, 1, 1, 1, 1].repeat(8);
    vec![ramp, fall, [&begin[..], &passes].concat(), [&begin[..], &windows].concat()]
}
