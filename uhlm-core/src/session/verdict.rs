//! A window on its way, and the changes that an answer to it brings.

use std::time::{Duration, Instant};

use uhlm_law::advance::{EndReason, Text};

use super::token::{Decided, Standing};
use crate::metrics::VerdictTiming;

/// A window whose verdict is awaited.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    /// Position of its first token, then the one after its last.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Number of tokens that the verifier has to process for it, given ones included.
    pub(super) processed: usize,
    /// Size of the given ones, in bytes.
    pub(super) given_bytes: u64,
    pub(super) sent: Instant,
}

/// The answer to a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    /// Number of tokens of the window.
    pub(super) window: usize,
    /// Number of tokens that were given with it, then their size in bytes.
    pub(super) given: usize,
    pub(super) given_bytes: u64,
    pub(super) timing: VerdictTiming,
}

/// The facts that a text tells of the pass that brought it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// Number of rows of the pass.
    pub(super) rows: usize,
    pub(super) pass: Duration,
    /// Time that the request had waited when the pass began; `None` where that was told before, or is not known.
    pub(super) queue: Option<Duration>,
}

/// The changes that hearing a frame brings.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Tokens that stand from now on, in order, with the number of drafted ones taken back before each.
    pub(super) standing: Vec<(usize, Standing)>,
    /// Judged tokens that this frame decides.
    pub(super) judged: Vec<Decided>,
    /// Skipped tokens about which the target said something.
    pub(super) skipped: Vec<Decided>,
    /// Answer to a window, if this frame is one.
    pub(super) verdict: Option<Verdict>,
    /// Facts that this frame tells of the target's pass.
    pub(super) told: Option<Told>,
    /// Number of passes that the target has made for this reply.
    pub(super) passes: Option<u32>,
    /// Whether the device should ask again at once.
    pub(super) ask: bool,
    /// Whether the device should give at once the rest of what did not fit into one request.
    pub(super) more: bool,
    /// Reason that this answer ended; `None` while it has not.
    pub(super) ended: Option<EndReason>,
    /// Whether the whole reply has ended for that reason.
    pub(super) finished: bool,
}

impl InFlight {
    /// Returns the verdict that a pass of `pass_us` microseconds brought, after `queue_us` of waiting.
    pub(super) fn verdict(&self, queue_us: u32, pass_us: u32, now: Instant) -> Verdict {
        let elapsed = now.saturating_duration_since(self.sent);
        let tokens = self.end - self.start;
        Verdict {
            window: tokens,
            given: self.processed - tokens,
            given_bytes: self.given_bytes,
            timing: VerdictTiming {
                total_us: u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX),
                queue_us,
                decode_us: pass_us,
            },
        }
    }
}

impl Told {
    /// Returns what a text tells of its pass; `None` where it does not say how long the pass took.
    pub(super) fn of(text: &Text) -> Option<Self> {
        let micros = |us: u32| Duration::from_micros(u64::from(us));
        Some(Self {
            rows: text.rows.map_or(1, |rows| rows as usize),
            pass: text.pass_us.map(micros)?,
            queue: text.queue_us.map(micros),
        })
    }
}
