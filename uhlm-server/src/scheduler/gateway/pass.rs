//! One pass of a session: questions for rows, and the tokens that they decide.
//!
//! Decides how many tokens a row is asked to list, and what is asked next where a row leaves a doubt. A row is never
//! used but whole from one answer, and a token is never taken that the row does not settle
//! ([`SamplingChain::certain_winner`](uhlm_law::sampling::SamplingChain::certain_winner)): then more is asked for, and
//! in the end the reply fails.

use std::ops::Range;
use std::sync::Arc;

use uhlm_law::advance::{Draw, Drawing, Plan, Row, Tokens};
use uhlm_law::advance::{ErrorBody, ErrorCode};
use uhlm_law::grammar::ConstraintError;
use uhlm_law::sampling::{PartialRow, SamplingParams, TokenId, Uncertain};
use uhlm_upstream::{Ask, Upstream, UpstreamError};

use super::super::score::not_of_grammar;
use super::engines::{Engines, Source};
use super::hand_off::HandOffError;

/// Number of tokens a row where the chain takes the most probable one.
const GREEDY: usize = 4;
/// Number of tokens a row where the chain does not say how many it keeps.
const USUAL: usize = 256;
/// Factor by which more tokens are asked for where those leave a doubt.
const MORE: usize = 8;
/// Rows of a model that stand for no token, at most: engines list them among the others.
const FILLERS: usize = 4096;
/// Number of tokens with the greatest noise that are asked for by name, all rows of a question together.
const NAMED: usize = 128;
/// Number of tokens that are new to an engine up to which a question takes it no longer than a row.
const WARM: usize = 32;

/// The reason why a pass has no rows.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum PassError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Uncertain(#[from] Uncertain),
    /// It ended without rows: it was given up, or it panicked.
    #[error("the pass ended without an answer")]
    Lost,
    #[error(transparent)]
    Grammar(#[from] ConstraintError),
    #[error(transparent)]
    HandOff(#[from] HandOffError),
}

impl PassError {
    /// Returns what the client is told. An engine's own words are not among it.
    pub(super) fn to_body(&self) -> ErrorBody {
        match self {
            Self::Grammar(failure) => not_of_grammar(failure),
            Self::HandOff(failure) => failure.to_body(),
            Self::Uncertain(Uncertain::RepeatPenalty | Uncertain::WholeRow) => no_logits(),
            Self::Uncertain(Uncertain::Unlisted) | Self::Upstream(UpstreamError::TopLimit { .. }) => ErrorBody::new(
                ErrorCode::Unsupported,
                "the target's engine lists too few tokens for an exact draw with this chain; a chain that cuts \
                 (top_k, min_p) or a lower temperature needs fewer",
            ),
            Self::Lost | Self::Upstream(UpstreamError::Status(_)) => {
                ErrorBody::new(ErrorCode::Internal, "the target failed")
            }
            Self::Upstream(_) => ErrorBody::new(ErrorCode::Unavailable, "the target cannot be asked at present"),
        }
    }
}

/// Makes the refusal of a chain that needs more than probabilities.
pub(super) fn no_logits() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unsupported,
        "penalty_repeat, top_n_sigma and logit_bias need whole rows of logits, and the target's engine gives \
         probabilities",
    )
}

/// Tells whether a chain needs more than probabilities.
pub(super) fn needs_logits(params: &SamplingParams) -> bool {
    params.is_wide() || (params.has_penalties() && params.penalty_repeat != 1.0)
}

/// Everything that a pass needs; it shares nothing with the session, which may change meanwhile.
pub(super) struct Pass {
    pub(super) engines: Arc<Engines>,
    pub(super) drawing: Drawing,
    pub(super) text: Tokens,
    pub(super) plan: Plan,
    pub(super) session: u64,
    pub(super) salt: String,
}

impl Pass {
    /// Asks until the pass is settled. Dropped, it asks no more.
    pub(super) async fn run(self) -> Result<Vec<Row>, PassError> {
        let history: Arc<[TokenId]> = [self.text.ids(), self.plan.draft()].concat().into();
        let engines = Arc::clone(&self.engines);
        match &engines.source {
            Source::Rows(upstream) => self.rows(upstream, history).await,
            Source::Replies(hand_off) => {
                let Self { drawing, plan, session, .. } = &self;
                Ok(hand_off.rows(*session, drawing.begin(), &history, plan).await?)
            }
        }
    }

    /// Asks engines for rows until the pass is settled.
    async fn rows(mut self, upstream: &Upstream, history: Arc<[TokenId]>) -> Result<Vec<Row>, PassError> {
        let abilities = upstream.abilities();
        let mut done = Vec::with_capacity(self.plan.rows);
        if self.plan.rows == 0 {
            // The engine reads the tokens, so that they are in its cache when a later pass needs them.
            let end = self.plan.keep + self.plan.tokens.len();
            let ask = self.ask(&history, end..end + 1, 1, &[], false);
            upstream.rows(&ask).await?;
            return Ok(done);
        }
        let all = self.engines.info.vocabulary_size as usize + FILLERS;
        let usual = self.usual_top().min(all).min(abilities.top);
        let mut top = usual;
        while done.len() < self.plan.rows {
            let from = done.len();
            let is_warm = from > 0 || self.plan.tokens.len() <= self.plan.rows + WARM;
            // A row that has left a doubt is asked for alone, and so is the first one of a text that would be read once
            // for each row.
            let is_usual = top == usual && abilities.takes_windows && (is_warm || abilities.one_forward);
            let to = if is_usual { self.plan.rows } else { from + 1 };
            let named = if abilities.takes_names { self.leaders(from..to) } else { Vec::new() };
            let places = self.plan.first + from..self.plan.first + to;
            let ask = self.ask(&history, places, top, &named, is_warm);
            let rows = match upstream.rows(&ask).await {
                // Another engine lists more than this one.
                Err(UpstreamError::TopLimit { most }) if most < top && most > 0 => {
                    top = most;
                    continue;
                }
                rows => rows?,
            };
            match self.draw(&rows, from, &mut done) {
                Ok(true) => break,
                Ok(false) => top = usual,
                Err(PassError::Uncertain(Uncertain::Unlisted)) if done.len() > from => top = self.more(top, usual, all),
                Err(PassError::Uncertain(Uncertain::Unlisted)) if top < all.min(upstream.abilities().top) => {
                    top = self.more(top, usual, all);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(done)
    }

    /// Returns the number of tokens that a row is asked for where `top` leave a doubt.
    fn more(&self, top: usize, usual: usize, all: usize) -> usize {
        let most = all.min(self.engines.abilities().top);
        // Where there are no more, the row is asked for once more alone, and the doubt stays.
        (top.max(usual) * MORE).min(most)
    }

    fn usual_top(&mut self) -> usize {
        if self.drawing.constraint().is_some() {
            // What a grammar allows may be far from the most probable tokens.
            return USUAL;
        }
        let params = self.drawing.chain().params();
        match params.top_k as usize {
            _ if params.is_greedy() => GREEDY,
            0 => USUAL,
            // One more, so that nothing else can be as probable as the last one that is kept.
            k => (k + 1).min(USUAL),
        }
    }

    /// Returns the tokens that are asked for by name at the places of rows: those with the greatest noise, or all that
    /// a grammar allows where these are few.
    fn leaders(&mut self, rows: Range<usize>) -> Vec<TokenId> {
        let params = self.drawing.chain().params();
        let is_cut = params.is_greedy() || params.top_k > 0;
        let each = NAMED.div_ceil(rows.len());
        let vocabulary = self.engines.lexicon.vocabulary();
        let rows = self.drawing.rows(&self.text, &self.plan, rows, vocabulary);
        let keys = self.engines.lexicon.token_keys();
        let mut ids: Vec<TokenId> = Vec::new();
        for (row, &position) in rows.positions().iter().enumerate() {
            match rows.mask(row) {
                Some(mask) if mask.count() <= each => ids.extend(mask.ids()),
                _ if is_cut => {}
                _ => ids.extend(keys.greatest(position, each).into_iter().map(|leader| leader.0)),
            }
        }
        ids.retain(|id| self.engines.lexicon.is_token(*id));
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn ask(&self, history: &Arc<[TokenId]>, rows: Range<usize>, top: usize, named: &[TokenId], is_warm: bool) -> Ask {
        let (named, salt) = (named.to_vec(), self.salt.clone());
        Ask { tokens: Arc::clone(history), rows, top, named, session: self.session, salt, is_warm }
    }

    /// Draws the tokens of rows, the first of which is row `from` of the pass; tells whether one has settled the pass.
    fn draw(&mut self, parts: &[PartialRow], from: usize, done: &mut Vec<Row>) -> Result<bool, PassError> {
        let Self { engines, drawing, text, plan, .. } = self;
        let keys = engines.lexicon.token_keys();
        let rows = drawing.rows(text, plan, from..from + parts.len(), engines.lexicon.vocabulary());
        if let Some(failure) = rows.failure() {
            return Err(failure.clone().into());
        }
        rows.draw(done, |Draw { row, history, chain, position, mask, .. }| {
            let part = &parts[row - from];
            let only = mask.filter(|mask| mask.count() == 1).and_then(|mask| mask.ids().next());
            let winner = match (only, mask) {
                (Some(only), _) => only,
                (None, Some(mask)) => {
                    let part = part.masked(mask).ok_or(Uncertain::Unlisted)?;
                    chain.certain_winner(&part, history, keys, position)?
                }
                (None, None) => chain.certain_winner(part, history, keys, position)?,
            };
            Ok(Row { winner, p: None })
        })
    }
}
