//! The fate of the parts of an answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::verifier::{Answer, BodyBytes, Part, Reply, VerifierError};
use uhlm_law::advance::Frame;

use super::Fate;
use super::clock::Clock;
use super::life::Life;

/// Changes an answer.
pub type Alter<T> = fn(&mut T);

/// Whoever waits for an answer, until its end.
#[derive(Clone)]
pub(super) struct Handed {
    reply: Arc<Mutex<Reply>>,
    life: Life,
    clock: Clock,
    patience: Duration,
}

impl Handed {
    pub(super) fn new(reply: Reply, life: Life, clock: Clock, patience: Duration) -> Self {
        Self { reply: Arc::new(Mutex::new(reply)), life, clock, patience }
    }

    /// Hands a part on, unless the answer is over; after the last one it is.
    pub(super) fn hand(&self, part: Result<Answer<Part>, VerifierError>) {
        let goes_on = part.as_ref().is_ok_and(|answer| !answer.value.is_last());
        let is_open = if goes_on { self.life.is_open() } else { self.life.end() };
        if is_open {
            (self.reply.lock().unwrap_or_else(PoisonError::into_inner))(part);
        }
    }

    /// Gives up after a silence as long as is allowed.
    pub(super) fn give_up(&self) {
        let (handed, deadline) = (self.clone(), self.patience);
        let missed = move || handed.hand(Err(VerifierError::DeadlineExceeded { deadline }));
        self.clock.at(Instant::now() + deadline, missed);
    }

    /// Hands frames on that no verifier has said.
    pub(super) fn make_up(&self, frames: Vec<Frame>) {
        for value in frames.into_iter().map(Part::Frame) {
            self.hand(Ok(Answer { value, bytes: BodyBytes::default(), elapsed: Duration::ZERO, attempts: 1 }));
        }
    }

    /// Makes the reply through which an answer meets its fate.
    pub(super) fn through(self, fate: Fate) -> Reply {
        let mut seen = 0;
        if matches!(fate, Fate::Silence(0)) {
            self.give_up();
        }
        Box::new(move |mut heard| {
            seen += 1;
            match &fate {
                Fate::LoseReply(error) => self.hand(Err(error.clone())),
                Fate::BreakAfter(count, error) if seen > *count => self.hand(Err(error.clone())),
                Fate::Silence(count) if seen > *count => {}
                Fate::Silence(count) => {
                    self.hand(heard);
                    if seen == *count {
                        self.give_up();
                    }
                }
                Fate::Delay(by) => {
                    let handed = self.clone();
                    self.clock.at(Instant::now() + *by, move || handed.hand(heard));
                }
                fate => {
                    match (fate, heard.as_mut().map(|answer| &mut answer.value)) {
                        (Fate::AlterOpened(alter), Ok(Part::Opened(opened))) => alter(opened),
                        (Fate::AlterFrames(alter), Ok(Part::Frame(frame))) => alter(frame),
                        _ => {}
                    }
                    self.hand(heard);
                }
            }
        })
    }
}
