//! Where the tokens of a reply come from.

use serde::{Deserialize, Serialize};

/// Where a committed token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The draft model wrote it and the gate let it pass unjudged.
    Draft,
    /// The draft model wrote it and the target accepted it.
    Verified,
    /// The target rejected the draft model's token; this one is from the residual distribution.
    Resampled,
    /// The target wrote it: the bonus of an accepted window, or `remote_only`.
    Bonus,
    /// The draft model wrote it while the verifier was out of reach; it should have been judged.
    Unverified,
}
