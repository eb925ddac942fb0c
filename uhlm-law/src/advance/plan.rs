//! What a session does next: above all, what a pass has to decode and to score.

use std::time::Duration;

use super::outlet::Sent;
use crate::sampling::TokenId;

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// Judges drafted tokens.
    Judged,
    /// Decides one token without a draft.
    SelfMade,
    /// Only decodes given tokens, so that they are there when a pass needs them.
    Fill,
}

/// One pass of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the pass is for.
    pub kind: PassKind,
    /// Number of tokens that the engine keeps of its sequence; it rolls back to them first.
    pub keep: usize,
    /// Tokens to decode after those.
    pub tokens: Vec<TokenId>,
    /// Number of rows: logits are needed after each of the last `rows` tokens.
    pub rows: usize,
    /// Index of the token that the first row decides; each row decides the one after.
    pub first: usize,
    /// Given and drafted tokens that the rows are compared with, one a row. The last row of a pass that is not
    /// [`PassKind::Fill`] has none.
    pub scored: Vec<TokenId>,
    /// Number of given ones among them: their rows bring labels and decide nothing.
    pub contexts: usize,
    /// The drafted token that the last row is compared with as well, where the draft is longer than the pass. It is
    /// not decoded.
    pub next_drafted: Option<TokenId>,
    /// Whether `p` of each scored token is wanted.
    pub probabilities: bool,
}

impl Plan {
    /// Tells whether nothing after this row is needed, where `winner` is the target's token of the row.
    #[must_use]
    pub fn settles(&self, row: usize, winner: TokenId) -> bool {
        row + 1 >= self.rows || (row >= self.contexts && self.scored.get(row) != Some(&winner))
    }

    /// Returns the drafted tokens.
    #[must_use]
    pub fn draft(&self) -> &[TokenId] {
        self.scored.get(self.contexts..).unwrap_or_default()
    }
}

/// What the target says in one row of a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The token that logits, chain and noise decide on.
    pub winner: TokenId,
    /// The target's probability of the scored token, where it was wanted.
    pub p: Option<f32>,
}

/// Durations of a pass, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassTiming {
    /// Decode and scoring.
    pub pass_us: u32,
    /// From the arrival of the session's last request until the pass began; `None` where the request came later.
    pub queue_us: Option<u32>,
}

impl PassTiming {
    /// Makes the timing of a pass that took `pass` and began `queue` after the session's last request; what is longer
    /// than the wire carries counts as the longest.
    #[must_use]
    pub fn new(pass: Duration, queue: Option<Duration>) -> Self {
        let micros = |duration: Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        Self { pass_us: micros(pass), queue_us: queue.map(micros) }
    }
}

/// What a session does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// A pass, after which one of [`pass_ended`], [`pass_failed`] and [`pass_abandoned`] is called.
    ///
    /// [`pass_ended`]: super::TargetSession::pass_ended
    /// [`pass_failed`]: super::TargetSession::pass_failed
    /// [`pass_abandoned`]: super::TargetSession::pass_abandoned
    Pass(Plan),
    /// Nothing, and the device is told.
    End(Sent),
    /// A pass is under way.
    Busy,
    /// Nothing until a request comes.
    Idle,
}
