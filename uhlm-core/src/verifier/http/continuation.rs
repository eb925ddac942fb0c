//! The stream of a continuation: parts are handed on as they arrive, silence and nonsense end it.

use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;
use uhlm_law::protocol::ContinueFrame;
use uhlm_law::sampling::TokenId;

use super::exchange::{Exchanges, Request, Trace};
use super::failure::{Failure, invalid};
use super::frames::Frames;
use crate::verifier::{Answer, BodyBytes, ContinueReply, Continued, VerifierError};

/// Frames without tokens that a verifier may send, to keep proxies from closing a quiet stream.
const MAX_EMPTY_FRAMES: u32 = 1024;

/// Runs a continuation to its end. `silence` bounds the wait for each part.
pub(super) async fn run(
    exchanges: &Exchanges,
    request: &Request,
    max_tokens: u32,
    silence: Duration,
    mut reply: ContinueReply,
) {
    let mut trace = Trace::new(silence);
    let result = match exchanges.begin(request, silence, &mut trace).await {
        Ok(response) => {
            let parts = Parts {
                left: max_tokens,
                empty: 0,
                vocabulary_size: exchanges.vocabulary_size(),
                reported: BodyBytes::default(),
                trace: &mut trace,
                reply: &mut reply,
            };
            parts.forward(response, Frames::new(exchanges.encoding), silence).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        reply(Err(error));
    }
}

/// What was handed on so far.
struct Parts<'a> {
    /// Tokens that may still come.
    left: u32,
    empty: u32,
    vocabulary_size: usize,
    /// Bytes that earlier parts have reported.
    reported: BodyBytes,
    trace: &'a mut Trace,
    reply: &'a mut ContinueReply,
}

impl Parts<'_> {
    async fn forward(
        mut self,
        mut response: Response,
        mut frames: Frames,
        silence: Duration,
    ) -> Result<(), VerifierError> {
        loop {
            let piece = match timeout(silence, response.chunk()).await {
                Ok(piece) => piece.map_err(|error| Failure::from(error).error)?,
                Err(_) => return Err(VerifierError::DeadlineExceeded { deadline: silence }),
            };
            let Some(piece) = piece else {
                let reason = if frames.is_empty() { "the stream ends without its last frame" } else { "a cut frame" };
                return Err(invalid(reason));
            };
            self.trace.bytes.down += piece.len() as u64;
            frames.push(&piece);
            while let Some(frame) = frames.next()? {
                match frame {
                    ContinueFrame::Tokens { ids } => self.tokens(ids)?,
                    ContinueFrame::End { timing } => {
                        self.hand_on(Continued::End(timing));
                        return Ok(());
                    }
                    ContinueFrame::Failed { error } => return Err(error.into()),
                }
            }
        }
    }

    fn tokens(&mut self, ids: Vec<TokenId>) -> Result<(), VerifierError> {
        if ids.is_empty() {
            self.empty += 1;
            return if self.empty > MAX_EMPTY_FRAMES { Err(invalid("a stream of empty frames")) } else { Ok(()) };
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocabulary_size) {
            return Err(invalid(format!("token {id} outside the vocabulary")));
        }
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        self.left = self.left.checked_sub(count).ok_or_else(|| invalid("more tokens than were asked for"))?;
        self.hand_on(Continued::Tokens(ids));
        Ok(())
    }

    /// Hands a part on with the bytes since the one before it.
    fn hand_on(&mut self, value: Continued) {
        let total = self.trace.bytes;
        let bytes = BodyBytes { up: total.up - self.reported.up, down: total.down - self.reported.down };
        self.reported = total;
        let (elapsed, attempts) = (self.trace.asked.elapsed(), self.trace.attempts);
        (self.reply)(Ok(Answer { value, bytes, elapsed, attempts }));
    }
}
