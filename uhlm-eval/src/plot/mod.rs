//! Plots as SVG text. What is drawn is decided in [`figures`] and [`cells`]; the rest is the three kinds of chart that
//! it takes.

mod bars;
pub mod cells;
mod curves;
pub mod figures;

use plotters::style::RGBColor;

use crate::error::EvalError;
use crate::method::Method;

pub use bars::{Bar, Bars};
pub use curves::{Curves, Mark, Series};

/// Ink of axes and text.
const INK: RGBColor = RGBColor(40, 44, 52);
/// Lines of the grid.
const GRID: RGBColor = RGBColor(228, 231, 236);

/// This SDK.
const OURS: RGBColor = RGBColor(15, 118, 178);
/// This SDK, lossy.
const OURS_LOSSY: RGBColor = RGBColor(110, 185, 226);
/// Exact methods of others.
const EXACT: RGBColor = RGBColor(120, 128, 142);
/// Lossy methods of others.
const LOSSY: RGBColor = RGBColor(226, 135, 67);

/// Colours that tell series apart.
const PALETTE: [RGBColor; 7] =
    [OURS, LOSSY, RGBColor(74, 157, 95), RGBColor(170, 92, 172), RGBColor(190, 62, 72), EXACT, RGBColor(150, 120, 40)];

/// The colour of a method: whose it is, and whether it is exact.
fn color(method: Method) -> RGBColor {
    match (method.is_ours(), method.is_exact()) {
        (true, true) => OURS,
        (true, false) => OURS_LOSSY,
        (false, true) => EXACT,
        (false, false) => LOSSY,
    }
}

/// A plotting error as one of the evaluation.
fn failed(error: impl std::fmt::Display) -> EvalError {
    EvalError::Plot { reason: error.to_string() }
}
