//! What becomes of the frames of an answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::verifier::{Answer, BodyBytes, FrameReply, VerifierError};
use uhlm_law::advance::Frame;

use super::clock::Clock;
use super::life::Life;

/// Changes an answer.
pub type Alter<T> = fn(&mut T);

/// What becomes of an answer that the verifier gives.
pub(super) enum Script {
    Pass,
    /// It breaks off after so many frames.
    Break(usize, VerifierError),
    /// After so many frames nothing comes for the time given.
    Silence(usize, Duration),
    Delay(Duration),
    Alter(Alter<Frame>),
}

/// Whoever waits for frames, until the end of the answer.
#[derive(Clone)]
pub(super) struct Handed {
    reply: Arc<Mutex<FrameReply>>,
    life: Life,
}

impl Handed {
    pub(super) fn new(reply: FrameReply, life: Life) -> Self {
        Self { reply: Arc::new(Mutex::new(reply)), life }
    }

    /// Hands a part on, unless the answer is over; after the last one it is.
    pub(super) fn hand(&self, part: Result<Answer<Frame>, VerifierError>) {
        let goes_on = part.as_ref().is_ok_and(|answer| !answer.value.is_last());
        let is_open = if goes_on { self.life.is_open() } else { self.life.end() };
        if is_open {
            (self.reply.lock().unwrap_or_else(PoisonError::into_inner))(part);
        }
    }

    /// Gives up at `when`, after a silence as long as was allowed.
    pub(super) fn give_up_at(&self, clock: &Clock, when: Instant, deadline: Duration) {
        let handed = self.clone();
        clock.at(when, move || handed.hand(Err(VerifierError::DeadlineExceeded { deadline })));
    }

    /// Hands frames on that no verifier has said.
    pub(super) fn make_up(&self, frames: Vec<Frame>) {
        for value in frames {
            self.hand(Ok(Answer { value, bytes: BodyBytes::default(), elapsed: Duration::ZERO, attempts: 1 }));
        }
    }

    /// Makes the reply that a verifier's answer goes through.
    pub(super) fn through(self, script: Script, clock: Clock) -> FrameReply {
        let mut seen = 0;
        if let Script::Silence(0, deadline) = script {
            self.give_up_at(&clock, Instant::now() + deadline, deadline);
        }
        Box::new(move |mut part| {
            seen += 1;
            match &script {
                Script::Pass => self.hand(part),
                Script::Break(count, _) if seen <= *count => self.hand(part),
                Script::Break(_, error) => self.hand(Err(error.clone())),
                Script::Silence(count, _) if seen > *count => {}
                Script::Silence(count, deadline) => {
                    self.hand(part);
                    if seen == *count {
                        self.give_up_at(&clock, Instant::now() + *deadline, *deadline);
                    }
                }
                Script::Delay(by) => {
                    let handed = self.clone();
                    clock.at(Instant::now() + *by, move || handed.hand(part));
                }
                Script::Alter(alter) => {
                    if let Ok(answer) = &mut part {
                        alter(&mut answer.value);
                    }
                    self.hand(part);
                }
            }
        })
    }
}
