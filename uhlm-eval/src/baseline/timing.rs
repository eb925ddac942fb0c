//! Times a baseline's trace on a channel and bills its messages.

use std::time::Duration;

use super::trace::{Payload, Trace};
use crate::billing::Billing;
use crate::channel::{Channel, Direction, Place};
use crate::reply::Reply;
use crate::stream::Stream;
use crate::verifier::Ledger;

/// Times the traces of one stream. The connection is warm, as it is for this SDK.
#[must_use]
pub fn replies(stream: &Stream<'_>, traces: &[Trace], channel: &Channel, billing: Billing) -> Vec<Reply> {
    let mut link = channel.open(stream.channel_seed);
    let mut now = Duration::ZERO;
    traces
        .iter()
        .map(|trace| {
            let asked = now;
            let mut reply = Reply {
                text: trace.text.clone(),
                tokens: trace.tokens.clone(),
                decisions: trace.decisions,
                ..Reply::default()
            };
            for step in &trace.steps {
                let computing = stream.times.draft() * step.drafts as u32;
                now += computing;
                reply.device += computing;
                if let Some(exchange) = &step.exchange {
                    let place = Place { prompt: trace.prompt, token: exchange.place };
                    let (up, down) =
                        (billing.request(body(billing, exchange.up)), billing.answer(body(billing, exchange.down)));
                    let arrived = link.arrival(Direction::Up, now, up, place);
                    let judged = arrived + stream.times.target(exchange.decoded);
                    now = link.arrival(Direction::Down, judged, down, place);
                    let processed = exchange.decoded as u64;
                    reply.ledger.add(&Ledger { up, down, messages: 1, passes: 1, processed });
                }
                if reply.first_token.is_zero() && step.committed > 0 {
                    reply.first_token = now - asked;
                }
            }
            reply.elapsed = now - asked;
            reply
        })
        .collect()
}

/// Returns the bytes of a payload, densely packed.
fn body(billing: Billing, payload: Payload) -> u64 {
    let bits = payload.ids * billing.id_bits() + payload.bits + payload.distributions * billing.distribution_bits();
    bits.div_ceil(8)
}
