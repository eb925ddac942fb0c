//! The cost of a policy for the last tokens: device, link and target, played through once.
//!
//! Decides nothing; it is what the [`Pacer`](super::Pacer) compares policies by. The device of the play drafts, holds
//! and sends as the session's loop does ([`Policy::sends`]), its target makes passes as a verifier does, and every step
//! takes what was measured. A play of 128 tokens takes some 50 microseconds.
//!
//! # What it leaves out
//! What is drafted after a token that will not stand is taken to be as sure as the tokens that came there. Times are
//! means: links have no jitter, and the target serves nobody else than is in its times already.

mod device;
mod target;

use std::collections::VecDeque;

use self::device::Device;
use self::target::Target;
use super::Policy;
use crate::window::Costs;

/// A position of the past: the rejection that was expected of the draft there, and its outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Probability that the target writes another token, as the predictor gave it, in [0, 1].
    pub beta: f64,
    /// Whether the target wrote the drafted token.
    pub matched: bool,
}

/// The cost of a policy, each number a token of the reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Time, in seconds.
    pub seconds: f64,
    /// Number of passes of the target.
    pub passes: f64,
    /// Number of requests.
    pub requests: f64,
    /// Number of drafted tokens, those in vain included.
    pub drafted: f64,
}

/// Length of the shortest replies that are played, in tokens.
const SHORTEST: usize = 8;
/// Number of steps a token after which a play is taken not to end. It takes about five.
const MAX_STEPS: usize = 200;

/// A request on its way.
#[derive(Clone, Copy, Debug)]
struct Request {
    arrives: f64,
    /// Position up to which it brings drafted tokens; not beyond what is decided for a request without any.
    end: usize,
    /// Position of the first of them that will not stand.
    wrong_at: usize,
}

/// A frame on its way: everything before the position `decided` is decided.
#[derive(Clone, Copy, Debug)]
struct Text {
    arrives: f64,
    decided: usize,
    /// Time that the pass took, in seconds.
    pass: f64,
}

/// The settings that are the same for all parts of a play.
struct Setting<'a> {
    policy: &'a Policy,
    costs: &'a Costs,
    tried: &'a [Tried],
    /// Index in the past at which the reply begins.
    from: usize,
    /// Number of tokens of the reply.
    tokens: usize,
    /// Mean of the rejection probabilities that were expected.
    mean_beta: f64,
}

impl Setting<'_> {
    fn at(&self, position: usize) -> Tried {
        self.tried[(self.from + position) % self.tried.len()]
    }
}

/// Plays the past through under a policy, in replies of `length` tokens: what begins and ends a reply weighs the more,
/// the shorter replies are. `None` where there is no past.
#[must_use]
pub fn forecast(policy: &Policy, costs: &Costs, tried: &[Tried], length: usize) -> Option<Forecast> {
    if tried.is_empty() {
        return None;
    }
    let mean_beta = tried.iter().map(|tried| tried.beta).sum::<f64>() / tried.len() as f64;
    let length = length.clamp(SHORTEST, tried.len().max(SHORTEST));
    let replies = tried.len().div_ceil(length);
    let mut sum = Forecast { seconds: 0.0, passes: 0.0, requests: 0.0, drafted: 0.0 };
    for reply in 0..replies {
        let setting = Setting { policy, costs, tried, from: reply * length, tokens: length, mean_beta };
        let mut play = Play::default();
        if !play.run(&setting) {
            return None;
        }
        sum.seconds += play.now;
        sum.passes += play.target.passes as f64;
        sum.requests += play.requests as f64;
        sum.drafted += play.device.drafted as f64;
    }
    let each = |sum: f64| sum / (replies * length) as f64;
    Some(Forecast {
        seconds: each(sum.seconds),
        passes: each(sum.passes),
        requests: each(sum.requests),
        drafted: each(sum.drafted),
    })
}

#[derive(Default)]
struct Play {
    now: f64,
    device: Device,
    target: Target,
    up: VecDeque<Request>,
    down: VecDeque<Text>,
    requests: usize,
}

impl Play {
    /// Plays until the device knows the reply; tells whether it came so far.
    fn run(&mut self, setting: &Setting<'_>) -> bool {
        if setting.policy.runs_on() {
            self.send(setting);
        }
        for _ in 0..MAX_STEPS * setting.tokens {
            self.device.act(setting, self.now);
            if self.device.wants_to_send(setting) {
                self.send(setting);
                continue;
            }
            if self.device.known >= setting.tokens {
                return true;
            }
            let Some(next) = self.next_event() else { return false };
            self.now = next;
            self.happen(setting);
        }
        false
    }

    fn next_event(&self) -> Option<f64> {
        // A device that is at a step hears when it has ended.
        let heard = if self.device.step_ends.is_some() { None } else { self.down.front().map(|text| text.arrives) };
        let times =
            [self.device.step_ends, self.up.front().map(|request| request.arrives), self.target.pass_ends(), heard];
        times.into_iter().flatten().min_by(f64::total_cmp)
    }

    /// Lets everything happen that is due.
    fn happen(&mut self, setting: &Setting<'_>) {
        while let Some(request) = self.up.front().copied().filter(|request| request.arrives <= self.now) {
            self.up.pop_front();
            self.target.accept(setting, &request);
        }
        if let Some(pass) = self.target.end_pass(setting, self.now) {
            let arrives = self.now + setting.costs.round_trip / 2.0;
            self.down.push_back(Text { arrives, decided: self.target.decided, pass });
        }
        self.target.begin_pass(setting, self.now);
        if self.device.step_ends.is_some_and(|ends| ends <= self.now) {
            self.device.end_step(setting, self.now);
        }
        if self.device.step_ends.is_none() {
            while let Some(text) = self.down.front().copied().filter(|text| text.arrives <= self.now) {
                self.down.pop_front();
                self.device.hear(setting, &text, self.now);
            }
        }
    }

    fn send(&mut self, setting: &Setting<'_>) {
        let arrives = self.now + setting.costs.round_trip / 2.0;
        let (end, wrong_at) = self.device.send(setting, self.now);
        self.up.push_back(Request { arrives, end, wrong_at });
        self.requests += 1;
    }
}
