//! The never-slower tables: every method on recorded replies, over links and over speeds of both models.
//!
//! Decides which cells there are and runs them; [`method`] decides what is compared, [`table`] what is read off.

pub mod method;
mod run;
mod session;
mod spent;
pub mod table;

use serde::{Deserialize, Serialize};

use crate::costs::PassCosts;
use crate::pair::ComputeTimes;

pub use run::{Measured, TraceCells, measure};
pub use session::{Bedded, calibrated};
pub use spent::Spent;

/// A speed of both models and a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// A step of the draft model, milliseconds.
    pub draft_ms: f64,
    /// A pass of the target, milliseconds.
    pub target_ms: f64,
    /// Round trip, milliseconds.
    pub rtt_ms: f64,
}

impl Cell {
    /// The paper's models at a round trip of 50 ms.
    pub const PAPER: Self =
        Self { draft_ms: ComputeTimes::PAPER.draft_ms, target_ms: ComputeTimes::PAPER.target_ms, rtt_ms: 50.0 };

    /// What passes cost here.
    #[must_use]
    pub fn costs(&self, further: &FurtherCosts) -> PassCosts {
        let Self { draft_ms, target_ms, .. } = *self;
        PassCosts {
            times: ComputeTimes { draft_ms, target_ms, target_per_token_ms: 0.0 },
            further_draft: further.draft,
            rows: further.rows.clone(),
        }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "draft {}, target {}, RTT {} ms", self.draft_ms, self.target_ms, self.rtt_ms)
    }
}

/// What costs beyond a pass of one token, the same in all cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FurtherCosts {
    /// [`PassCosts::further_draft`].
    pub draft: f64,
    /// [`PassCosts::rows`].
    pub rows: Option<crate::costs::RowTable>,
}

impl Default for FurtherCosts {
    fn default() -> Self {
        Self { draft: 0.15, rows: None }
    }
}

/// Cells of a table: all combinations.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Steps of the draft model, milliseconds.
    pub draft_ms: Vec<f64>,
    /// Passes of the target, milliseconds.
    pub target_ms: Vec<f64>,
    /// Round trips, milliseconds.
    pub rtt_ms: Vec<f64>,
}

impl Default for Grid {
    fn default() -> Self {
        Self {
            draft_ms: vec![15.0, 25.0, 50.0, 100.0],
            target_ms: vec![10.0, 20.0, 40.0, 105.0],
            rtt_ms: vec![20.0, 50.0, 150.0],
        }
    }
}

impl Grid {
    /// The cells, by round trip, then by target, then by draft model.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &rtt_ms in &self.rtt_ms {
            for &target_ms in &self.target_ms {
                cells.extend(self.draft_ms.iter().map(|&draft_ms| Cell { draft_ms, target_ms, rtt_ms }));
            }
        }
        cells
    }
}
