//! The device of a play: what it knows and has drafted, and when it sends.

use std::collections::VecDeque;

use super::{Setting, Text};
use crate::pace::sending::{IN_FLIGHT, LEAST_SURVIVAL, LONGEST_WINDOW, Moment, Rhythm};
use crate::window::Window;

/// Position that stands for none: no token is wrong.
const NEVER: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct Device {
    /// Number of tokens that stand.
    pub(super) known: usize,
    pub(super) drafted: usize,
    /// Time at which the step under way ends, in seconds.
    pub(super) step_ends: Option<f64>,
    /// Position of the next token to draft.
    end: usize,
    /// Position of the first drafted token that will not stand.
    wrong_at: usize,
    /// Number of tokens that the draft model has read.
    read: usize,
    /// End of the drafted tokens that were sent.
    sent: usize,
    /// Ends of windows whose verdict is awaited, and the times at which they were sent.
    in_flight: VecDeque<(usize, f64)>,
    /// Time at which the last window was sent, and its length.
    last_sent: Option<(f64, usize)>,
    /// Time at which the last frame came, and what was known of the target then.
    last_heard: Option<(f64, Rhythm)>,
    /// Whether the open window is to be sent.
    due: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            known: 0,
            drafted: 0,
            step_ends: None,
            end: 0,
            wrong_at: NEVER,
            read: 0,
            sent: 0,
            in_flight: VecDeque::new(),
            last_sent: None,
            last_heard: None,
            due: false,
        }
    }
}

impl Device {
    /// Begins a step, or sends what it would else wait with.
    pub(super) fn act(&mut self, setting: &Setting<'_>, now: f64) {
        if self.step_ends.is_some() || self.wants_to_send(setting) {
            return;
        }
        if self.may_draft(setting) {
            let unread = self.end.saturating_sub(self.read).max(1);
            self.step_ends = Some(now + setting.costs.draft + (unread - 1) as f64 * setting.costs.catch_up);
        } else if self.has_room(setting) && self.end > self.sent {
            self.due = true;
        }
    }

    fn may_draft(&self, setting: &Setting<'_>) -> bool {
        let is_sealed = self.end >= setting.tokens;
        if !setting.policy.drafts || is_sealed || self.end - self.known >= (1 + IN_FLIGHT) * LONGEST_WINDOW {
            return false;
        }
        let ahead = !self.in_flight.is_empty() || self.due;
        !ahead || self.survival(setting) > LEAST_SURVIVAL
    }

    fn survival(&self, setting: &Setting<'_>) -> f64 {
        (self.known..self.end).map(|position| 1.0 - setting.at(position).beta).product()
    }

    fn has_room(&self, setting: &Setting<'_>) -> bool {
        setting.policy.runs_on() || self.in_flight.len() < IN_FLIGHT
    }

    pub(super) fn end_step(&mut self, setting: &Setting<'_>, now: f64) {
        self.step_ends = None;
        self.drafted += 1;
        self.read = self.end;
        if self.wrong_at == NEVER && !setting.at(self.end).matched {
            self.wrong_at = self.end;
        }
        self.end += 1;
        self.consider(setting, now);
    }

    /// Decides whether the open window is to be sent.
    fn consider(&mut self, setting: &Setting<'_>, now: f64) {
        if self.due || self.end <= self.sent {
            return;
        }
        let window: Window = (self.sent..self.end).map(|position| setting.at(position).beta).collect();
        let moment =
            Moment { window: &window, next_beta: setting.mean_beta, wait: self.wait(setting, now), windows: IN_FLIGHT };
        let is_sealed = self.end >= setting.tokens;
        self.due = window.len() >= LONGEST_WINDOW || is_sealed || setting.policy.sends(setting.costs, &moment);
    }

    /// Returns the expected time of the pass that began when the one of `text` ended, in seconds.
    fn pass_under_way(&self, setting: &Setting<'_>, text: &Text) -> f64 {
        let had_come = |sent: f64| sent + setting.costs.round_trip <= text.arrives;
        let parked = self.in_flight.iter().filter(|(_, sent)| had_come(*sent)).map(|(end, _)| *end).max();
        let there = parked.map_or(0, |end| end - text.decided);
        setting.costs.target(there.min(setting.costs.width))
    }

    /// Returns the time for which a window that is sent now waits for the target, in seconds.
    fn wait(&self, setting: &Setting<'_>, now: f64) -> f64 {
        if setting.policy.runs_on() {
            return self.last_heard.map_or(0.0, |(at, rhythm)| rhythm.until_pass(now - at, setting.costs.round_trip));
        }
        self.last_sent.map_or(0.0, |(at, tokens)| (at + setting.costs.target(tokens) - now).max(0.0))
    }

    pub(super) fn wants_to_send(&self, setting: &Setting<'_>) -> bool {
        self.step_ends.is_none() && self.due && self.end > self.sent && self.has_room(setting)
    }

    /// Sends the open window; returns its end and the first drafted token that will not stand.
    pub(super) fn send(&mut self, setting: &Setting<'_>, now: f64) -> (usize, usize) {
        // A target that runs on begins with the first request.
        let first = setting.costs.target(0);
        self.last_heard.get_or_insert((now + setting.costs.round_trip, Rhythm { last: first, under_way: first }));
        if self.end > self.sent {
            self.last_sent = Some((now, self.end - self.sent));
            self.in_flight.push_back((self.end, now));
        }
        self.sent = self.end;
        self.due = false;
        (self.end, self.wrong_at)
    }

    pub(super) fn hear(&mut self, setting: &Setting<'_>, text: &Text, now: f64) {
        // What the target decided beyond the branch counts as a mismatch too: there is nothing to go on from.
        let agreed = (self.known..text.decided).find(|&at| at >= self.end || !setting.at(at).matched);
        self.known = text.decided;
        if let Some(at) = agreed {
            self.read = self.read.min(at);
            self.end = text.decided;
            self.sent = text.decided;
            self.wrong_at = NEVER;
            self.in_flight.clear();
            self.due = false;
        }
        self.sent = self.sent.max(self.known);
        self.in_flight.retain(|(end, _)| *end > text.decided);
        self.last_heard =
            Some((text.arrives, Rhythm { last: text.pass, under_way: self.pass_under_way(setting, text) }));
        self.consider(setting, now);
    }
}
