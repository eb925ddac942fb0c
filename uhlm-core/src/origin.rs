//! The origins of a reply's tokens: which model wrote them, and who judged them.

use serde::{Deserialize, Serialize};

/// The origin of a committed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The draft model wrote it and the gate let it pass unjudged.
    Draft,
    /// The draft model wrote it and the target's own token is the same.
    Verified,
    /// The target wrote it: in place of a drafted token that differed, after a window that agreed, or alone.
    Target,
    /// The draft model wrote it while the verifier was out of reach; it should have been judged.
    Unverified,
}

impl From<uhlm_law::advance::Origin> for Origin {
    fn from(origin: uhlm_law::advance::Origin) -> Self {
        use uhlm_law::advance::Origin as Decided;
        match origin {
            Decided::Draft => Self::Draft,
            Decided::Verified => Self::Verified,
            Decided::Target => Self::Target,
            Decided::Unverified => Self::Unverified,
        }
    }
}
