//! The choice of the policy that holds, made again and again by what was measured.

use std::collections::VecDeque;

use super::{Forecast, Pace, Policy, Tried, forecast};
use crate::rng::{Rng, Stream};
use crate::window::Costs;

/// Number of positions of the past that policies are compared on.
const REMEMBERED: usize = 128;
/// Number of tokens after which the choice is made anew.
const RENEWED_AFTER: usize = 32;
/// Factor by which another policy must be better: choices that swing back and forth serve nobody.
const HYSTERESIS: f64 = 0.985;
/// Factor by which streaming may be slower than drafting and is still taken: it spares the phone its drafts.
const DRAFTING_MUST_GAIN: f64 = 1.01;
/// Number of tokens without drafts after which some are drafted to see how they do, if good ones would pay: without
/// drafts, nothing is learnt about them.
const PROBED_AFTER: usize = 128;
/// Number of tokens that are drafted for that.
const PROBE: usize = 6;
/// Length of a reply before any was written, in tokens, beside the weight of the last one in their mean.
const USUAL_LENGTH: f64 = 128.0;
const NEWEST_LENGTH: f64 = 0.25;
/// Part of the price of streaming that good drafts must cost at most to be looked for: they take the phone's power, and
/// where both models share a machine, the target's time.
const HOPE: f64 = 0.9;
/// Rejection probability that is expected of drafts that are as good as can be hoped for.
const GOOD_BETA: f64 = 0.03;
/// Number of tokens by which a budget that was missed is to be met again.
const PAYBACK: f64 = 64.0;
/// Number of passes that a reply may be ahead of its budget: its first tokens need some.
const CREDIT: f64 = 2.0;

/// The choice of a session's policy.
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    budget: Option<f64>,
    tried: VecDeque<Tried>,
    policy: Policy,
    /// Number of tokens since the last choice.
    since_choice: usize,
    /// Number of tokens since the last draft was tried.
    since_tried: usize,
    /// Whether drafts would pay if they were good.
    hopeful: bool,
    /// Number of drafts of a probe that are still to be made.
    probe: usize,
    /// Mean length of replies, in tokens.
    length: f64,
    /// Numbers of tokens and of passes of the reply.
    tokens: usize,
    passes: usize,
}

impl Pacer {
    /// Makes a pacer that takes a drafted token to be rejected with probability `mean_beta` until it has seen some.
    /// `budget` is the largest number of passes a token that a reply may take, if there is a limit.
    #[must_use]
    pub fn new(pace: Pace, budget: Option<f64>, mean_beta: f64) -> Self {
        let mean_beta = mean_beta.clamp(0.0, 1.0);
        // Rejections are spread as evenly as may be.
        let rejected = |i: usize| (i as f64 * mean_beta).floor();
        let tried = (0..REMEMBERED / 2).map(|i| Tried { beta: mean_beta, matched: rejected(i) == rejected(i + 1) });
        Self {
            pace,
            budget: budget.filter(|budget| budget.is_finite()).map(|budget| budget.max(0.0)),
            tried: tried.collect(),
            policy: if pace == Pace::Fastest && budget.is_none() { Policy::RUN_AHEAD } else { Policy::WINDOWS },
            since_choice: RENEWED_AFTER,
            since_tried: 0,
            hopeful: true,
            probe: 0,
            length: USUAL_LENGTH,
            tokens: 0,
            passes: 0,
        }
    }

    /// Returns the pace of the reply.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns the policy that holds.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Tells whether the device drafts: by the policy, or to see how drafts would do.
    #[must_use]
    pub fn drafts(&self) -> bool {
        self.policy.drafts || self.probe > 0
    }

    /// Returns the share of the tried drafts that the target wrote too.
    #[must_use]
    pub fn acceptance(&self) -> f64 {
        self.tried.iter().filter(|tried| tried.matched).count() as f64 / self.tried.len().max(1) as f64
    }

    /// Begins a reply at a pace.
    pub fn begin(&mut self, pace: Pace) {
        if pace != self.pace {
            self.pace = pace;
            self.since_choice = RENEWED_AFTER;
        }
        if self.tokens > 0 {
            self.length += NEWEST_LENGTH * (self.tokens as f64 - self.length);
        }
        (self.tokens, self.passes) = (0, 0);
    }

    /// Takes note of a drafted token.
    pub fn observe_draft(&mut self) {
        self.probe = self.probe.saturating_sub(1);
    }

    /// Takes note that the device has too much to read for a probe; the next one is due as if this one had been made.
    pub fn skip_probe(&mut self) {
        self.probe = 0;
    }

    /// Takes note of what became of a drafted token.
    pub fn observe(&mut self, beta: f64, matched: bool) {
        if self.tried.len() == REMEMBERED {
            self.tried.pop_front();
        }
        self.tried.push_back(Tried { beta: beta.clamp(0.0, 1.0), matched });
        self.since_tried = 0;
    }

    /// Takes note of a token of the reply, and of the passes that the target has made for the reply so far.
    pub fn observe_token(&mut self, passes: usize) {
        self.tokens += 1;
        self.passes = passes;
        self.since_choice += 1;
        self.since_tried += 1;
        if !self.policy.drafts && self.hopeful && self.probe == 0 && self.since_tried >= PROBED_AFTER {
            self.since_tried = 0;
            self.probe = PROBE;
        }
    }

    /// Tells whether the reply may cost another pass for windows that could still grow: `false` where its budget is
    /// spent.
    #[must_use]
    pub fn may_spend(&self) -> bool {
        self.budget.is_none_or(|budget| (self.passes as f64) < budget * self.tokens as f64 + CREDIT)
    }

    /// Tells whether it is time to choose anew. `runs_ahead` tells whether the verifier makes passes without drafts.
    #[must_use]
    pub fn is_due(&self, runs_ahead: bool) -> bool {
        self.since_choice >= RENEWED_AFTER || (!runs_ahead && !self.policy.grants.is_none())
    }

    /// Chooses anew by what everything costs; what was not measured yet leaves the choice as it is. Tells whether it
    /// was enough to choose by.
    pub fn choose(&mut self, costs: &Costs, runs_ahead: bool) -> bool {
        if !runs_ahead && !self.policy.grants.is_none() {
            self.policy = Policy::WINDOWS;
        }
        if costs.target(1) <= 0.0 || costs.draft <= 0.0 {
            return false;
        }
        self.since_choice = 0;
        self.policy = self.best(costs, runs_ahead, &self.past()).unwrap_or(self.policy);
        if self.policy.drafts {
            self.probe = 0;
        } else {
            let good = [Tried { beta: GOOD_BETA, matched: true }; REMEMBERED];
            let price = |policy: &Policy| Some(self.price(&forecast(policy, costs, &good, self.length())?));
            let hoped = self.best(costs, runs_ahead, &good).filter(|best| best.drafts);
            let prices = hoped.as_ref().and_then(price).zip(price(&Policy::STREAM));
            self.hopeful = prices.is_some_and(|(drafting, streaming)| drafting < HOPE * streaming);
        }
        true
    }

    /// Returns the past that policies are compared on: the drafts that were tried, and the same again with outcomes
    /// drawn as they were expected. The rejections decide, of which there are few among a hundred good drafts: a past
    /// that happens to have none would speak for windows without end.
    fn past(&self) -> Vec<Tried> {
        let mut dice = Rng::new(0, Stream::Simulation);
        let drawn = |tried: &Tried| Tried { matched: dice.uniform() >= tried.beta, ..*tried };
        self.tried.iter().copied().chain(self.tried.iter().map(drawn)).collect()
    }

    /// Returns the length of the replies that are played, in tokens: at least that of the one that is written.
    fn length(&self) -> usize {
        self.length.max(self.tokens as f64) as usize
    }

    /// Returns the price of a reply at this pace: seconds a token, times passes a token to the power of the exponent.
    fn price(&self, forecast: &Forecast) -> f64 {
        forecast.seconds * forecast.passes.powf(self.pace.exponent())
    }

    /// Returns the policy that serves the pace best by what was tried; `None` where nothing was.
    fn best(&self, costs: &Costs, runs_ahead: bool, tried: &[Tried]) -> Option<Policy> {
        let length = self.length();
        let all: Vec<_> = Policy::all(runs_ahead, self.budget.is_some())
            .into_iter()
            .filter_map(|policy| Some((policy, forecast(&policy, costs, tried, length)?)))
            .collect();
        // However much a pass counts, a reply takes no longer than this.
        let fewest = all.iter().filter(|(policy, _)| policy.grants.is_none()).map(|(_, forecast)| forecast.seconds);
        let slowest = self.pace.may_lose() * fewest.fold(f64::INFINITY, f64::min);
        let allowed = self.budget.map(|budget| {
            let owed = self.passes as f64 - budget * self.tokens as f64;
            (budget - owed / PAYBACK).clamp(0.0, 2.0 * budget)
        });
        let cost = |policy: &Policy, forecast: &Forecast| {
            let gain = if policy.drafts { DRAFTING_MUST_GAIN } else { 1.0 };
            // Drafts that gain nothing are given up without delay.
            let held = if *policy == self.policy || !policy.drafts { HYSTERESIS } else { 1.0 };
            self.price(forecast) * gain * held
        };
        let serves = |forecast: &Forecast| {
            allowed.is_none_or(|allowed| forecast.passes <= allowed)
                && (self.budget.is_some() || forecast.seconds <= slowest)
        };
        let best = all
            .iter()
            .filter(|(_, forecast)| serves(forecast))
            .min_by(|a, b| cost(&a.0, &a.1).total_cmp(&cost(&b.0, &b.1)));
        // A budget that no policy keeps is exceeded by as little as may be.
        let thriftiest = || all.iter().min_by(|a, b| a.1.passes.total_cmp(&b.1.passes));
        best.or_else(thriftiest).map(|(policy, _)| *policy)
    }
}
