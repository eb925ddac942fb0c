//! The source of the frames of one answer, which reports progress while no others come.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uhlm_law::advance::{ErrorBody, ErrorCode, Frame};

use super::inbox::Ticket;
use super::job::{Awaited, Frames, Place};
use super::pulse::{Gauge, Pulse};

/// The handle by which an answer's task receives its frames from the scheduler.
#[derive(Debug)]
pub(crate) struct Source {
    stage: Stage,
    gauge: Arc<Gauge>,
    pulse: Arc<Pulse>,
    /// Longest silence before progress is reported.
    every: Duration,
    /// Time of the last frames, those of progress included; the start before the first.
    said: Instant,
    /// The place in the queue, and the ticket by which the scheduler is told that nobody waits any more. Dropped after
    /// `stage`: the scheduler, once it is told so, finds the answer abandoned.
    hold: Option<(Place, Ticket)>,
}

#[derive(Debug)]
enum Stage {
    /// The scheduler has not taken the request yet.
    Asked(Awaited<Frames>),
    Taken(Frames),
}

impl Stage {
    /// Waits for the next frames. Cancel safe.
    async fn next(&mut self) -> Vec<Frame> {
        let failed = |error| vec![Frame::Failed(error)];
        loop {
            match self {
                Self::Asked(answer) => match answer.await {
                    Ok(Ok(frames)) => *self = Self::Taken(frames),
                    Ok(Err(refusal)) => return failed(refusal),
                    Err(_) => return failed(not_running()),
                },
                // Without a last frame the client would take this for a full answer.
                Self::Taken(frames) => return frames.recv().await.unwrap_or_else(|| failed(not_running())),
            }
        }
    }
}

/// Makes the failure of a scheduler whose thread is gone.
pub(super) fn not_running() -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, "the target is not running")
}

impl Source {
    pub(crate) fn new(answer: Awaited<Frames>, gauge: Arc<Gauge>, pulse: Arc<Pulse>, every: Duration) -> Self {
        Self { stage: Stage::Asked(answer), gauge, pulse, every, said: Instant::now(), hold: None }
    }

    /// Keeps the request's place in the queue, and its ticket, for as long as anybody waits for the answer.
    pub(crate) fn holding(mut self, place: Place, ticket: Ticket) -> Self {
        self.hold = Some((place, ticket));
        self
    }

    /// Gives the place back once the answer is complete.
    fn heard(&mut self, frames: &[Frame]) {
        if frames.last().is_some_and(Frame::is_last)
            && let Some((_, mut ticket)) = self.hold.take()
        {
            ticket.done();
        }
    }

    /// Waits for the next frames; if none come for too long although the scheduler lives, returns one that reports its
    /// progress. Cancel safe.
    pub(crate) async fn next(&mut self) -> Vec<Frame> {
        loop {
            tokio::select! {
                biased;
                frames = self.stage.next() => {
                    self.said = Instant::now();
                    self.heard(&frames);
                    return frames;
                }
                () = sleep_until(self.said + self.every) => {
                    self.said = Instant::now();
                    // Nothing is reported of a scheduler that is stuck: its client is to notice.
                    if self.pulse.is_live() {
                        return vec![Frame::Progress(self.gauge.get())];
                    }
                }
            }
        }
    }

    /// Returns frames that are there already; `None` if there are none.
    pub(crate) fn ready(&mut self) -> Option<Vec<Frame>> {
        let frames = match &mut self.stage {
            Stage::Asked(_) => None,
            Stage::Taken(frames) => frames.try_recv().ok(),
        }?;
        self.heard(&frames);
        Some(frames)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};
    use uhlm_law::advance::{EndReason, Progress};

    use super::super::job::Reply;
    use super::*;

    const EVERY: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(60);

    fn source(stall: Duration) -> (Reply<Frames>, Arc<Gauge>, Source) {
        let (reply, answer) = oneshot::channel();
        let gauge = Arc::new(Gauge::default());
        let source = Source::new(answer, Arc::clone(&gauge), Arc::new(Pulse::new(stall)), EVERY);
        (reply, gauge, source)
    }

    #[tokio::test]
    async fn progress_is_told_before_the_request_is_taken_and_after() {
        let (reply, gauge, mut source) = source(LONG);
        let began = Instant::now();
        assert_eq!(source.next().await, [Frame::Progress(Progress::default())]);
        assert!(began.elapsed() >= EVERY);
        let (sender, frames) = mpsc::unbounded_channel();
        reply.send(Ok(frames)).expect("waited for");
        let progress = Progress { read: 512, total: 3000, ahead: 0 };
        gauge.set(progress);
        assert_eq!(source.next().await, [Frame::Progress(progress)]);
        assert!(began.elapsed() >= EVERY * 2);
        // Frames that are there go before the progress that would be reported without them.
        tokio::time::sleep(EVERY * 2).await;
        sender.send(vec![Frame::End(EndReason::Granted)]).expect("open");
        assert_eq!(source.next().await, [Frame::End(EndReason::Granted)]);
    }

    #[tokio::test]
    async fn of_a_scheduler_that_is_stuck_nothing_is_said() {
        let (_reply, _gauge, mut source) = source(Duration::ZERO);
        assert!(tokio::time::timeout(EVERY * 10, source.next()).await.is_err());
    }

    #[tokio::test]
    async fn a_scheduler_that_is_gone_is_a_failure() {
        let (reply, _gauge, mut source) = source(LONG);
        drop(reply);
        assert!(matches!(&source.next().await[..], [Frame::Failed(error)] if error.code == ErrorCode::Internal));
    }
}
