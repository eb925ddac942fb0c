//! What generations have taken, added up, and the most that a session may take of its verifier.

pub use uhlm_core::Budget;

use crate::error::UhlmError;
use crate::statistics::OriginCounts;

/// The most that a session may take of its verifier. What is left out has no limit.
///
/// Nothing is sent once a limit is reached. Under the policy `GoOn` the draft model goes on alone then, its tokens are
/// `Unverified`, and the statistics say `budget_spent`; otherwise the generation fails with `BudgetSpent`.
#[uniffi::remote(Record)]
pub struct Budget {
    /// Largest number of requests, those included that open a session on the verifier.
    #[uniffi(default)]
    pub requests: Option<u64>,
    /// Largest size of all request and response bodies, in bytes.
    #[uniffi(default)]
    pub bytes: Option<u64>,
    /// Largest number of forward passes of the target.
    #[uniffi(default)]
    pub target_passes: Option<u64>,
}

/// Counts and times of many generations, for an app to keep and to give back.
#[derive(Clone, Copy, Debug, Default, PartialEq, uniffi::Record)]
pub struct Totals {
    /// Number of generations.
    #[uniffi(default)]
    pub generations: u64,
    /// Tokens of their prompts.
    #[uniffi(default)]
    pub prompt_tokens: u64,
    /// Committed tokens by origin.
    pub origins: OriginCounts,
    /// Tokens that the draft model drafted.
    #[uniffi(default)]
    pub drafted: u64,
    /// Drafted tokens that a verdict decided on.
    #[uniffi(default)]
    pub judged: u64,
    /// Of those, the rejected ones.
    #[uniffi(default)]
    pub rejected: u64,
    /// Drafted tokens that the gate let pass.
    #[uniffi(default)]
    pub skipped: u64,
    /// Requests to the verifier.
    #[uniffi(default)]
    pub requests: u64,
    /// Bytes of request bodies.
    #[uniffi(default)]
    pub body_up: u64,
    /// Bytes of response bodies.
    #[uniffi(default)]
    pub body_down: u64,
    /// Forward passes of the target.
    #[uniffi(default)]
    pub target_passes: u64,
    /// Time of all generations, in seconds.
    #[uniffi(default)]
    pub elapsed_seconds: f64,
}

impl From<uhlm_core::Totals> for Totals {
    fn from(totals: uhlm_core::Totals) -> Self {
        Self {
            generations: totals.generations,
            prompt_tokens: totals.prompt_tokens,
            origins: totals.origins,
            drafted: totals.drafted,
            judged: totals.judged,
            rejected: totals.rejected,
            skipped: totals.skipped,
            requests: totals.requests,
            body_up: totals.body_up,
            body_down: totals.body_down,
            target_passes: totals.target_passes,
            elapsed_seconds: totals.elapsed.as_secs_f64(),
        }
    }
}

impl From<Totals> for uhlm_core::Totals {
    fn from(totals: Totals) -> Self {
        Self {
            generations: totals.generations,
            prompt_tokens: totals.prompt_tokens,
            origins: totals.origins,
            drafted: totals.drafted,
            judged: totals.judged,
            rejected: totals.rejected,
            skipped: totals.skipped,
            requests: totals.requests,
            body_up: totals.body_up,
            body_down: totals.body_down,
            target_passes: totals.target_passes,
            elapsed: std::time::Duration::try_from_secs_f64(totals.elapsed_seconds).unwrap_or_default(),
        }
    }
}

/// Returns totals as JSON, for an app to keep.
#[uniffi::export]
#[must_use]
pub fn totals_to_json(totals: Totals) -> String {
    uhlm_core::Totals::from(totals).to_json()
}

/// Reads totals that `totals_to_json` wrote.
///
/// # Errors
/// `InvalidOptions` for a text that is none.
#[uniffi::export]
pub fn totals_from_json(json: String) -> Result<Totals, UhlmError> {
    Ok(uhlm_core::Totals::from_json(&json).map_err(UhlmError::invalid)?.into())
}

/// Adds two totals.
#[uniffi::export]
#[must_use]
pub fn totals_sum(one: Totals, other: Totals) -> Totals {
    let mut sum = uhlm_core::Totals::from(one);
    sum.add(&other.into());
    sum.into()
}
