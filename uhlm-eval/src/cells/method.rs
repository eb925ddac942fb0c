//! What is compared in a cell.

use uhlm_core::{Mode, SessionOptions};
use uhlm_law::pace::Pace;

/// A method by its name.
#[derive(Clone, Copy, Debug)]
pub struct CellMethod {
    /// Name in tables and plots.
    pub name: &'static str,
    /// How it is run.
    pub by: By,
}

/// How a method is run.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// As `uhlm_core`'s own session, with these options changed.
    Session(fn(&mut SessionOptions)),
    /// As [`crate::yesterday`].
    Yesterday,
    /// As [`crate::oracle`] on yesterday's coupling.
    Oracle {
        /// Whether the device drafts on while a verdict travels.
        drafts_ahead: bool,
    },
}

/// The target alone, over the same link.
pub const STREAMED: &str = "streamed";
/// This SDK's `exact` before the noise was shared.
pub const YESTERDAY: &str = "yesterday";
/// `exact` at each pace.
pub const FASTEST: &str = "fastest";
/// As [`FASTEST`].
pub const BALANCED: &str = "balanced";
/// As [`FASTEST`].
pub const THRIFTY: &str = "thrifty";
/// The best windows of yesterday's coupling, drafting ahead.
pub const ORACLE: &str = "oracle";
/// The best windows of a device that waits for each verdict.
pub const WAITING_ORACLE: &str = "oracle-waits";

/// All methods, in the order of the tables. Another session of this SDK is a line here; it is held against
/// [`STREAMED`], [`YESTERDAY`] and [`ORACLE`] by itself.
pub const METHODS: &[CellMethod] = &[
    CellMethod { name: STREAMED, by: By::Session(|options| options.mode = Mode::RemoteOnly) },
    CellMethod { name: FASTEST, by: By::Session(|options| options.pace = Pace::Fastest) },
    CellMethod { name: BALANCED, by: By::Session(|options| options.pace = Pace::Balanced) },
    CellMethod { name: THRIFTY, by: By::Session(|options| options.pace = Pace::Thrifty) },
    CellMethod { name: YESTERDAY, by: By::Yesterday },
    CellMethod { name: ORACLE, by: By::Oracle { drafts_ahead: true } },
    CellMethod { name: WAITING_ORACLE, by: By::Oracle { drafts_ahead: false } },
];

impl CellMethod {
    /// Whether it is held against the baselines.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        matches!(self.by, By::Session(_)) && self.name != STREAMED
    }
}
