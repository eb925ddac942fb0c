//! The next step of a session: above all, what a pass has to decode and to score.

use std::time::Duration;

use super::outlet::Sent;
use crate::sampling::TokenId;

/// The purpose of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// A pass that judges drafted tokens.
    Judged,
    /// A pass that decides one token without a draft.
    SelfMade,
    /// A pass that only decodes given tokens, so that they are there when a later pass needs them.
    Fill,
}

/// One pass of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Purpose of the pass.
    pub kind: PassKind,
    /// Number of tokens that the engine keeps of its sequence; it rolls back to them first.
    pub keep: usize,
    /// Tokens to decode after those that are kept.
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
    /// Whether the target's probability of each scored token is wanted.
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

    /// Returns for each drafted token that was judged, in order, whether it stood, where the pass has decided on the
    /// tokens `decided`. One more than was decoded can be among them: [`Self::next_drafted`].
    pub fn judged(&self, decided: &[TokenId]) -> impl Iterator<Item = bool> {
        let drafted = self.draft().iter().chain(&self.next_drafted);
        let mut stands = true;
        // What a grammar has appended after a difference says nothing about the draft.
        drafted.zip(decided).map_while(move |(drafted, token)| {
            let judged = stands.then_some(drafted == token);
            stands = drafted == token;
            judged
        })
    }
}

/// The result of one row of a pass.
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
    /// Time of decode and scoring.
    pub pass_us: u32,
    /// Time from the arrival of the session's last request until the pass began; `None` where the request came later.
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

/// The step that a session takes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// A pass, after which one of [`pass_ended`], [`pass_failed`] and [`pass_abandoned`] is called.
    ///
    /// [`pass_ended`]: super::TargetSession::pass_ended
    /// [`pass_failed`]: super::TargetSession::pass_failed
    /// [`pass_abandoned`]: super::TargetSession::pass_abandoned
    Pass(Plan),
    /// The end of the stream: there is nothing to do, and the device is told so.
    End(Sent),
    /// No step: a pass is under way.
    Busy,
    /// No step until a request comes.
    Idle,
}
