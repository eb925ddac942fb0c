//! Draws plots as SVG text. [`figures`] and [`cells`] decide which plots there are; the rest is the kinds of chart that
//! they take.

mod bars;
pub mod cells;
mod curves;
pub mod figures;

use plotters::style::RGBColor;

use crate::error::EvalError;
use crate::method::Method;

pub use bars::{Bar, Bars};
pub use curves::{Curves, Mark, Series};

/// Colour of axes and text.
const INK: RGBColor = RGBColor(40, 44, 52);
/// Colour of the lines of the grid.
const GRID: RGBColor = RGBColor(228, 231, 236);

/// Colour of this SDK's exact methods.
const OURS: RGBColor = RGBColor(15, 118, 178);
/// Colour of this SDK's lossy methods.
const OURS_LOSSY: RGBColor = RGBColor(110, 185, 226);
/// Colour of others' exact methods.
const EXACT: RGBColor = RGBColor(120, 128, 142);
/// Colour of others' lossy methods.
const LOSSY: RGBColor = RGBColor(226, 135, 67);

/// Colours that tell series apart.
pub const PALETTE: [RGBColor; 7] =
    [OURS, LOSSY, RGBColor(74, 157, 95), RGBColor(170, 92, 172), RGBColor(190, 62, 72), EXACT, RGBColor(150, 120, 40)];

/// Returns the colour of a method, which tells whose it is and whether it is exact.
fn color(method: Method) -> RGBColor {
    match (method.is_ours(), method.is_exact()) {
        (true, true) => OURS,
        (true, false) => OURS_LOSSY,
        (false, true) => EXACT,
        (false, false) => LOSSY,
    }
}

/// Turns a plotting error into one of the evaluation.
fn failed(error: impl std::fmt::Display) -> EvalError {
    EvalError::Plot { reason: error.to_string() }
}
