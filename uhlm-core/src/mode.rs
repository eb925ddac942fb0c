//! The modes: which model writes, and which tokens the target judges.

use serde::{Deserialize, Serialize};

/// The way in which text is generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The paper's rule: a token whose uncertainty `u` is at most the gate's threshold `u_th` is committed at once, and
    /// one with `u > u_th` is judged by the target before it is committed.
    Opportunistic,
    /// The target judges every drafted token, in windows: token by token, the text is what [`Self::RemoteOnly`] writes
    /// with the same seed.
    #[default]
    Exact,
    /// The draft model writes alone. No connection is opened.
    DeviceOnly,
    /// The target writes alone, and its text is streamed.
    RemoteOnly,
}

impl Mode {
    /// Tells whether the mode asks the verifier for verdicts.
    #[must_use]
    pub fn judges(self) -> bool {
        matches!(self, Self::Opportunistic | Self::Exact)
    }
}
