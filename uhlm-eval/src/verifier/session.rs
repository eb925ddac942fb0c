//! Keeps one session of the simulated verifier: the law's state and the target's sequence.

use std::time::Duration;

use uhlm_law::advance::{Drawing, Limits, Plan, Row, TargetSession};
use uhlm_law::model::ModelError;
use uhlm_law::pass_times::Acceptance;

use crate::models::{TargetModel, TargetSequence};

/// A session with its own sequence of the target.
pub(super) struct Session {
    pub(super) law: TargetSession,
    /// Time when the last request arrived.
    pub(super) arrived: Duration,
    /// Running estimate of the share of the session's drafted tokens that the target accepts.
    pub(super) acceptance: Acceptance,
    sequence: Box<dyn TargetSequence>,
    drawing: Option<Drawing>,
}

impl Session {
    pub(super) fn new(model: &dyn TargetModel, limits: Limits) -> Result<Self, ModelError> {
        let (law, acceptance) = (TargetSession::new(limits), Acceptance::new());
        Ok(Self { law, arrived: Duration::ZERO, acceptance, sequence: model.sequence()?, drawing: None })
    }

    /// Makes a pass and decides its rows, up to the one that settles it.
    pub(super) fn rows(&mut self, model: &dyn TargetModel, plan: &Plan) -> Result<Vec<Row>, ModelError> {
        let failed = |reason: String| ModelError::Decode { reason };
        let Some(begin) = self.law.begin() else { return Ok(Vec::new()) };
        if !self.drawing.as_ref().is_some_and(|drawing| drawing.is_of(begin)) {
            self.drawing = Some(Drawing::new(begin).map_err(|error| failed(error.to_string()))?);
        }
        let Self { law, sequence, drawing: Some(drawing), .. } = self else { return Ok(Vec::new()) };
        sequence.pass(plan.keep, &plan.tokens, plan.rows)?;
        let (keys, mut done) = (model.language().token_keys(), Vec::with_capacity(plan.rows));
        let rows = drawing.rows(law.text(), plan, 0..plan.rows, model.language().vocabulary());
        rows.draw(&mut done, |draw| sequence.draw(draw, keys))?;
        Ok(done)
    }
}
