//! The words that end a reasoning, and how often they did.

use uhlm_law::sampling::TokenId;

/// The end that the device gives to a reasoning which has used up its budget.
#[derive(Debug, Default)]
pub(super) struct Closing {
    /// Tokens of the end.
    pub(super) ids: Vec<TokenId>,
    /// Number of times that the reasoning was ended so.
    pub(super) count: u32,
}
