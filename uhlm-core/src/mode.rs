//! The ways to generate.

use serde::{Deserialize, Serialize};

/// How text is generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The paper's rule: `u <= u_th` commits at once, `u > u_th` is judged before it is committed.
    Opportunistic,
    /// Everything is judged, in windows: token by token, the text is what [`Self::RemoteOnly`] writes with the same
    /// seed.
    #[default]
    Exact,
    /// The draft model alone. No connection is opened.
    DeviceOnly,
    /// The target alone, streamed.
    RemoteOnly,
}

impl Mode {
    /// Whether the mode asks the verifier for verdicts.
    #[must_use]
    pub fn judges(self) -> bool {
        matches!(self, Self::Opportunistic | Self::Exact)
    }
}
