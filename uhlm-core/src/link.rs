//! What the device knows about the way to its verifier: how long a verdict takes, and whether asking makes sense now.
//!
//! Pure state: no clock, no thread, no network. Every method that depends on time is given it, so that a simulation runs
//! on the same code. What to do while the link is down (draft on, wait, fail) is the session's decision.
//!
//! # Estimates
//! The round-trip time is what remains of an exchange after the verifier's own time, smoothed as TCP does (RFC 6298);
//! exchanges that needed a retry are left out, because their time says nothing about one round (Karn's rule). The
//! verifier's decode time is fitted as `t0 + t1 n` over the `n` tokens it had to process, by least squares that forgets.
//! There is no estimate of bytes per second: verdicts are tens of bytes, too few to measure a rate by.
//!
//! # LinkState
//! ```text
//!            failure              `offline_after` failures in a row,
//!  Online ------------> Degraded ----------------------------------> Offline
//!    ^                     |        or a certificate or token problem    |
//!    +------ answer -------+---------------------------------------------+
//! ```
//! Away from `Online`, attempts are spaced by an exponential back-off with jitter, and one probe at a time is under way.

use std::time::{Duration, Instant};

use crate::event::LinkState;
use crate::protocol::{ErrorCode, Timing};
use crate::rng::{Rng, Stream};
use crate::verifier::VerifierError;

/// Limits of a [`Link`].
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// The shortest deadline of a verdict.
    pub min_deadline: Duration,
    /// The longest deadline; also the one used before anything was measured.
    pub max_deadline: Duration,
    /// The pause after the first failure; it doubles with each further one.
    pub back_off: Duration,
    /// The longest pause that is not asked for by the verifier.
    pub max_back_off: Duration,
    /// The longest `Retry-After` that is believed.
    pub max_retry_after: Duration,
    /// Failures in a row that make the link [`LinkState::Offline`].
    pub offline_after: u32,
    /// Seeds the jitter.
    pub seed: u64,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            min_deadline: Duration::from_millis(750),
            max_deadline: Duration::from_secs(10),
            back_off: Duration::from_millis(250),
            max_back_off: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(600),
            offline_after: 3,
            seed: crate::rng::fresh_seed(),
        }
    }
}

/// What an answered verdict teaches about the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// From the call until the answer.
    pub elapsed: Duration,
    /// Time that the verifier spent.
    pub timing: Timing,
    /// Tokens that the verifier had to process: appended and drafted.
    pub tokens: usize,
    /// Requests that were sent for it; [`Answer::attempts`](crate::verifier::Answer::attempts).
    pub attempts: u32,
}

/// Estimates and circuit of one verifier.
#[derive(Clone, Debug)]
pub struct Link {
    config: LinkConfig,
    round_trip: RoundTrip,
    queue: Option<f64>,
    decode: Affine,
    circuit: LinkState,
    failures: u32,
    timeouts: u32,
    next_attempt: Option<Instant>,
    probing: bool,
    jitter: Rng,
}

impl Link {
    /// A link that is thought to work and has not been measured.
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        let jitter = Rng::new(config.seed, Stream::Simulation);
        Self {
            config,
            round_trip: RoundTrip::default(),
            queue: None,
            decode: Affine::default(),
            circuit: LinkState::Online,
            failures: 0,
            timeouts: 0,
            next_attempt: None,
            probing: false,
            jitter,
        }
    }

    /// Whether the verifier can be asked, as far as is known.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.circuit
    }

    /// Whether a request may be sent now.
    #[must_use]
    pub fn may_send(&self, now: Instant) -> bool {
        !self.probing && self.next_attempt.is_none_or(|at| now >= at)
    }

    /// When a request may be sent: `now` if at once, `None` while a probe is under way and its outcome decides.
    #[must_use]
    pub fn next_attempt(&self, now: Instant) -> Option<Instant> {
        if self.probing { None } else { Some(self.next_attempt.map_or(now, |at| at.max(now))) }
    }

    /// A request was sent. Away from [`LinkState::Online`] it is the probe, and no other is sent until it ends.
    pub fn on_send(&mut self) {
        self.probing = self.circuit != LinkState::Online;
    }

    /// A verdict arrived. Returns the circuit's new state if it changed.
    pub fn on_answer(&mut self, exchange: &Exchange) -> Option<LinkState> {
        let spent = micros(exchange.timing.queue_us) + micros(exchange.timing.decode_us);
        if exchange.attempts == 1 {
            self.round_trip.add(exchange.elapsed.saturating_sub(spent).as_secs_f64());
        }
        let queue = micros(exchange.timing.queue_us).as_secs_f64();
        self.queue = Some(self.queue.map_or(queue, |mean| mean + (queue - mean) / 8.0));
        self.decode.add(exchange.tokens as f64, micros(exchange.timing.decode_us).as_secs_f64());
        self.on_reachable()
    }

    /// The verifier answered something that says nothing about time: an opened session, a refusal, more draws. Returns
    /// the circuit's new state if it changed.
    pub fn on_reachable(&mut self) -> Option<LinkState> {
        self.failures = 0;
        self.timeouts = 0;
        self.next_attempt = None;
        self.probing = false;
        self.enter(LinkState::Online)
    }

    /// A call failed. Returns the circuit's new state if it changed.
    pub fn on_failure(&mut self, error: &VerifierError, now: Instant) -> Option<LinkState> {
        self.probing = false;
        let mut pause = None;
        let offline = match error {
            VerifierError::Cancelled => return None,
            VerifierError::Desync { .. } | VerifierError::SessionGone => return self.on_reachable(),
            VerifierError::Refused(body) if body.code != ErrorCode::Internal => return self.on_reachable(),
            VerifierError::Untrusted { .. } | VerifierError::Unauthorized => true,
            VerifierError::Busy { retry_after } => {
                pause = retry_after.map(|asked| asked.min(self.config.max_retry_after));
                false
            }
            VerifierError::DeadlineExceeded { .. } => {
                self.timeouts = self.timeouts.saturating_add(1);
                false
            }
            VerifierError::Unreachable { .. } | VerifierError::Refused(_) | VerifierError::InvalidAnswer { .. } => {
                false
            }
        };
        self.failures = self.failures.saturating_add(1);
        let back_off = self.back_off();
        let at = now + pause.map_or(back_off, |asked| asked.max(back_off));
        // Windows in flight fail together; the later failure must not shorten the pause that the earlier one set.
        self.next_attempt = Some(self.next_attempt.map_or(at, |set| set.max(at)));
        let offline = offline || self.failures >= self.config.offline_after || self.circuit == LinkState::Offline;
        self.enter(if offline { LinkState::Offline } else { LinkState::Degraded })
    }

    /// The network changed or the app came to the front: the next request may go out at once.
    pub fn on_network_change(&mut self) {
        self.next_attempt = None;
        self.failures = 0;
        self.timeouts = 0;
        self.probing = false;
        self.round_trip = RoundTrip::default();
    }

    /// How long to wait for a verdict on `tokens` tokens: four round trips and twice the verifier's expected time, doubled
    /// for each deadline that was missed in a row.
    #[must_use]
    pub fn deadline(&self, tokens: usize) -> Duration {
        let (min, max) = (self.config.min_deadline.min(self.config.max_deadline), self.config.max_deadline);
        let Some(round_trip) = self.round_trip.smoothed else { return max };
        let expected =
            4.0 * (round_trip + self.round_trip.deviation) + 2.0 * (self.queue.unwrap_or(0.0) + self.decode.at(tokens));
        let expected = expected * 2f64.powi(self.timeouts.min(16) as i32);
        Duration::try_from_secs_f64(expected).unwrap_or(max).clamp(min, max)
    }

    /// The smoothed round-trip time without the verifier's own; `None` before the first measurement.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed.map(duration)
    }

    /// The verifier's expected time for `tokens` tokens, waiting included; zero before the first measurement.
    #[must_use]
    pub fn verifier_time(&self, tokens: usize) -> Duration {
        duration(self.queue.unwrap_or(0.0) + self.decode.at(tokens))
    }

    /// The fitted decode time as `(t0, t1)`: `t0 + t1 n` for `n` tokens. `None` before the first measurement.
    #[must_use]
    pub fn decode_time(&self) -> Option<(Duration, Duration)> {
        self.decode.fit().map(|(t0, t1)| (duration(t0), duration(t1)))
    }

    fn enter(&mut self, circuit: LinkState) -> Option<LinkState> {
        let changed = self.circuit != circuit;
        self.circuit = circuit;
        changed.then_some(circuit)
    }

    /// Exponential in the failures so far, half of it jittered, so that a fleet of devices does not return at once.
    fn back_off(&mut self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let full = self.config.back_off.saturating_mul(1 << doublings).min(self.config.max_back_off);
        full.mul_f64(0.5 + 0.5 * self.jitter.uniform())
    }
}

fn micros(us: u32) -> Duration {
    Duration::from_micros(u64::from(us))
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Smoothed mean and mean deviation with the gains of RFC 6298, in seconds.
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

/// Weighted sums of a least-squares line; older points fade, so that it follows a verifier whose load changes.
#[derive(Clone, Copy, Debug, Default)]
struct Affine {
    weight: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Affine {
    /// A point counts half after 34 more.
    const KEEP: f64 = 0.98;

    fn add(&mut self, x: f64, y: f64) {
        self.weight = self.weight * Self::KEEP + 1.0;
        self.x = self.x * Self::KEEP + x;
        self.y = self.y * Self::KEEP + y;
        self.xx = self.xx * Self::KEEP + x * x;
        self.xy = self.xy * Self::KEEP + x * y;
    }

    /// Intercept and slope, neither negative: a decode takes no time back.
    fn fit(&self) -> Option<(f64, f64)> {
        if self.weight <= 0.0 {
            return None;
        }
        let (mean_x, mean_y) = (self.x / self.weight, self.y / self.weight);
        let variance = self.xx / self.weight - mean_x * mean_x;
        // Windows of (nearly) one length do not tell the slope; the mean is then the best guess.
        if variance <= 1e-6 * (1.0 + mean_x * mean_x) {
            return Some((mean_y, 0.0));
        }
        let slope = (self.xy / self.weight - mean_x * mean_y) / variance;
        if slope <= 0.0 {
            return Some((mean_y, 0.0));
        }
        let intercept = mean_y - slope * mean_x;
        if intercept < 0.0 { Some((0.0, self.xy / self.xx)) } else { Some((intercept, slope)) }
    }

    fn at(&self, tokens: usize) -> f64 {
        self.fit().map_or(0.0, |(t0, t1)| t0 + t1 * tokens as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorBody;

    const MS: Duration = Duration::from_millis(1);

    fn link() -> (Link, Instant) {
        (Link::new(LinkConfig { seed: 7, ..LinkConfig::default() }), Instant::now())
    }

    fn exchange(round_trip_ms: u32, queue_ms: u32, decode_ms: u32, tokens: usize) -> Exchange {
        Exchange {
            elapsed: MS * (round_trip_ms + queue_ms + decode_ms),
            timing: Timing { queue_us: queue_ms * 1000, decode_us: decode_ms * 1000 },
            tokens,
            attempts: 1,
        }
    }

    fn unreachable() -> VerifierError {
        VerifierError::Unreachable { reason: "reset".into() }
    }

    #[test]
    fn the_round_trip_is_the_time_that_the_verifier_did_not_spend() {
        let (mut link, _) = link();
        for _ in 0..50 {
            link.on_answer(&exchange(80, 5, 30, 4));
        }
        let measured = link.round_trip().expect("measured");
        assert!((79..=81).contains(&measured.as_millis()), "{measured:?}");
        assert_eq!(link.verifier_time(4).as_millis(), 35);
    }

    #[test]
    fn retried_exchanges_do_not_count_as_round_trips() {
        let (mut link, _) = link();
        link.on_answer(&Exchange { attempts: 2, ..exchange(5000, 0, 10, 1) });
        assert_eq!(link.round_trip(), None);
    }

    #[test]
    fn decode_time_is_fitted_as_a_line_over_the_tokens() {
        let (mut link, _) = link();
        for n in [1, 4, 8, 2, 6, 3, 8, 1] {
            link.on_answer(&exchange(20, 0, 100 + 5 * n, n as usize));
        }
        let (t0, t1) = link.decode_time().expect("fitted");
        assert!((t0.as_secs_f64() - 0.1).abs() < 1e-6 && (t1.as_secs_f64() - 0.005).abs() < 1e-6, "{t0:?} {t1:?}");
        assert!((link.verifier_time(20).as_secs_f64() - 0.2).abs() < 1e-6);
    }

    #[test]
    fn windows_of_one_length_give_their_mean_and_never_a_negative_time() {
        let (mut link, _) = link();
        for ms in [100, 110, 90] {
            link.on_answer(&exchange(20, 0, ms, 5));
        }
        assert_eq!(link.decode_time().map(|(_, slope)| slope), Some(Duration::ZERO));
        for n in [1, 100] {
            link.on_answer(&exchange(20, 0, 200 / n, n as usize));
        }
        let (t0, t1) = link.decode_time().expect("fitted");
        assert!(t0 > Duration::ZERO && t1 == Duration::ZERO);
    }

    #[test]
    fn the_fit_follows_a_verifier_that_becomes_slower() {
        let (mut link, _) = link();
        for n in (0..200).map(|i| 1 + i % 8) {
            link.on_answer(&exchange(20, 0, 50, n));
        }
        for n in (0..300).map(|i| 1 + i % 8) {
            link.on_answer(&exchange(20, 0, 150, n));
        }
        assert!(link.verifier_time(4) > 140 * MS);
    }

    #[test]
    fn the_deadline_is_the_longest_before_a_measurement_and_doubles_after_a_miss() {
        let (mut link, now) = link();
        assert_eq!(link.deadline(4), Duration::from_secs(10));
        for _ in 0..100 {
            link.on_answer(&exchange(200, 0, 100, 4));
        }
        let usual = link.deadline(4);
        assert!(usual >= 999 * MS && usual < 1100 * MS, "{usual:?}");
        link.on_failure(&VerifierError::DeadlineExceeded { deadline: usual }, now);
        assert!(link.deadline(4) >= 2 * usual - MS);
        for _ in 0..20 {
            link.on_failure(&VerifierError::DeadlineExceeded { deadline: usual }, now);
        }
        assert_eq!(link.deadline(4), Duration::from_secs(10));
        link.on_answer(&exchange(200, 0, 100, 4));
        assert!(link.deadline(4) < 1100 * MS);
    }

    #[test]
    fn a_fast_link_still_gets_the_shortest_deadline() {
        let (mut link, _) = link();
        link.on_answer(&exchange(1, 0, 1, 1));
        assert_eq!(link.deadline(1), LinkConfig::default().min_deadline);
    }

    #[test]
    fn failures_degrade_then_open_the_circuit_and_an_answer_closes_it() {
        let (mut link, now) = link();
        assert_eq!(link.on_failure(&unreachable(), now), Some(LinkState::Degraded));
        assert!(!link.may_send(now));
        assert_eq!(link.on_failure(&unreachable(), now), None);
        assert_eq!(link.on_failure(&unreachable(), now), Some(LinkState::Offline));
        assert_eq!(link.on_answer(&exchange(20, 0, 10, 1)), Some(LinkState::Online));
        assert!(link.may_send(now));
    }

    #[test]
    fn the_back_off_grows_with_jitter_up_to_its_cap() {
        let (mut link, start) = link();
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            link.on_failure(&unreachable(), now);
            let at = link.next_attempt(now).expect("no probe under way");
            pauses.push(at - now);
            now = at;
        }
        for (i, pause) in pauses.iter().enumerate() {
            let full = (250 * MS * (1 << i.min(7))).min(Duration::from_secs(30));
            assert!(*pause >= full / 2 && *pause <= full, "pause {i} is {pause:?}");
        }
        assert!(pauses.windows(2).any(|pair| pair[1] != pair[0] * 2), "no jitter");
    }

    #[test]
    fn one_seed_gives_the_same_pauses_again() {
        let pauses = |seed| {
            let now = Instant::now();
            let mut link = Link::new(LinkConfig { seed, ..LinkConfig::default() });
            (0..5)
                .map(|_| {
                    link.on_failure(&unreachable(), now);
                    link.next_attempt(now).map(|at| at - now)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(3), pauses(3));
        assert_ne!(pauses(3), pauses(4));
    }

    #[test]
    fn offline_lets_one_probe_through_at_a_time() {
        let (mut link, now) = link();
        for _ in 0..3 {
            link.on_failure(&unreachable(), now);
        }
        let later = now + Duration::from_secs(60);
        assert!(link.may_send(later));
        link.on_send();
        assert!(!link.may_send(later));
        assert_eq!(link.next_attempt(later), None);
        link.on_failure(&VerifierError::Cancelled, later);
        assert!(link.may_send(later), "a cancelled probe leaves the circuit as it was");
        assert_eq!(link.state(), LinkState::Offline);
    }

    #[test]
    fn online_lets_any_number_of_windows_fly() {
        let (mut link, now) = link();
        link.on_send();
        assert!(link.may_send(now));
    }

    #[test]
    fn retry_after_is_honoured_up_to_a_limit() {
        let (mut link, now) = link();
        let busy = |seconds| VerifierError::Busy { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(link.on_failure(&busy(5), now), Some(LinkState::Degraded));
        assert!(!link.may_send(now + 4999 * MS));
        assert!(link.may_send(now + 5000 * MS));
        link.on_reachable();
        link.on_failure(&busy(1_000_000), now);
        assert_eq!(link.next_attempt(now), Some(now + Duration::from_secs(600)));
    }

    #[test]
    fn a_later_failure_in_flight_does_not_shorten_the_pause() {
        let (mut link, now) = link();
        link.on_failure(&VerifierError::Busy { retry_after: Some(Duration::from_secs(20)) }, now);
        link.on_failure(&unreachable(), now);
        assert_eq!(link.next_attempt(now), Some(now + Duration::from_secs(20)));
    }

    #[test]
    fn refusals_prove_the_link_works_and_trust_problems_open_the_circuit_at_once() {
        let (mut link, now) = link();
        assert_eq!(link.on_failure(&VerifierError::Desync { held: 3 }, now), None);
        assert_eq!(link.on_failure(&VerifierError::SessionGone, now), None);
        let refused = |code| VerifierError::Refused(ErrorBody { code, reason: String::new(), held: None });
        assert_eq!(link.on_failure(&refused(ErrorCode::Unsupported), now), None);
        assert_eq!(link.on_failure(&refused(ErrorCode::Internal), now), Some(LinkState::Degraded));
        link.on_reachable();
        assert_eq!(link.on_failure(&VerifierError::Unauthorized, now), Some(LinkState::Offline));
        assert_eq!(link.on_failure(&unreachable(), now), None, "offline stays offline");
    }

    #[test]
    fn a_network_change_allows_a_probe_at_once_and_forgets_the_old_round_trip() {
        let (mut link, now) = link();
        link.on_answer(&exchange(20, 0, 10, 1));
        for _ in 0..5 {
            link.on_failure(&unreachable(), now);
        }
        link.on_network_change();
        assert!(link.may_send(now));
        assert_eq!(link.round_trip(), None);
        assert_eq!(link.state(), LinkState::Offline, "only an answer proves that it works");
    }
}
