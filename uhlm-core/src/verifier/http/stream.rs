//! The answer to an `advance`: frames are handed on as they arrive; silence, nonsense and a broken connection end it.

use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;
use uhlm_law::advance::Frame;

use super::exchange::{Exchanges, Post};
use super::failure::refused;
use super::parts::Frames;
use super::trace::Trace;
use crate::verifier::{Part, Reply, VerifierError};

/// How long the end of a stream may take after its last frame before it is reset.
const END_DEADLINE: Duration = Duration::from_secs(1);

/// Asks, and hands frames on until the last. `silence` bounds the wait for each.
pub(super) async fn run(exchanges: &Exchanges, request: &Post, silence: Duration, mut trace: Trace, mut reply: Reply) {
    if let Err(error) = forward(exchanges, request, silence, &mut trace, &mut reply).await {
        reply(Err(error));
    }
}

async fn forward(
    exchanges: &Exchanges,
    request: &Post,
    silence: Duration,
    trace: &mut Trace,
    reply: &mut Reply,
) -> Result<(), VerifierError> {
    let (mut frame, mut incoming) = exchanges.ask::<Frames>(request, silence, trace).await?;
    loop {
        match frame {
            Frame::Text(_) | Frame::Progress(_) => reply(Ok(trace.answer(Part::Frame(frame)))),
            Frame::End(_) => {
                let_end(incoming.rest());
                reply(Ok(trace.answer(Part::Frame(frame))));
                return Ok(());
            }
            Frame::Failed(body) => {
                let_end(incoming.rest());
                return Err(refused(body));
            }
        }
        frame = exchanges.more(&mut incoming, silence, trace).await?;
    }
}

/// Waits for the end of the stream, which mostly is there already: a stream that is dropped before is reset, and a
/// connection of HTTP/1.1 is lost with it. Bytes after the last frame are not looked at.
fn let_end(mut rest: Response) {
    tokio::spawn(async move { drop(timeout(END_DEADLINE, rest.chunk()).await) });
}
