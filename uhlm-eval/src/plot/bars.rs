//! Draws horizontal bars with intervals.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

use super::{GRID, INK, failed};
use crate::error::EvalError;

/// One bar of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Label at the bar's left.
    pub label: String,
    /// Length of the bar, on the axis.
    pub value: f64,
    /// Interval of the value, if it has one.
    pub interval: Option<(f64, f64)>,
    /// Text at the bar's end.
    pub text: String,
    /// Colour of the bar.
    pub color: RGBColor,
}

/// A chart of bars.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// Title of the chart.
    pub title: String,
    /// Name of the axis: the value that is measured, with its unit.
    pub axis: String,
    /// Bars of the chart, from the top.
    pub bars: Vec<Bar>,
    /// Whether the axis is logarithmic.
    pub log: bool,
}

const WIDTH: u32 = 860;
const BAR_HEIGHT: u32 = 26;
const LABELS: u32 = 190;

impl Bars {
    /// Draws the chart as SVG text.
    ///
    /// # Errors
    /// [`EvalError::Plot`].
    pub fn draw(&self) -> Result<String, EvalError> {
        let mut svg = String::new();
        {
            let height = 92 + BAR_HEIGHT * self.bars.len() as u32;
            let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            let ends = self.bars.iter().map(|bar| bar.interval.map_or(bar.value, |i| i.1.max(bar.value)));
            let largest = ends.fold(0.0, f64::max).max(1e-9);
            if self.log {
                let positive = self.bars.iter().map(|bar| bar.value).filter(|v| *v > 0.0);
                let smallest = positive.fold(largest, f64::min);
                let low = smallest / 2.5;
                self.chart(&area, (low..largest * 3.5).log_scale(), low)?;
            } else {
                self.chart(&area, 0.0..largest * 1.25, 0.0)?;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }

    fn chart<X>(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        x: impl plotters::coord::ranged1d::AsRangedCoord<CoordDescType = X, Value = f64>,
        low: f64,
    ) -> Result<(), EvalError>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let n = self.bars.len();
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 19).into_font().color(&INK))
            .margin(10)
            .margin_right(24)
            .x_label_area_size(42)
            .y_label_area_size(LABELS)
            .build_cartesian_2d(x, (0..n - 1).into_segmented())
            .map_err(failed)?;
        // Plotters counts from the bottom, and the first bar is to be on top.
        let label = |value: &SegmentValue<usize>| match value {
            SegmentValue::CenterOf(i) if *i < n => self.bars[n - 1 - i].label.clone(),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .y_labels(n)
            .y_label_formatter(&label)
            .y_label_style(("sans-serif", 14).into_font().color(&INK))
            .x_label_style(("sans-serif", 13).into_font().color(&INK))
            .x_label_formatter(&|value| short(*value))
            .x_desc(&self.axis)
            .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
            .draw()
            .map_err(failed)?;
        for (i, bar) in self.bars.iter().rev().enumerate() {
            let (bottom, top) = (SegmentValue::Exact(i), SegmentValue::Exact(i + 1));
            let mut body = Rectangle::new([(low, bottom), (bar.value.max(low), top)], bar.color.filled());
            body.set_margin(4, 4, 0, 0);
            chart.draw_series([body]).map_err(failed)?;
            let middle = || SegmentValue::CenterOf(i);
            let end = bar.interval.map_or(bar.value, |interval| interval.1.max(bar.value));
            if let Some((from, to)) = bar.interval {
                let line = [(from.max(low), middle()), (to.max(low), middle())];
                chart.draw_series([PathElement::new(line, INK.stroke_width(1))]).map_err(failed)?;
            }
            let style = ("sans-serif", 13).into_font().color(&INK);
            let text = EmptyElement::at((end.max(low), middle())) + Text::new(bar.text.clone(), (6, -7), style);
            chart.draw_series([text]).map_err(failed)?;
        }
        Ok(())
    }
}

/// Returns a number as an axis shows it.
pub(super) fn short(value: f64) -> String {
    let text = if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
