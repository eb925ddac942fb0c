//! Whether an engine runs the target that it is to run.
//!
//! Decides it by three things: what the engine says of its model, the ids that it gives to fixed texts, and the rows
//! that it gives at fixed places. Engines tell no hash of a model, so two quantisations that are as close to each other
//! as the tolerance are not told apart.

use std::sync::Arc;

use uhlm_law::sampling::TokenId;

use crate::ask::{Ask, Token, TokenSet};
use crate::engine::{About, EngineKind};
use crate::error::UpstreamError;
use crate::http::Http;

/// Number of tokens that are compared at a place.
const TOP: usize = 8;
/// Logarithm of a probability above which a token is compared.
const PROBABLE: f32 = -4.0;
/// Largest difference of such a logarithm between two engines that run the same model on other hardware.
const TOLERANCE: f32 = 0.35;

/// A text with the ids that it has in the target's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The text.
    pub text: String,
    /// Its ids.
    pub ids: Vec<TokenId>,
}

/// The reason why an engine does not serve the target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The engine gives other ids to a text than the vocabulary that was given.
    #[error("the engine's tokenizer gives other ids to the text {text:?} than the vocabulary that was given")]
    Vocabulary {
        /// The text.
        text: String,
    },
    /// The engine says that it runs another model than before.
    #[error("the engine names another model than before")]
    Name,
    /// The engine gives other probabilities than the other engines, or than before.
    #[error("the engine gives other probabilities than were seen for this model")]
    Rows,
}

/// The failure of a check.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// What an engine shows of its model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signature {
    pub(crate) about: About,
    /// The most probable tokens of fixed places.
    rows: Vec<Vec<Token>>,
}

impl Signature {
    /// Tells whether the two come of one model.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        self.rows.len() == other.rows.len() && self.rows.iter().zip(&other.rows).all(|(a, b)| is_close(a, b))
    }
}

/// Tells whether every token that is probable in either list is in the other as well, and about as probable.
fn is_close(a: &[Token], b: &[Token]) -> bool {
    let covers = |a: &[Token], b: &[Token]| {
        a.iter().filter(|(_, value)| *value > PROBABLE).all(|(id, value)| {
            let other = b.iter().find(|(other, _)| other == id);
            other.is_some_and(|(_, other)| (value - other).abs() <= TOLERANCE)
        })
    };
    // A list ends somewhere: what is about as probable as its end may be missing in the other.
    let ends = |list: &[Token]| list.iter().map(|(_, value)| *value).fold(f32::INFINITY, f32::min);
    let end = ends(a).max(ends(b)) + TOLERANCE;
    let trim = |list: &[Token]| list.iter().copied().filter(|(_, value)| *value > end).collect::<Vec<_>>();
    covers(&trim(a), b) && covers(&trim(b), a)
}

/// One engine, as a check sees it.
pub(crate) struct Checked<'a> {
    pub(crate) http: &'a Http,
    pub(crate) kind: EngineKind,
    pub(crate) url: &'a str,
    pub(crate) probes: &'a [Probe],
    pub(crate) tokens: &'a TokenSet,
}

impl Checked<'_> {
    /// Asks the engine what it runs, and compares the ids of all probes.
    pub(crate) async fn look(&self) -> Result<Signature, CheckError> {
        let mut answers = Vec::new();
        for path in self.kind.about_paths() {
            answers.push(self.http.get(&format!("{}{path}", self.url)).await?);
        }
        let about = self.kind.read_about(&answers).map_err(UpstreamError::from)?;
        for probe in self.probes {
            let post = self.kind.tokenize(&probe.text, &about.model);
            let body = self.http.post(&format!("{}{}", self.url, post.path), &post.body, true).await;
            let ids = EngineKind::read_ids(&body.map_err(|refused| refused.error)?).map_err(UpstreamError::from)?;
            if ids != probe.ids {
                return Err(Mismatch::Vocabulary { text: probe.text.clone() }.into());
            }
        }
        let mut rows = Vec::new();
        if let Some(probe) = self.probes.iter().max_by_key(|probe| probe.ids.len()).filter(|p| p.ids.len() > 1) {
            let ids: Arc<[TokenId]> = probe.ids.clone().into();
            for at in [ids.len() / 2, ids.len()] {
                rows.push(self.row(&ids, at, &about.model).await?);
            }
        }
        Ok(Signature { about, rows })
    }

    async fn row(&self, ids: &Arc<[TokenId]>, at: usize, model: &str) -> Result<Vec<Token>, UpstreamError> {
        let ask = Ask {
            tokens: Arc::clone(ids),
            rows: at..at + 1,
            top: TOP.min(self.tokens.len()),
            named: Vec::new(),
            session: 0,
            salt: String::new(),
            is_warm: false,
        };
        let post = self.kind.rows(&ask, model);
        let body = self.http.post(&format!("{}{}", self.url, post.path), &post.body, true).await;
        let rows = self.kind.read_rows(&ask, model, &body.map_err(|refused| refused.error)?, self.tokens)?;
        Ok(rows.first().map(|row| row.listed().to_vec()).unwrap_or_default())
    }

    /// Finds out how many tokens a row may list, up to `wanted`.
    pub(crate) async fn top(&self, wanted: usize, model: &str) -> Result<usize, UpstreamError> {
        let probe = self.probes.iter().find(|probe| !probe.ids.is_empty());
        let Some(probe) = probe.filter(|_| self.kind == EngineKind::Vllm) else { return Ok(wanted) };
        let ask = Ask {
            tokens: probe.ids.clone().into(),
            rows: probe.ids.len()..probe.ids.len() + 1,
            top: wanted,
            named: Vec::new(),
            session: 0,
            salt: String::new(),
            is_warm: false,
        };
        let post = self.kind.rows(&ask, model);
        match self.http.post(&format!("{}{}", self.url, post.path), &post.body, true).await {
            Ok(_) => Ok(wanted),
            Err(refused) => self.kind.read_top_limit(&refused.body).ok_or(refused.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(rows: &[&[Token]]) -> Signature {
        Signature { about: About::default(), rows: rows.iter().map(|row| row.to_vec()).collect() }
    }

    #[test]
    fn rounding_of_other_hardware_agrees_and_another_model_does_not() {
        let one = signature(&[&[(1, -0.5), (2, -1.5), (3, -3.0), (4, -7.0)]]);
        assert!(one.agrees(&signature(&[&[(2, -1.4), (1, -0.55), (3, -3.1), (5, -7.1)]])));
        assert!(!one.agrees(&signature(&[&[(1, -1.5), (2, -0.5), (3, -3.0), (4, -7.0)]])));
        assert!(!one.agrees(&signature(&[&[(1, -0.5), (9, -1.5), (3, -3.0), (4, -7.0)]])));
        assert!(!one.agrees(&signature(&[])));
        // The lists end at other tokens of about the same probability.
        let (a, b) = (signature(&[&[(1, -1.0), (2, -2.0)]]), signature(&[&[(1, -1.1), (3, -2.05)]]));
        assert!(a.agrees(&b));
    }
}
