//! A phone's clock that jumps and stands still, as the clocks of devices do around their sleep.
//!
//! Decides what the clock shows, from a seed and from how often it is read, so that a run of a seed has its changes
//! however fast the machine is. It never goes back: what a session is promised of its clock is an [`Instant`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::clock::Clock;
use uhlm_law::rng::Rng;

/// Numbers of readings after which the clock changes, from and up to.
const READINGS: (u64, u64) = (5, 40);
/// Shortest and longest jump: from less than a pause of the link to more than any of its times.
const JUMP: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3 * 3600));
/// Shortest and longest time for which the clock stands still.
const STANDSTILL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));

/// A change of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It goes forward by so much at once.
    Jump(Duration),
    /// It shows the same time for so long.
    Standstill(Duration),
}

/// The numbers of the changes that a clock has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) jumps: u64,
    pub(crate) standstills: u64,
}

/// The course of a clock. Pure: it is told the real time, as the time since the clock was made.
#[derive(Debug)]
struct Course {
    dice: Rng,
    /// Number of readings until the next change.
    left: u64,
    made: Changes,
    /// Time that the clock shows at `from`, and until then while it stands still.
    shown: Duration,
    /// Real time from which on the clock runs.
    from: Duration,
}

impl Course {
    fn new(mut dice: Rng) -> Self {
        let left = between(&mut dice, READINGS);
        Self { dice, left, made: Changes::default(), shown: Duration::ZERO, from: Duration::ZERO }
    }

    /// Draws the next change: a jump, a standstill, and from then on either.
    fn draw(&mut self) -> Change {
        let jumps = match self.made {
            Changes { jumps: 0, .. } => true,
            Changes { standstills: 0, .. } => false,
            Changes { .. } => self.dice.next_u64().is_multiple_of(2),
        };
        if jumps {
            // As many jumps of seconds as of hours.
            let (least, most) = (JUMP.0.as_secs_f64(), JUMP.1.as_secs_f64());
            let seconds = least * (most / least).powf(self.dice.uniform());
            Change::Jump(Duration::try_from_secs_f64(seconds).unwrap_or(JUMP.1))
        } else {
            let span = (STANDSTILL.0.as_micros() as u64, STANDSTILL.1.as_micros() as u64);
            Change::Standstill(Duration::from_micros(between(&mut self.dice, span)))
        }
    }

    /// Returns the time that the clock shows at a real time, which is one reading.
    fn at(&mut self, real: Duration) -> Duration {
        // A standstill lasts as long as it was drawn, however often it is looked at.
        if real < self.from {
            return self.shown;
        }
        if self.left > 0 {
            self.left -= 1;
            return self.shown + (real - self.from);
        }
        self.shown += real - self.from;
        self.from = real;
        match self.draw() {
            Change::Jump(span) => {
                self.shown += span;
                self.made.jumps += 1;
            }
            Change::Standstill(span) => {
                self.from += span;
                self.made.standstills += 1;
            }
        }
        self.left = between(&mut self.dice, READINGS);
        self.shown
    }
}

/// Draws a number within a range, both ends included.
fn between(dice: &mut Rng, (least, most): (u64, u64)) -> u64 {
    least + dice.next_u64() % (most - least + 1)
}

/// A clock that follows such a course.
#[derive(Debug)]
pub(crate) struct UnsteadyClock {
    origin: Instant,
    course: Mutex<Course>,
}

impl UnsteadyClock {
    /// Makes a clock whose changes follow from the dice.
    pub(crate) fn new(dice: Rng) -> Self {
        Self { origin: Instant::now(), course: Mutex::new(Course::new(dice)) }
    }

    /// Returns the numbers of the changes so far.
    pub(crate) fn changes(&self) -> Changes {
        self.course().made
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for UnsteadyClock {
    fn now(&self) -> Instant {
        let mut course = self.course();
        // Read under the lock: of two threads that ask, the later one is not shown the earlier time.
        self.origin + course.at(self.origin.elapsed())
    }

    fn idle(&self, patience: Duration) -> Duration {
        // A device's timers know nothing of what its clock shows.
        patience
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::rng::Stream;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn course(seed: u64) -> Course {
        Course::new(Rng::new(seed, Stream::Simulation))
    }

    /// Returns what a clock shows that is read each millisecond.
    fn shown(seed: u64, readings: u32) -> Vec<Duration> {
        let mut course = course(seed);
        (0..readings).map(|i| course.at(MS * i)).collect()
    }

    #[test]
    fn a_seed_has_the_same_changes_again_and_another_one_others() {
        assert_eq!(shown(1, 5000), shown(1, 5000));
        assert_ne!(shown(1, 5000), shown(2, 5000));
    }

    #[test]
    fn the_clock_jumps_and_stands_still_and_never_goes_back() {
        for seed in 0..20 {
            let shown = shown(seed, 5000);
            let steps: Vec<Duration> =
                shown.windows(2).map(|pair| pair[1].checked_sub(pair[0]).expect("back")).collect();
            assert!(steps.iter().any(|step| *step > 2 * MS), "seed {seed}: no jump");
            assert!(steps.iter().any(Duration::is_zero), "seed {seed}: no standstill");
            assert!(steps.iter().all(|step| *step <= JUMP.1 + MS), "seed {seed}: too far");
        }
    }

    #[test]
    fn the_first_two_changes_are_one_of_each_kind_within_some_readings() {
        for seed in 0..20 {
            let mut course = course(seed);
            // Each reading is later than any standstill lasts.
            for i in 0..2 * (READINGS.1 + 2) as u32 {
                course.at(STANDSTILL.1 * i);
            }
            assert!(course.made.jumps >= 1 && course.made.standstills >= 1, "seed {seed}: {:?}", course.made);
        }
    }

    #[test]
    fn a_standstill_ends_however_often_the_clock_is_read() {
        for seed in 0..20 {
            let mut course = course(seed);
            while course.made.standstills == 0 {
                course.at(MS);
            }
            let (before, end) = (course.shown, course.from);
            (0..1000).for_each(|_| assert_eq!(course.at(end - MS / 100), before));
            assert_eq!(course.from, end, "seed {seed}");
            assert!(course.at(end + MS) > before, "seed {seed}");
        }
    }
}
