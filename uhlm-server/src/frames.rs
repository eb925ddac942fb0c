//! The answer to a request: frames as the scheduler makes them.
//!
//! Decides what goes out in one write: all frames that wait. The answer begins with the first frame, so that a request
//! that fails before it is refused by status, and one that is done with it is a body of known length. An answer for
//! which no frame comes begins with progress.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use uhlm_law::advance::{Encoding, Frame};

use crate::exchange::{Refusal, reply};
use crate::metrics::Metrics;
use crate::scheduler::source::Source;

/// Frames that go out in one write.
struct Part {
    frames: Vec<Frame>,
    /// Source of further frames; `None` after the last one.
    rest: Option<Source>,
}

impl Part {
    /// Waits for a frame, and takes further ones that are there already.
    async fn next(mut source: Source, metrics: &Metrics) -> Self {
        let mut frames = source.next().await;
        if let [progress @ Frame::Progress(_)] = &frames[..] {
            metrics.frame(progress);
        }
        loop {
            if frames.last().is_some_and(Frame::is_last) {
                return Self { frames, rest: None };
            }
            match source.ready() {
                Some(more) => frames.extend(more),
                None => return Self { frames, rest: Some(source) },
            }
        }
    }

    fn bytes(&self, encoding: Encoding, metrics: &Metrics) -> Bytes {
        let bytes: Vec<u8> = self.frames.iter().flat_map(|frame| encoding.encode_frame(frame)).collect();
        metrics.body_out.inc_by(bytes.len() as u64);
        bytes.into()
    }
}

/// Waits for the first frame and makes the answer that begins with it.
///
/// # Errors
/// A [`Refusal`], if the first frame is a failure.
pub(crate) async fn answer(metrics: &Arc<Metrics>, source: Source, encoding: Encoding) -> Result<Response, Refusal> {
    let first = Part::next(source, metrics).await;
    if let [Frame::Failed(refusal)] = &first.frames[..] {
        return Err(refusal.clone().into());
    }
    let bytes = first.bytes(encoding, metrics);
    let body = match first.rest {
        None => Body::from(bytes),
        Some(source) => Body::from_stream(stream(Arc::clone(metrics), bytes, source, encoding)),
    };
    Ok(reply(StatusCode::OK, encoding, body))
}

fn stream(
    metrics: Arc<Metrics>,
    first: Bytes,
    rest: Source,
    encoding: Encoding,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures_util::stream::unfold((metrics, Some(first), Some(rest)), move |(metrics, first, rest)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (metrics, None, rest)));
        }
        let part = Part::next(rest?, &metrics).await;
        Some((Ok(part.bytes(encoding, &metrics)), (metrics, None, part.rest)))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use tokio::sync::{mpsc, oneshot};
    use uhlm_law::advance::{EndReason, ErrorBody, ErrorCode, FrameDecoder, PrefixHash, Text};

    use super::*;
    use crate::scheduler::job::Frames;
    use crate::scheduler::pulse::Pulse;

    const LONG: Duration = Duration::from_secs(60);

    /// Makes the answer to a request that the scheduler has taken.
    fn taken(frames: Frames, every: Duration) -> Source {
        let (reply, answer) = oneshot::channel();
        reply.send(Ok(frames)).expect("waited for");
        Source::new(answer, Arc::default(), Arc::new(Pulse::new(LONG)), every)
    }

    fn text(id: u32) -> Frame {
        Frame::Text(Text {
            pos: id,
            check: PrefixHash::EMPTY.short(),
            ids: vec![id],
            passes: id,
            pass_us: None,
            queue_us: None,
            rows: None,
            labels: None,
        })
    }

    async fn parts(response: Response) -> Vec<Vec<Frame>> {
        let mut decoder = FrameDecoder::new(Encoding::Binary);
        let mut parts = Vec::new();
        let mut body = response.into_body().into_data_stream();
        while let Some(bytes) = body.next().await {
            decoder.push(&bytes.expect("a part"));
            parts.push(std::iter::from_fn(|| decoder.next_frame().expect("a frame")).collect());
            assert!(decoder.is_between_frames(), "a part ends with a frame");
        }
        parts
    }

    #[tokio::test]
    async fn what_waits_goes_out_in_one_write() {
        let (sender, frames) = mpsc::unbounded_channel();
        (0..3).for_each(|id| sender.send(vec![text(id)]).expect("open"));
        let answer = answer(&Arc::default(), taken(frames, LONG), Encoding::Binary).await.expect("not refused");
        sender.send(vec![text(3), Frame::End(EndReason::Granted)]).expect("open");
        let expected = [vec![text(0), text(1), text(2)], vec![text(3), Frame::End(EndReason::Granted)]];
        assert_eq!(parts(answer).await, expected);
    }

    #[tokio::test]
    async fn what_is_complete_at_once_has_a_known_length_and_what_is_refused_at_once_is_no_answer() {
        use axum::body::HttpBody as _;
        let (sender, frames) = mpsc::unbounded_channel();
        sender.send(vec![text(0), Frame::End(EndReason::Eog)]).expect("open");
        let response = answer(&Arc::default(), taken(frames, LONG), Encoding::Binary).await.expect("not refused");
        assert!(response.body().size_hint().exact().is_some_and(|length| length > 0));
        let (sender, frames) = mpsc::unbounded_channel();
        let refused = ErrorBody::new(ErrorCode::Unavailable, "full");
        sender.send(vec![Frame::Failed(refused)]).expect("open");
        assert!(answer(&Arc::default(), taken(frames, LONG), Encoding::Binary).await.is_err());
    }

    #[tokio::test]
    async fn a_scheduler_that_is_gone_is_a_failure_and_no_end() {
        let (sender, frames) = mpsc::unbounded_channel();
        sender.send(vec![text(0)]).expect("open");
        drop(sender);
        let answer = answer(&Arc::default(), taken(frames, LONG), Encoding::Binary).await.expect("not refused");
        let parts = parts(answer).await;
        let frames: Vec<&Frame> = parts.iter().flatten().collect();
        assert_eq!(frames[0], &text(0));
        assert!(matches!(frames[1], Frame::Failed(error) if error.code == ErrorCode::Internal), "{frames:?}");
    }

    #[tokio::test]
    async fn an_answer_for_which_nothing_comes_begins_with_progress_and_may_fail_later() {
        let (sender, frames) = mpsc::unbounded_channel();
        let metrics = Arc::new(Metrics::new());
        let source = taken(frames, Duration::from_millis(20));
        let answer = answer(&metrics, source, Encoding::Binary).await.expect("not refused");
        let refused = Frame::Failed(ErrorBody::new(ErrorCode::Unavailable, "full"));
        sender.send(vec![refused.clone()]).expect("open");
        let parts = parts(answer).await;
        assert!(matches!(&parts[0][..], [Frame::Progress(_)]), "{parts:?}");
        assert_eq!(parts.last(), Some(&vec![refused]));
        assert_eq!(metrics.snapshot().frames, parts.len() as u64 - 1, "the scheduler counts its own");
    }
}
