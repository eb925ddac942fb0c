//! Decides when a session at work loses its place in the engine to one that waits for a place.
//!
//! Where more sessions are at work than the engine holds, giving the place of the one that was unused longest to
//! whoever asks would be the worst of all orders: each session comes round just after it has lost its place, so every
//! request decodes its whole text again. So a set of sessions keeps its places and is served, and changes slowly: what
//! is unloaded while at work must be decoded again, and the engine spends no more than a part of its time on that. Time
//! in which the engine has nothing to do is free for it. The code here is pure: it is told the time.

use std::time::{Duration, Instant};

/// Part of the engine's time that goes into decoding again what was unloaded while at work.
const PART: f64 = 0.15;
/// Longest time for decoding again that is saved up, in seconds.
const SAVED: f64 = 1.0;
/// Weight of a new interval between two places that were given, in the average.
const WEIGHT: f64 = 0.125;
/// Time after its last use in which a session counts as at work, if its text is decoded again in no time.
const AT_WORK: Duration = Duration::from_secs(2);
/// Longest such time, however long it takes to decode a text again.
const LONGEST_AT_WORK: Duration = Duration::from_secs(30);

/// The account of the engine's time, and of the places that were given to sessions that waited for one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// Time that may be spent on decoding again, in seconds; below zero after more was spent.
    credit: f64,
    /// Time up to which the engine's time is accounted for.
    accounted: Option<Instant>,
    /// Time since which sessions wait for a place, or at which one was given since then; `None` while none waits.
    waited_for: Option<Instant>,
    /// Average time between two places that were given while sessions waited, in seconds; `None` before the first.
    interval: Option<f64>,
    /// Whether decoding again counts for nothing, to show what it does.
    #[cfg(test)]
    pub(super) is_free: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            credit: SAVED,
            accounted: None,
            waited_for: None,
            interval: None,
            #[cfg(test)]
            is_free: false,
        }
    }
}

impl Rotation {
    fn account(&mut self, until: Instant, part: f64) {
        let passed = self.accounted.map_or(Duration::ZERO, |since| until.saturating_duration_since(since));
        self.credit = (self.credit + part * passed.as_secs_f64()).min(SAVED);
        self.accounted = Some(until);
    }

    /// Takes note that the engine had nothing to do until now.
    pub(super) fn rested(&mut self, now: Instant) {
        self.account(now, 1.0);
    }

    /// Takes note that the engine has worked until now.
    pub(super) fn worked(&mut self, now: Instant) {
        self.account(now, PART);
    }

    /// Tells whether a session at work may be unloaded now.
    pub(super) fn may_turn(&self) -> bool {
        self.credit >= 0.0
    }

    /// Takes note that a session at work was unloaded whose text takes `seconds` to be decoded again.
    pub(super) fn turned(&mut self, seconds: f64) {
        #[cfg(test)]
        if self.is_free {
            return;
        }
        self.credit -= seconds;
    }

    /// Takes note of how many sessions wait for a place now, and whether one was given to any just now.
    pub(super) fn places(&mut self, waiting: usize, given: usize, now: Instant) {
        if let Some(since) = self.waited_for.filter(|_| given > 0) {
            let interval = now.saturating_duration_since(since).as_secs_f64() / given as f64;
            self.interval = Some(self.interval.map_or(interval, |mean| mean + WEIGHT * (interval - mean)));
        }
        self.waited_for = match self.waited_for {
            _ if waiting == 0 => None,
            Some(since) if given == 0 => Some(since),
            _ => Some(now),
        };
    }

    /// Returns the estimated time until a session has a place before which `ahead` others wait for one, in seconds.
    pub(super) fn place_in(&self, ahead: usize, now: Instant) -> f64 {
        let Some(since) = self.waited_for else { return 0.0 };
        let waited = now.saturating_duration_since(since).as_secs_f64();
        let interval = self.interval.map_or(waited, |interval| interval.max(waited));
        interval * (ahead + 1) as f64
    }
}

/// Returns how long after its last use a session counts as at work, where decoding a text again takes `seconds`: one
/// that is expected back before that would have paid for nothing.
pub(super) fn at_work_for(seconds: f64) -> Duration {
    let long = Duration::try_from_secs_f64(4.0 * seconds).unwrap_or(LONGEST_AT_WORK);
    long.clamp(AT_WORK, LONGEST_AT_WORK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_busy_engine_spends_a_part_of_its_time_on_decoding_again() {
        let (start, mut rotation, mut spent) = (Instant::now(), Rotation::default(), 0.0);
        rotation.rested(start);
        for tenth in 1..=10_000 {
            rotation.worked(after(start, f64::from(tenth) / 10.0));
            while rotation.may_turn() {
                rotation.turned(0.7);
                spent += 0.7;
            }
        }
        let part = (spent - SAVED) / 1000.0;
        assert!((0.149..0.151).contains(&part), "{part}");
    }

    #[test]
    fn an_engine_that_has_nothing_to_do_turns_at_once_but_saves_nothing_up_for_long() {
        let (start, mut rotation) = (Instant::now(), Rotation::default());
        rotation.rested(start);
        rotation.turned(3.0);
        assert!(!rotation.may_turn());
        rotation.rested(after(start, 2.1));
        assert!(rotation.may_turn());
        rotation.rested(after(start, 1000.0));
        rotation.turned(1.5);
        assert!(!rotation.may_turn());
    }

    #[test]
    fn who_asks_for_a_place_is_told_how_long_those_before_it_take() {
        let (start, mut rotation) = (Instant::now(), Rotation::default());
        assert!(rotation.place_in(100, start).abs() < 1e-9, "nobody waits");
        rotation.places(10, 0, start);
        for second in 1..=50 {
            rotation.places(10, 1, after(start, f64::from(second)));
        }
        let wait = rotation.place_in(4, after(start, 50.0));
        assert!((4.9..5.1).contains(&wait), "{wait}");
        let wait = rotation.place_in(0, after(start, 60.0));
        assert!((9.9..10.1).contains(&wait), "no place was given for 10 s: {wait}");
        rotation.places(0, 0, after(start, 61.0));
        assert!(rotation.place_in(0, after(start, 62.0)).abs() < 1e-9);
    }

    #[test]
    fn a_text_that_takes_long_to_decode_again_is_kept_longer() {
        assert_eq!(at_work_for(0.01), AT_WORK);
        assert_eq!(at_work_for(2.0), Duration::from_secs(8));
        assert_eq!(at_work_for(f64::MAX), LONGEST_AT_WORK);
    }
}
