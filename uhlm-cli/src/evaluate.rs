//! Runs a session over questions and marks the replies.

use std::sync::Arc;

use indicatif::ProgressBar;
use uhlm_core::verifier::Verifier;
use uhlm_core::{Engine, GenerationOptions, Prompt, Session, SessionOptions, Statistics};
use uhlm_eval::questions::Question;
use uhlm_eval::statistics::Proportion;

use crate::failure::Failure;

/// Greatest length of a reply, in tokens; the bundled questions need far less.
pub(crate) const MAX_TOKENS: usize = 256;

/// The results of a run over questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evaluation {
    /// Whether each reply was right, in the questions' order.
    pub(crate) marks: Vec<bool>,
    /// Statistics, summed over all replies.
    pub(crate) statistics: Statistics,
}

impl Evaluation {
    /// Returns the share of right replies.
    pub(crate) fn accuracy(&self) -> Proportion {
        Proportion { successes: self.marks.iter().filter(|right| **right).count(), trials: self.marks.len() }
    }
}

/// The models and the questions of an evaluation.
#[derive(Clone, Copy)]
pub(crate) struct Evaluator<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) verifier: &'a Arc<dyn Verifier>,
    pub(crate) questions: &'a [Question],
    pub(crate) max_tokens: usize,
}

impl Evaluator<'_> {
    /// Opens a session for [`Self::run`], and answers one question on it that is not counted: connections are then open
    /// and the link is measured, as in any session that is not the first.
    pub(crate) fn warm_session(&self, options: SessionOptions) -> Result<Session, Failure> {
        let session = self.engine.session(Some(Arc::clone(self.verifier)), options)?;
        if let Some(question) = self.questions.first() {
            self.ask(&session, question, false)?;
        }
        Ok(session)
    }

    /// Answers every question on this session, each in a conversation of its own.
    pub(crate) fn run(&self, session: &Session, labels: bool, bar: &ProgressBar) -> Result<Evaluation, Failure> {
        let mut evaluation = Evaluation::default();
        for question in self.questions {
            let (reply, statistics) = self.ask(session, question, labels)?;
            evaluation.marks.push(question.is_answered_by(&reply));
            evaluation.statistics.add(&statistics);
            bar.inc(1);
        }
        Ok(evaluation)
    }

    fn ask(&self, session: &Session, question: &Question, labels: bool) -> Result<(String, Statistics), Failure> {
        session.reset()?;
        let options =
            GenerationOptions { max_tokens: self.max_tokens, collect_labels: labels, ..GenerationOptions::default() };
        Ok(session.generate(Prompt::Chat(question.question.clone()), options)?.blocking_finish()?)
    }
}
