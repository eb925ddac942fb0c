//! Lists the methods that are compared in a cell.

use uhlm_core::{Mode, SessionOptions};
use uhlm_law::pace::Pace;

/// A method and its name.
#[derive(Clone, Copy, Debug)]
pub struct CellMethod {
    /// Name in tables and plots.
    pub name: &'static str,
    /// Code that runs the method.
    pub by: By,
}

/// The code that runs a method.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// `uhlm_core`'s own session, with these options changed.
    Session(fn(&mut SessionOptions)),
    /// The simulation in [`crate::yesterday`].
    Yesterday,
    /// The bound in [`crate::oracle`] on yesterday's coupling.
    Oracle {
        /// Whether the device drafts on while a verdict travels.
        drafts_ahead: bool,
    },
}

/// Name of the target alone, over the same link.
pub const STREAMED: &str = "streamed";
/// Name of this SDK's `exact` as it was before the device and the verifier shared their noise.
pub const YESTERDAY: &str = "yesterday";
/// Name of `exact` at the pace `fastest`.
pub const FASTEST: &str = "fastest";
/// Name of `exact` at the pace `balanced`.
pub const BALANCED: &str = "balanced";
/// Name of `exact` at the pace `thrifty`.
pub const THRIFTY: &str = "thrifty";
/// Name of the bound on yesterday's coupling by the best windows of a device that drafts ahead.
pub const ORACLE: &str = "oracle";
/// Name of the bound on yesterday's coupling by the best windows of a device that waits for each verdict.
pub const WAITING_ORACLE: &str = "oracle-waits";

/// All methods, in the order of the tables. Another session of this SDK needs only a line here; it is then compared
/// with [`STREAMED`], [`YESTERDAY`] and [`ORACLE`].
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
    /// Tells whether the method is compared with the baselines.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        matches!(self.by, By::Session(_)) && self.name != STREAMED
    }
}
