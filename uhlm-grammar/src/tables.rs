//! The tables of a vocabulary, and the grammars that are compiled with them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;

use llguidance::ParserFactory;
use llguidance::toktrie::TokEnv;
use uhlm_law::grammar::Grammar;
use uhlm_law::model::{LanguageModel, Special, Vocabulary};
use uhlm_law::sampling::TokenId;

use crate::error::GrammarError;
use crate::limits::{self, COMPILE_TIME, MAX_COMPILING, STACK};
use crate::matcher::Matcher;
use crate::source;
use crate::tokens::{Environment, Tokenize};

/// The tables of a vocabulary by which grammars are compiled and masks are made. Making them walks through all tokens;
/// they are cheap to clone.
#[derive(Clone)]
pub struct Tables {
    factory: Arc<ParserFactory>,
    size: usize,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("tokens", &self.size).finish_non_exhaustive()
    }
}

impl Tables {
    /// Makes the tables of a language. Text that a grammar forces takes the tokens that its tokenizer makes of it.
    ///
    /// # Errors
    /// [`GrammarError::Vocabulary`].
    pub fn of_language(words: Arc<dyn LanguageModel>) -> Result<Self, GrammarError> {
        let tokenizer = Arc::clone(&words);
        let tokenize: Tokenize = Arc::new(move |text| tokenizer.tokenize(text, Special::Plain).ok());
        Self::new(words.vocabulary(), Some(tokenize))
    }

    /// Returns the tables of a language, which are the same for all who have the same language at the same time.
    ///
    /// # Errors
    /// [`GrammarError::Vocabulary`].
    pub fn shared(words: &Arc<dyn LanguageModel>) -> Result<Self, GrammarError> {
        static SHARED: Mutex<Vec<(usize, Weak<ParserFactory>)>> = Mutex::new(Vec::new());
        // The tables hold on to their language, so nothing else has its address as long as they are there.
        let address = Arc::as_ptr(words).cast::<()>().addr();
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|(_, factory)| factory.strong_count() > 0);
        let known = shared.iter().find(|(known, _)| *known == address).and_then(|(_, factory)| factory.upgrade());
        if let Some(factory) = known {
            return Ok(Self { factory, size: words.vocabulary().size() });
        }
        let tables = Self::of_language(Arc::clone(words))?;
        shared.push((address, Arc::downgrade(&tables.factory)));
        Ok(tables)
    }

    /// Makes the tables of a vocabulary without a tokenizer: no token is forced, but where a reply must end.
    ///
    /// # Errors
    /// [`GrammarError::Vocabulary`].
    pub fn of_vocabulary(vocabulary: &dyn Vocabulary) -> Result<Self, GrammarError> {
        Self::new(vocabulary, None)
    }

    fn new(vocabulary: &dyn Vocabulary, tokenize: Option<Tokenize>) -> Result<Self, GrammarError> {
        let size = vocabulary.size();
        let environment: TokEnv = Arc::new(Environment::new(size, |id| vocabulary.piece(id), tokenize)?);
        let mut factory = ParserFactory::new_simple(&environment)
            .map_err(|error| GrammarError::Vocabulary { reason: error.to_string() })?;
        factory.quiet();
        *factory.limits_mut() = limits::of_parser();
        Ok(Self { factory: Arc::new(factory), size })
    }

    /// Compiles a grammar; blocks for as long as that takes, at most [`COMPILE_TIME`].
    ///
    /// # Errors
    /// [`GrammarError`].
    pub fn compile(&self, grammar: &Grammar) -> Result<Compiled, GrammarError> {
        static COMPILING: AtomicUsize = AtomicUsize::new(0);
        if COMPILING.fetch_add(1, Ordering::AcqRel) >= MAX_COMPILING {
            COMPILING.fetch_sub(1, Ordering::AcqRel);
            return Err(GrammarError::Busy);
        }
        let place = Place(&COMPILING);
        let (sender, receiver) = mpsc::channel();
        let (factory, grammar) = (Arc::clone(&self.factory), grammar.clone());
        let work = move || {
            let compiled = compile(&factory, &grammar);
            // Whoever has waited too long hears nothing.
            let _ = sender.send(compiled);
            drop(place);
        };
        let thread = thread::Builder::new().name("uhlm-grammar".into()).stack_size(STACK);
        thread.spawn(work).map_err(|_| GrammarError::Busy)?;
        match receiver.recv_timeout(COMPILE_TIME) {
            Ok(compiled) => Ok(Compiled { start: Arc::new(compiled?), size: self.size }),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(GrammarError::TooSlow { milliseconds: COMPILE_TIME.as_millis() as u64 })
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(GrammarError::Invalid { reason: "it cannot be compiled".into() })
            }
        }
    }
}

/// The place of a grammar among those that are being compiled.
struct Place(&'static AtomicUsize);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Compiles a grammar and makes its first mask, by which it is known that it allows anything.
fn compile(factory: &ParserFactory, grammar: &Grammar) -> Result<llguidance::Matcher, GrammarError> {
    let parser = factory.create_parser(source::read(grammar)?);
    let mut start = llguidance::Matcher::new(parser);
    let reason = start.get_error().or_else(|| start.compute_mask_or_eos().err().map(|error| error.to_string()));
    // Its first line says what is wrong.
    let first_line = |reason: String| reason.lines().next().unwrap_or_default().to_owned();
    reason.map_or(Ok(start), |reason| Err(GrammarError::Invalid { reason: first_line(reason) }))
}

/// A grammar that was compiled for a vocabulary.
pub struct Compiled {
    start: Arc<llguidance::Matcher>,
    size: usize,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("tokens", &self.size).finish_non_exhaustive()
    }
}

impl Compiled {
    /// Makes the matcher of a reply that ends with one of `ends`; the first is the end of turn.
    #[must_use]
    pub fn matcher(&self, ends: &[TokenId]) -> Matcher {
        // A copy has lexer tables of its own, so that no reply waits for another one.
        Matcher::new(&self.start, self.size, ends)
    }
}
