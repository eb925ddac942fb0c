//! One session of the simulated verifier: the law's state and the real target's cache.

use uhlm_law::advance::{Drawing, Limits, Plan, Row, TargetSession};
use uhlm_law::chat::DraftModel as _;
use uhlm_law::model::ModelError;
use uhlm_law::pass_times::Acceptance;

use crate::pair::Pair;
use crate::target::Target;

/// A session with its own sequence of the target.
pub(super) struct Session {
    pub(super) law: TargetSession,
    /// How often its drafted tokens stand.
    pub(super) acceptance: Acceptance,
    target: Target,
    drawing: Option<Drawing>,
}

impl Session {
    pub(super) fn new(pair: &Pair, limits: Limits) -> Result<Self, ModelError> {
        let law = TargetSession::new(limits);
        Ok(Self { law, acceptance: Acceptance::new(), target: Target::new(pair)?, drawing: None })
    }

    /// Makes a pass and decides its rows, up to the one that settles it.
    pub(super) fn rows(&mut self, pair: &Pair, plan: &Plan) -> Result<Vec<Row>, ModelError> {
        let failed = |reason: String| ModelError::Decode { reason };
        let Some(begin) = self.law.begin() else { return Ok(Vec::new()) };
        if !self.drawing.as_ref().is_some_and(|drawing| drawing.is_of(begin)) {
            self.drawing = Some(Drawing::new(begin).map_err(|error| failed(error.to_string()))?);
        }
        let Self { law, target, drawing: Some(drawing), .. } = self else { return Ok(Vec::new()) };
        target.pass(plan.keep, &plan.tokens, plan.rows)?;
        let (keys, mut done) = (pair.target.token_keys(), Vec::with_capacity(plan.rows));
        let rows = drawing.rows(law.text(), plan, 0..plan.rows, pair.target.vocabulary());
        rows.draw(&mut done, |draw| target.draw(draw, keys))?;
        Ok(done)
    }
}
