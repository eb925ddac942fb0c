//! The grammars that devices ask for, compiled on other threads than the target's.
//!
//! Decides which of them are kept and how many are compiled at once. What a grammar is, and how much work it may take,
//! is [`uhlm_grammar`]'s. A grammar is not trusted: what it is refused for quotes nothing of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Semaphore;
use uhlm_grammar::{Compiled, Constraint, Grammar, GrammarError, Tables};
use uhlm_law::advance::{Begin, ErrorBody, ErrorCode};
use uhlm_law::model::LanguageModel;
use uhlm_law::sampling::TokenId;

/// Number of grammars that are kept, good and bad ones: apps ask with few schemas, again and again.
const KEPT: usize = 32;
/// Largest number of grammars that are compiled at once.
const AT_ONCE: usize = 2;

/// A grammar with what came of it.
type Outcome = (Arc<Grammar>, Result<Arc<Compiled>, GrammarError>);

/// The grammars of a target's devices.
#[derive(Debug)]
pub(crate) struct Grammars {
    language: Option<Language>,
    /// Grammars that were asked for last, the latest first.
    kept: Mutex<VecDeque<Outcome>>,
    places: Arc<Semaphore>,
}

/// The target's language, with tables that are made when the first grammar comes.
struct Language {
    words: Arc<dyn LanguageModel>,
    ends: Vec<TokenId>,
    tables: OnceLock<Result<Tables, GrammarError>>,
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Language").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Grammars {
    /// Makes the place for the grammars of a target whose replies end with `ends`; without its language there are none.
    pub(crate) fn new(words: Option<Arc<dyn LanguageModel>>, ends: Vec<TokenId>) -> Arc<Self> {
        let language = words.map(|words| Language { words, ends, tables: OnceLock::new() });
        Arc::new(Self { language, kept: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Tells whether there can be grammars.
    pub(crate) fn are_there(&self) -> bool {
        self.language.is_some()
    }

    /// Makes the state of the grammar that a generation begins with; `None` where it has none.
    pub(crate) async fn constraint(
        self: &Arc<Self>,
        begin: Option<&Begin>,
    ) -> Result<Option<Box<dyn Constraint>>, ErrorBody> {
        let Some(grammar) = begin.and_then(|begin| begin.grammar.clone()) else { return Ok(None) };
        let no_language = || ErrorBody::new(ErrorCode::Unsupported, "this verifier takes no grammars");
        let language = self.language.as_ref().ok_or_else(no_language)?;
        let compiled = match self.find(&grammar) {
            Some(outcome) => outcome,
            None => self.compiled(&grammar).await?,
        };
        let compiled = compiled.map_err(|error| refusal(&error))?;
        // A reply's own copy of the tables may have megabytes.
        let ends = language.ends.clone();
        let matcher = tokio::task::spawn_blocking(move || compiled.matcher(&ends)).await;
        let matcher = matcher.map_err(|_| ErrorBody::new(ErrorCode::Internal, "the server failed"))?;
        Ok(Some(Box::new(matcher)))
    }

    /// Returns what came of a grammar that is kept.
    fn find(&self, grammar: &Grammar) -> Option<Result<Arc<Compiled>, GrammarError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| known.as_ref() == grammar)?;
        let found = kept.remove(place)?;
        let outcome = found.1.clone();
        kept.push_front(found);
        Some(outcome)
    }

    /// Compiles a grammar and keeps what comes of it, unless another try may end otherwise.
    async fn compiled(
        self: &Arc<Self>,
        grammar: &Arc<Grammar>,
    ) -> Result<Result<Arc<Compiled>, GrammarError>, ErrorBody> {
        let failed = || ErrorBody::new(ErrorCode::Internal, "the server failed");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| failed())?;
        // Whoever waited for a place may have waited for this grammar.
        if let Some(outcome) = self.find(grammar) {
            return Ok(outcome);
        }
        let (own, asked) = (Arc::clone(self), Arc::clone(grammar));
        let outcome = tokio::task::spawn_blocking(move || {
            // The place is taken for as long as the work lasts, even if nobody waits for it any more.
            let _place = place;
            own.compile(&asked)
        });
        let outcome = outcome.await.map_err(|_| failed())?;
        if is_lasting(&outcome) {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_front((Arc::clone(grammar), outcome.clone()));
            kept.truncate(KEPT);
        }
        Ok(outcome)
    }

    fn compile(&self, grammar: &Grammar) -> Result<Arc<Compiled>, GrammarError> {
        let Some(Language { words, tables, .. }) = &self.language else { return Err(GrammarError::Busy) };
        let tables = tables.get_or_init(|| Tables::of_language(Arc::clone(words))).as_ref().map_err(Clone::clone)?;
        tables.compile(grammar).map(Arc::new)
    }
}

/// Tells whether another try would end alike. One that took too long may have had a busy machine, and whoever asked for
/// it is not to spoil it for others.
fn is_lasting<T>(outcome: &Result<T, GrammarError>) -> bool {
    !matches!(outcome, Err(GrammarError::Busy | GrammarError::TooSlow { .. }))
}

/// Makes the refusal of a grammar.
fn refusal(error: &GrammarError) -> ErrorBody {
    let code = if *error == GrammarError::Busy { ErrorCode::Unavailable } else { ErrorCode::Unsupported };
    ErrorBody::new(code, error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_end_otherwise_another_time_is_not_kept() {
        let failed = |error| is_lasting::<()>(&Err(error));
        assert!(!failed(GrammarError::Busy) && !failed(GrammarError::TooSlow { milliseconds: 2000 }));
        assert!(failed(GrammarError::Invalid { reason: String::new() }) && is_lasting(&Ok(())));
    }
}
