//! The verifier's rules, one by one.

mod forced;
mod passes;
mod replies;
mod requests;

use super::super::{
    Advance, Begin, EndReason, Ending, Frame, Grants, Labelling, Limits, Next, Plan, PrefixHash, Row, Sent, StreamId,
    TargetSession, Text,
};
use crate::sampling::{SamplingParams, TokenId};

/// The token that ends a generation; a reply that holds 7 and 8 in a row holds a stop string.
const END: TokenId = 9;

struct Rule;

impl Ending for Rule {
    fn is_end(&self, id: TokenId) -> bool {
        id == END
    }

    fn completes_stop(&self, reply: &[TokenId], _: &[String]) -> bool {
        reply.ends_with(&[7, 8])
    }
}

fn begin() -> Begin {
    let (sampling, stop) = (SamplingParams::default(), vec!["x".to_owned()]);
    Begin { seed: 1, sampling, reply_start: 2, max_tokens: 8, stop, grammar: None }
}

fn session() -> TargetSession {
    TargetSession::new(Limits { vocabulary_size: 10, context: 64, max_draft: 16, max_body: 1 << 20 })
}

/// Makes a request that goes on after `before`, all of which is committed.
fn request(seq: u32, before: &[TokenId], draft: &[TokenId]) -> Advance {
    Advance {
        generation: 0,
        seq,
        have: before.len() as u32,
        base: before.len() as u32,
        check: PrefixHash::of(before),
        stand: vec![],
        draft: draft.to_vec(),
        grants: Grants::NONE,
        labels: Labelling::NONE,
        begin: None,
        deadline_ms: None,
    }
}

/// Makes a request that gives `stand` after `before`.
fn given(seq: u32, before: &[TokenId], stand: &[TokenId], draft: &[TokenId]) -> Advance {
    let have = (before.len() + stand.len()) as u32;
    Advance { have, stand: stand.to_vec(), ..request(seq, before, draft) }
}

fn first(draft: &[TokenId]) -> Advance {
    Advance { begin: Some(begin()), ..given(0, &[], &[1, 2], draft) }
}

fn accept(session: &mut TargetSession, stream: u64, request: &Advance) -> Vec<Sent> {
    session.accept(StreamId(stream), request, &Rule).expect("a request that is taken")
}

fn pass(session: &mut TargetSession) -> Plan {
    match session.next(64) {
        Next::Pass(plan) => plan,
        other => panic!("no pass, but {other:?}"),
    }
}

fn ended(session: &mut TargetSession, winners: &[TokenId]) -> Vec<Sent> {
    let rows: Vec<Row> = winners.iter().map(|&winner| Row { winner, p: None }).collect();
    session.pass_ended(&rows, None, &Rule)
}

fn texts(sent: &[Sent]) -> Vec<(u64, u32, Vec<TokenId>)> {
    let text = |sent: &Sent| match &sent.frame {
        Frame::Text(Text { pos, ids, .. }) => Some((sent.stream.0, *pos, ids.clone())),
        _ => None,
    };
    sent.iter().filter_map(text).collect()
}

fn end(stream: u64, reason: EndReason) -> Sent {
    Sent { stream: StreamId(stream), frame: Frame::End(reason) }
}
