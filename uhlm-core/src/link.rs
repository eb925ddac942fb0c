//! The device's knowledge of the way to its verifier: how long a verdict takes, and whether asking makes sense now.
//!
//! Pure state: no clock, no thread, no network. Every method that depends on time is given it, so that a simulation
//! runs on the same code. What to do while the link is down (draft on, wait, fail) is the session's decision.
//!
//! # Estimates
//! The round-trip time is what remains of an exchange after the verifier's own time, smoothed as TCP does (RFC 6298);
//! exchanges that needed a retry are left out, because their time says nothing about one round (Karn's rule). The
//! verifier's decode time is fitted as `t0 + t1 n` over the `n` tokens it had to process, by least squares that
//! forgets. There is no estimate of bytes per second: verdicts are tens of bytes, too few to measure a rate by.
//!
//! # LinkState
//! ```text
//!            failure              `offline_after` failures in a row,
//!  Online ------------> Degraded ----------------------------------> Offline
//!    ^                     |        or a certificate or token problem    |
//!    +------ answer -------+---------------------------------------------+
//! ```
//! Away from `Online`, attempts are spaced by an exponential back-off with jitter, and one probe at a time is under
//! way.
//!
//! # Slow is not offline
//! A verifier that tells its progress is waited for as long as it does, however long it reads: its silence alone is
//! bounded. One that does not is given time by what it has to read. A deadline that was missed doubles the next one,
//! so that a proxy that holds everything back for half a minute is waited for in the end. And where a verifier that
//! was reached before is silent for too long, a period of grace begins, once an outage: it is asked again before
//! anybody takes it for out of reach.

use std::time::{Duration, Instant};

use uhlm_law::advance::{ErrorCode, PROGRESS_SECONDS};
use uhlm_law::affine::Affine;
use uhlm_law::pass_times::{MAX_MEASURED_ROWS, PassTimes};
use uhlm_law::rng::{Rng, Stream};

use crate::event::{LinkCause, LinkState};
use crate::verifier::VerifierError;

/// Number of reports of progress that have to be missing before a verifier counts as silent.
const MISSED_PROGRESS: f64 = 3.0;
/// Speed, in tokens per second, at which a verifier that does not tell its progress is expected to read at least: the
/// time that its reading takes so is added to the longest deadline.
const SLOW_READING: f64 = 20.0;
/// Largest factor by which a deadline grows after deadlines that were missed.
const MAX_PATIENCE: u32 = 6;
/// Shortest pause before an attempt that nobody waits for who can go on alone, whatever the grace.
const MIN_FAR: Duration = Duration::from_secs(1);

/// Limits of the link to a verifier.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// Shortest deadline of a verdict.
    pub min_deadline: Duration,
    /// Longest deadline after an answer that was in time; also the one used before anything was measured. It bounds the
    /// silence of a verifier that tells its progress; one that does not gets more by what it has to read. It is doubled
    /// for each deadline that was missed in a row, up to six times its value. A verifier is told it with each request:
    /// one that cannot begin by then says so at once.
    pub max_deadline: Duration,
    /// Time for which a verifier that was reached before and then misses a deadline is asked again before it counts as
    /// out of reach. Failures that say that it is not there (no connection, no route, a refusal) end it at once.
    pub grace: Duration,
    /// Pause after the first failure; it doubles with each further one.
    pub back_off: Duration,
    /// Longest pause, unless the verifier asks for a longer one.
    pub max_back_off: Duration,
    /// Longest `Retry-After` of the verifier that is believed.
    pub max_retry_after: Duration,
    /// Longest time for which a verifier may answer while the reply does not go on: say that it is at work, or tell
    /// what the device has. After that, its answer counts as an invalid one.
    pub max_fruitless: Duration,
    /// Number of failures in a row that make the link [`LinkState::Offline`].
    pub offline_after: u32,
    /// Seed of the pauses' jitter.
    pub seed: u64,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            min_deadline: Duration::from_millis(750),
            max_deadline: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            back_off: Duration::from_millis(250),
            max_back_off: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(600),
            max_fruitless: Duration::from_secs(600),
            offline_after: 3,
            seed: crate::seed::fresh(),
        }
    }
}

/// The measurements of one answered request for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Time from the call until the answer.
    pub(crate) elapsed: Duration,
    /// Time that the request waited at the verifier before its pass began.
    pub(crate) queue: Duration,
    /// Duration of the pass.
    pub(crate) pass: Duration,
    /// Number of rows of the pass: the tokens that the verifier had to process.
    pub(crate) rows: usize,
    /// Number of requests that were sent for it; [`Answer::attempts`](crate::verifier::Answer::attempts).
    pub(crate) attempts: u32,
}

/// The estimates of the way to one verifier, and the circuit that decides whether it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    config: LinkConfig,
    round_trip: RoundTrip,
    /// Mean time in the verifier's queue, in seconds.
    queue: Option<f64>,
    /// Seconds of a pass, fitted to its number of rows.
    decode: Affine,
    passes: PassTimes,
    /// Expected seconds of passes of 1, 2, ... rows; 0 before the first measurement.
    passes_by_rows: [f64; MAX_MEASURED_ROWS],
    /// Present state of the circuit.
    circuit: LinkState,
    cause: Option<LinkCause>,
    /// Whether the verifier has ever answered.
    was_reached: bool,
    /// Whether the verifier tells its progress.
    tells_progress: bool,
    /// Time at which the grace of the present outage ends, if it has one.
    grace: Option<Instant>,
    /// Number of failures in a row.
    failures: u32,
    /// Number of missed deadlines in a row.
    timeouts: u32,
    /// Time before which nothing may be sent.
    next_attempt: Option<Instant>,
    /// Whether a request is under way whose outcome decides whether others may follow.
    probing: bool,
    jitter: Rng,
}

impl Link {
    /// Makes a link that is thought to work and has not been measured.
    pub(crate) fn new(config: LinkConfig) -> Self {
        let jitter = Rng::new(config.seed, Stream::Simulation);
        Self {
            config,
            round_trip: RoundTrip::default(),
            queue: None,
            decode: Affine::default(),
            passes: PassTimes::new(),
            passes_by_rows: [0.0; MAX_MEASURED_ROWS],
            circuit: LinkState::Online,
            cause: None,
            was_reached: false,
            tells_progress: false,
            grace: None,
            failures: 0,
            timeouts: 0,
            next_attempt: None,
            probing: false,
            jitter,
        }
    }

    /// Returns the state of the circuit: whether the verifier can be asked, as far as is known.
    pub(crate) fn state(&self) -> LinkState {
        self.circuit
    }

    /// Returns the reason that the verifier cannot be asked, as far as is known; `None` where it can.
    pub(crate) fn cause(&self) -> Option<LinkCause> {
        self.cause
    }

    /// Tells whether a verifier that is silent is asked again before it counts as out of reach.
    pub(crate) fn has_grace(&self, now: Instant) -> bool {
        self.grace_left(now).is_some()
    }

    /// Returns the time that is left of the grace; `None` without one.
    pub(crate) fn grace_left(&self, now: Instant) -> Option<Duration> {
        self.grace.map(|end| end.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Sets whether the verifier tells its progress while an answer has nothing to say.
    pub(crate) fn set_tells_progress(&mut self, tells: bool) {
        self.tells_progress = tells;
    }

    /// Tells whether a request may be sent now.
    pub(crate) fn may_send(&self, now: Instant) -> bool {
        !self.probing && self.next_attempt.is_none_or(|at| now >= at)
    }

    /// Returns the time at which a request may be sent: `now` if at once, `None` while a probe is under way and its
    /// outcome decides.
    pub(crate) fn next_attempt(&self, now: Instant) -> Option<Instant> {
        if self.probing { None } else { Some(self.next_attempt.map_or(now, |at| at.max(now))) }
    }

    /// Tells whether the next attempt is so far away that whoever can go on without the verifier does not wait for it:
    /// further than the grace of a silent one.
    pub(crate) fn is_far(&self, now: Instant) -> bool {
        self.next_attempt.is_some_and(|at| at > now + self.config.grace.max(MIN_FAR))
    }

    /// Takes note that a request was sent. Away from [`LinkState::Online`] it is the probe, and no other is sent until
    /// it ends.
    pub(crate) fn on_send(&mut self) {
        self.probing = self.circuit != LinkState::Online;
    }

    /// Takes note that a verdict arrived. Returns the circuit's new state if it changed.
    pub(crate) fn on_answer(&mut self, exchange: &Exchange) -> Option<LinkState> {
        if exchange.attempts == 1 {
            self.round_trip.add(exchange.elapsed.saturating_sub(exchange.queue + exchange.pass).as_secs_f64());
        }
        let queue = exchange.queue.as_secs_f64();
        self.queue = Some(self.queue.map_or(queue, |mean| mean + (queue - mean) / 8.0));
        self.on_pass(exchange.rows, exchange.pass);
        self.on_reachable()
    }

    /// Takes note that the verifier told of a pass over `rows` tokens.
    pub(crate) fn on_pass(&mut self, rows: usize, pass: Duration) {
        self.decode.add(rows as f64, pass.as_secs_f64());
        self.passes.observe(rows, pass.as_secs_f64());
        for (rows, seconds) in (1..).zip(&mut self.passes_by_rows) {
            *seconds = self.passes.at(rows).unwrap_or(0.0);
        }
    }

    /// Takes note that the verifier answered something that says nothing about the way: an opened session, a refusal,
    /// further text. Returns the circuit's new state if it changed.
    pub(crate) fn on_reachable(&mut self) -> Option<LinkState> {
        self.failures = 0;
        self.timeouts = 0;
        self.next_attempt = None;
        self.probing = false;
        self.was_reached = true;
        self.grace = None;
        self.cause = None;
        self.enter(LinkState::Online)
    }

    /// Takes note that a call failed. Returns the circuit's new state if it changed.
    pub(crate) fn on_failure(&mut self, error: &VerifierError, now: Instant) -> Option<LinkState> {
        self.probing = false;
        let mut pause = None;
        let was_online = self.circuit == LinkState::Online;
        let mut cause = LinkCause::Unreachable;
        let offline = match error {
            VerifierError::Cancelled => return None,
            VerifierError::Desync { .. } | VerifierError::SessionGone => return self.on_reachable(),
            VerifierError::Refused(body) if body.code != ErrorCode::Internal => return self.on_reachable(),
            VerifierError::Untrusted { .. } | VerifierError::Unauthorized => {
                cause = LinkCause::Rejected;
                true
            }
            VerifierError::Busy { retry_after } => {
                pause = retry_after.map(|asked| asked.min(self.config.max_retry_after));
                cause = LinkCause::Busy;
                false
            }
            VerifierError::DeadlineExceeded { .. } => {
                self.timeouts = self.timeouts.saturating_add(1);
                cause = LinkCause::TimedOut;
                false
            }
            VerifierError::Unreachable { .. } => false,
            VerifierError::Refused(_) | VerifierError::InvalidAnswer { .. } => {
                cause = LinkCause::Faulty;
                false
            }
        };
        // Only silence has a grace, and only at the beginning of an outage.
        self.grace = match cause {
            LinkCause::TimedOut if was_online && self.was_reached => Some(now + self.config.grace),
            LinkCause::TimedOut => self.grace,
            _ => None,
        };
        self.cause = Some(cause);
        self.failures = self.failures.saturating_add(1);
        let back_off = self.back_off();
        let at = now + pause.map_or(back_off, |asked| asked.max(back_off));
        // Windows in flight fail together; the later failure must not shorten the pause that the earlier one set.
        self.next_attempt = Some(self.next_attempt.map_or(at, |set| set.max(at)));
        let offline = offline || self.failures >= self.config.offline_after || self.circuit == LinkState::Offline;
        self.enter(if offline { LinkState::Offline } else { LinkState::Degraded })
    }

    /// Takes note that the network changed or the app came to the front: the next request may go out at once.
    pub(crate) fn on_network_change(&mut self) {
        self.next_attempt = None;
        self.failures = 0;
        self.timeouts = 0;
        self.probing = false;
        self.round_trip = RoundTrip::default();
    }

    /// Returns how long to wait for an answer over which the verifier has `tokens` tokens to read, and between two
    /// parts of it.
    ///
    /// Where the verifier tells its progress: four round trips and `MISSED_PROGRESS` times the longest pause between
    /// two reports. Elsewhere: four round trips and twice the verifier's expected time. Doubled for each deadline that
    /// was missed in a row.
    pub(crate) fn deadline(&self, tokens: usize) -> Duration {
        let longest = self.config.max_deadline;
        let patience = 2_u32.saturating_pow(self.timeouts).min(MAX_PATIENCE);
        let reading = if self.tells_progress { 0.0 } else { tokens as f64 / SLOW_READING };
        let max = longest.saturating_mul(patience).saturating_add(duration(reading));
        let Some(round_trip) = self.round_trip.smoothed else { return max };
        let way = 4.0 * (round_trip + self.round_trip.deviation);
        let silence = if self.tells_progress {
            MISSED_PROGRESS * PROGRESS_SECONDS as f64
        } else {
            2.0 * (self.queue.unwrap_or(0.0) + self.decode.at(tokens).unwrap_or(0.0))
        };
        // The measured time of the way holds, however long a deadline the limits allow.
        let max = max.max(duration(way).min(longest.saturating_mul(MAX_PATIENCE)));
        let expected = (way + silence) * f64::from(patience);
        Duration::try_from_secs_f64(expected).unwrap_or(max).clamp(self.config.min_deadline.min(max), max)
    }

    /// Returns how long a request may wait for its turn: as long as an answer whose time was never measured.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.config.max_deadline
    }

    /// Returns the smoothed round-trip time without the verifier's own; `None` before the first measurement.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed.map(duration)
    }

    /// Returns the measured times of passes by their width.
    pub(crate) fn pass_times(&self) -> &PassTimes {
        &self.passes
    }

    /// Returns the expected seconds of passes of 1, 2, ... rows; 0 before the first measurement.
    pub(crate) fn passes_by_rows(&self) -> [f64; MAX_MEASURED_ROWS] {
        self.passes_by_rows
    }

    /// Returns the fitted decode time as `(t0, t1)`: `t0 + t1 n` for `n` tokens. `None` before the first measurement.
    pub(crate) fn decode_time(&self) -> Option<(Duration, Duration)> {
        self.decode.fit().map(|(t0, t1)| (duration(t0), duration(t1)))
    }

    /// Sets the state of the circuit; returns it if that is another one.
    fn enter(&mut self, circuit: LinkState) -> Option<LinkState> {
        let changed = self.circuit != circuit;
        self.circuit = circuit;
        changed.then_some(circuit)
    }

    /// Draws the next pause: exponential in the failures so far, half of it jittered, so that a fleet of devices does
    /// not return at once.
    fn back_off(&mut self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let full = self.config.back_off.saturating_mul(1 << doublings).min(self.config.max_back_off);
        full.mul_f64(0.5 + 0.5 * self.jitter.uniform())
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The smoothed round-trip time and its mean deviation with the gains of RFC 6298, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct RoundTrip {
    smoothed: Option<f64>,
    deviation: f64,
}

impl RoundTrip {
    fn add(&mut self, sample: f64) {
        match self.smoothed {
            None => (self.smoothed, self.deviation) = (Some(sample), sample / 2.0),
            Some(mean) => {
                self.deviation += ((mean - sample).abs() - self.deviation) / 4.0;
                self.smoothed = Some(mean + (sample - mean) / 8.0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
