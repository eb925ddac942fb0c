//! The decision when the open window is sent.
//!
//! It goes by the app's rule, and by the pace where that leaves it open. The content of a window is the business of
//! [`Pipeline`](super::pipeline::Pipeline).

use uhlm_law::pace::{Moment, Policy};
use uhlm_law::window::{CloseRule, Costs, PASS_WEIGHT};

use crate::options::DraftAhead;

/// The facts that the decision rests on.
#[derive(Debug)]
pub(super) struct Situation<'a> {
    pub(super) moment: Moment<'a>,
    /// Whether the gate is unsure of the window's last token.
    pub(super) is_uncertain: bool,
    pub(super) policy: &'a Policy,
    pub(super) costs: &'a Costs,
}

/// Tells whether the open window should be sent, now that a token joined it.
pub(super) fn closes(rule: CloseRule, draft_ahead: DraftAhead, situation: &Situation<'_>) -> bool {
    let Situation { moment: Moment { window, next_beta, .. }, is_uncertain, policy, costs } = situation;
    match (rule, draft_ahead) {
        (CloseRule::Uncertainty, _) => *is_uncertain,
        (CloseRule::Risk(bound), _) => window.risk() > bound,
        (CloseRule::Fixed(length), _) => window.len() >= length,
        (CloseRule::CostModel, DraftAhead::Off) => !costs.one_more_pays(window, *next_beta),
        (CloseRule::CostModel, DraftAhead::WhileWaiting) => !costs.waiting_pays(window, *next_beta, 1, PASS_WEIGHT),
        (CloseRule::CostModel, DraftAhead::Pipelined(_)) => policy.sends(costs, &situation.moment),
    }
}

#[cfg(test)]
mod tests {
    use uhlm_law::pass_times::MAX_MEASURED_ROWS;
    use uhlm_law::window::Window;

    use super::*;

    const COSTS: Costs = Costs {
        draft: 0.025,
        catch_up: 0.0,
        target_base: 0.1,
        target_per_token: 0.0,
        by_rows: [0.0; MAX_MEASURED_ROWS],
        round_trip: 0.05,
        width: usize::MAX,
    };

    const EARLY: Policy = Policy { early: true, ..Policy::WINDOWS };

    fn does(rule: CloseRule, draft_ahead: DraftAhead, betas: &[f64], is_uncertain: bool, wait: f64) -> bool {
        let window: Window = betas.iter().copied().collect();
        let moment = Moment { window: &window, next_beta: 0.05, wait, windows: draft_ahead.windows() };
        closes(rule, draft_ahead, &Situation { moment, is_uncertain, policy: &EARLY, costs: &COSTS })
    }

    #[test]
    fn each_rule_looks_at_what_it_is_about() {
        let ahead = DraftAhead::Off;
        assert!(!does(CloseRule::Fixed(3), ahead, &[0.1; 2], false, 0.0));
        assert!(does(CloseRule::Fixed(3), ahead, &[0.1; 3], false, 0.0));
        assert!(!does(CloseRule::Risk(0.25), ahead, &[0.1; 2], false, 0.0));
        assert!(does(CloseRule::Risk(0.25), ahead, &[0.1; 3], false, 0.0));
        assert!(does(CloseRule::Uncertainty, ahead, &[0.0], true, 0.0));
        assert!(!does(CloseRule::Uncertainty, ahead, &[0.9], false, 0.0));
    }

    #[test]
    fn a_window_waits_while_the_target_is_at_work_and_the_next_token_makes_the_same_pass() {
        let ahead = DraftAhead::Pipelined(2);
        assert!(does(CloseRule::CostModel, ahead, &[0.9], false, 0.0));
        assert!(!does(CloseRule::CostModel, ahead, &[0.9], false, 0.04));
        assert!(does(CloseRule::CostModel, ahead, &[0.9], false, 0.02));
    }
}
