//! Reasons why a load test does not run.

use std::path::PathBuf;

use uhlm_core::verifier::VerifierError;
use uhlm_core::verifier::http::ConfigError;
use uhlm_eval::error::EvalError;

/// The reason why a load test does not run.
#[derive(Debug, thiserror::Error)]
pub enum LoadTestError {
    /// No client could be made.
    #[error(transparent)]
    Client(#[from] ConfigError),
    /// The verifier does not let the phones in, or cannot be reached before the test.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
    /// The system gives no thread for the network.
    #[error("no thread for the network: {0}")]
    Network(std::io::Error),
    /// A trace of arrivals cannot be read.
    #[error("{}: {reason}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// The rule that the file breaks, with its line, or the system's error.
        reason: String,
    },
    /// The target ends every reply so early that there is nothing to propose.
    #[error("the target ended every one of {tried} replies before {tokens} tokens")]
    NoText {
        /// Number of prompts that were tried.
        tried: usize,
        /// Number of tokens that a reply has to have.
        tokens: usize,
    },
    /// The settings contradict each other.
    #[error("{0}")]
    Settings(String),
    /// A plot or the page could not be made.
    #[error(transparent)]
    Report(#[from] EvalError),
    /// A simulated phone failed for a reason of its own.
    #[error("a simulated phone panicked")]
    Phone,
}
