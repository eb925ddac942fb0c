//! When the open window is sent.
//!
//! Decides by the app's rule and by what everything costs. What a window holds is
//! [`Pipeline`](super::pipeline::Pipeline)'s.

use std::time::Duration;

use uhlm_law::window::{CloseRule, Costs, Window};

use crate::options::DraftAhead;

/// What the decision looks at.
#[derive(Debug)]
pub(super) struct Situation<'a> {
    pub(super) window: Window,
    /// Whether the gate is unsure of the window's last token.
    pub(super) is_uncertain: bool,
    /// How long ago the last window in flight was sent, and its number of tokens.
    pub(super) last_sent: Option<(Duration, usize)>,
    /// The probability that the next drafted token is rejected.
    pub(super) next_beta: f64,
    pub(super) costs: &'a Costs,
}

/// Tells whether the open window should be sent, now that a token joined it.
pub(super) fn closes(rule: CloseRule, draft_ahead: DraftAhead, situation: &Situation<'_>) -> bool {
    let Situation { window, is_uncertain, .. } = situation;
    match rule {
        CloseRule::Uncertainty => *is_uncertain,
        CloseRule::Risk(bound) => window.risk() > bound,
        CloseRule::Fixed(length) => window.len() >= length,
        CloseRule::CostModel => pays_to_send(draft_ahead, situation),
    }
}

fn pays_to_send(draft_ahead: DraftAhead, situation: &Situation<'_>) -> bool {
    let Situation { window, last_sent, next_beta, costs, .. } = situation;
    match draft_ahead {
        DraftAhead::Off => !costs.one_more_pays(window, *next_beta),
        DraftAhead::WhileWaiting => !costs.waiting_pays(window, *next_beta, 1),
        DraftAhead::Pipelined(_) => {
            // A window that finds the target at work on the last one only waits there.
            let at_work = last_sent.is_some_and(|(ago, tokens)| ago.as_secs_f64() < costs.target(tokens));
            !at_work && !costs.waiting_pays(window, *next_beta, draft_ahead.windows())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs { draft: 0.025, target_base: 0.1, target_per_token: 0.0, round_trip: 0.05 };

    fn situation(betas: &[f64]) -> Situation<'static> {
        let window = betas.iter().copied().collect();
        Situation { window, is_uncertain: false, last_sent: None, next_beta: 0.05, costs: &COSTS }
    }

    #[test]
    fn each_rule_looks_at_what_it_is_about() {
        let ahead = DraftAhead::Off;
        assert!(!closes(CloseRule::Fixed(3), ahead, &situation(&[0.1; 2])));
        assert!(closes(CloseRule::Fixed(3), ahead, &situation(&[0.1; 3])));
        assert!(!closes(CloseRule::Risk(0.25), ahead, &situation(&[0.1; 2])));
        assert!(closes(CloseRule::Risk(0.25), ahead, &situation(&[0.1; 3])));
        assert!(closes(CloseRule::Uncertainty, ahead, &Situation { is_uncertain: true, ..situation(&[0.0]) }));
        assert!(!closes(CloseRule::Uncertainty, ahead, &situation(&[0.9])));
    }

    #[test]
    fn a_window_waits_while_the_target_is_at_work_on_the_last_one() {
        let ahead = DraftAhead::Pipelined(2);
        let risky = || situation(&[0.9]);
        assert!(closes(CloseRule::CostModel, ahead, &risky()));
        let behind = |ms| Situation { last_sent: Some((Duration::from_millis(ms), 4)), ..risky() };
        assert!(!closes(CloseRule::CostModel, ahead, &behind(99)));
        assert!(closes(CloseRule::CostModel, ahead, &behind(101)));
    }
}
