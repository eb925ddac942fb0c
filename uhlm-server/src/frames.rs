//! The body of a continuation: frames of tokens as the target writes them.

use std::sync::Arc;

use bytes::Bytes;
use uhlm_law::protocol::{ContinueFrame, Encoding, ErrorCode};

use crate::metrics::Metrics;
use crate::scheduler::error;
use crate::scheduler::job::Frames;

/// Frames as they come. What came since the last write goes out as one frame, so that a slow link gets fewer and larger
/// ones.
pub(crate) fn stream(
    metrics: Arc<Metrics>,
    frames: Frames,
    encoding: Encoding,
) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures_util::stream::unfold((metrics, Some(frames)), move |(metrics, frames)| async move {
        let mut frames = frames?;
        let mut ids = Vec::new();
        let mut last = None;
        let mut next = frames.recv().await;
        loop {
            match next {
                Some(ContinueFrame::Tokens { ids: more }) => ids.extend(more),
                Some(end) => last = Some(end),
                None => {
                    // The scheduler's thread is gone; without a last frame the client would take this for a full answer.
                    let error = error(ErrorCode::Internal, "the target is not running");
                    last = Some(ContinueFrame::Failed { error });
                }
            }
            if last.is_some() {
                break;
            }
            match frames.try_recv() {
                Ok(frame) => next = Some(frame),
                Err(_) => break,
            }
        }
        let mut bytes = Vec::new();
        if !ids.is_empty() {
            put_frame(&mut bytes, encoding, &ContinueFrame::Tokens { ids });
        }
        let rest = match last {
            Some(end) => {
                put_frame(&mut bytes, encoding, &end);
                None
            }
            None => Some(frames),
        };
        metrics.body_out.inc_by(bytes.len() as u64);
        Some((Ok(Bytes::from(bytes)), (metrics, rest)))
    })
}

fn put_frame(bytes: &mut Vec<u8>, encoding: Encoding, frame: &ContinueFrame) {
    // A length fits two bytes as long as few enough tokens are in one frame: 5 bytes each at most.
    const MOST_IDS: usize = 4096;
    if let ContinueFrame::Tokens { ids } = frame
        && ids.len() > MOST_IDS
    {
        for part in ids.chunks(MOST_IDS) {
            put_frame(bytes, encoding, &ContinueFrame::Tokens { ids: part.to_vec() });
        }
        return;
    }
    let body = encoding.encode(frame);
    match encoding {
        Encoding::Binary => {
            bytes.extend((body.len() as u16).to_be_bytes());
            bytes.extend(body);
        }
        Encoding::Json => {
            bytes.extend(body);
            bytes.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use tokio::sync::mpsc;

    #[tokio::test]
    async fn what_came_since_the_last_write_is_one_frame_and_very_many_tokens_are_several() {
        let (sender, frames) = mpsc::unbounded_channel();
        for id in 0..5000 {
            sender.send(ContinueFrame::Tokens { ids: vec![u32::MAX - id] }).expect("open");
        }
        drop(sender);
        let parts: Vec<_> = stream(Arc::default(), frames, Encoding::Binary).collect().await;
        assert_eq!(parts.len(), 2, "the tokens, and that the scheduler is gone");
        let bytes: Vec<u8> = parts.iter().flatten().flatten().copied().collect();
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while let [high, low, tail @ ..] = rest {
            let (frame, tail) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            found.push(Encoding::Binary.decode::<ContinueFrame>(frame).expect("a frame"));
            rest = tail;
        }
        let counts: Vec<_> =
            found.iter().map(|frame| if let ContinueFrame::Tokens { ids } = frame { ids.len() } else { 0 }).collect();
        assert_eq!(counts, [4096, 904, 0]);
        assert!(matches!(&found[2], ContinueFrame::Failed { error } if error.code == ErrorCode::Internal));
    }
}
