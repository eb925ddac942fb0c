//! Makes the never-slower tables: every method on recorded replies, over links and over speeds of both models.
//!
//! Decides which cells there are and runs them; [`method`] decides which methods are compared, [`table`] how they
//! stand.

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

/// Speeds of both models and a round trip: the conditions of one cell of a table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Time of a pass of the draft model, in milliseconds.
    pub draft_ms: f64,
    /// Time of a pass of the target, in milliseconds.
    pub target_ms: f64,
    /// Time of a round trip, in milliseconds.
    pub rtt_ms: f64,
}

impl Cell {
    /// The paper's models at a round trip of 50 ms.
    pub const PAPER: Self =
        Self { draft_ms: ComputeTimes::PAPER.draft_ms, target_ms: ComputeTimes::PAPER.target_ms, rtt_ms: 50.0 };

    /// Returns the costs of the models' passes in this cell.
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

/// Costs beyond a pass of one token, the same in all cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FurtherCosts {
    /// Cost of a further token of a draft batch, as in [`PassCosts::further_draft`].
    pub draft: f64,
    /// Times of target passes of more rows, as in [`PassCosts::rows`].
    pub rows: Option<crate::costs::RowTable>,
}

impl Default for FurtherCosts {
    fn default() -> Self {
        Self { draft: 0.15, rows: None }
    }
}

/// The values whose combinations are the cells of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Times of a pass of the draft model, in milliseconds.
    pub draft_ms: Vec<f64>,
    /// Times of a pass of the target, in milliseconds.
    pub target_ms: Vec<f64>,
    /// Times of a round trip, in milliseconds.
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
    /// Returns the cells, by round trip, then by target, then by draft model.
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
