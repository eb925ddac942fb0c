//! Draws lines and points over two linear axes.

use plotters::prelude::*;

use super::bars::short;
use super::{GRID, INK, failed};
use crate::error::EvalError;

/// The way in which a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A line with points on it.
    LineAndPoints,
    /// A line.
    Line,
    /// A dashed line.
    Dashed,
    /// Small pale points.
    Cloud,
    /// Steps filled down to the axis.
    Area,
    /// Large points.
    Points,
}

/// One series of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of the series in the legend; an empty one is left out there.
    pub name: String,
    /// Points of the series.
    pub points: Vec<(f64, f64)>,
    /// Way in which the series is drawn.
    pub mark: Mark,
    /// Colour of the series.
    pub color: RGBColor,
    /// Text beside each point; empty without labels.
    pub labels: Vec<String>,
}

impl Series {
    /// Makes a series without labels at its points.
    #[must_use]
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>, mark: Mark, color: RGBColor) -> Self {
        Self { name: name.into(), points, mark, color, labels: Vec::new() }
    }
}

/// A chart of series.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// Title of the chart.
    pub title: String,
    /// Name of the horizontal axis.
    pub x: String,
    /// Name of the vertical axis.
    pub y: String,
    /// Ends of the horizontal axis.
    pub x_range: (f64, f64),
    /// Ends of the vertical axis.
    pub y_range: (f64, f64),
    /// Series of the chart, the first at the back.
    pub series: Vec<Series>,
    /// Position of the legend.
    pub legend: SeriesLabelPosition,
}

const SIZE: (u32, u32) = (860, 440);

impl Curves {
    /// Draws the chart as SVG text.
    ///
    /// # Errors
    /// [`EvalError::Plot`].
    pub fn draw(&self) -> Result<String, EvalError> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            let mut chart = ChartBuilder::on(&area)
                .caption(&self.title, ("sans-serif", 19).into_font().color(&INK))
                .margin(10)
                .margin_right(26)
                .x_label_area_size(44)
                .y_label_area_size(62)
                .build_cartesian_2d(self.x_range.0..self.x_range.1, self.y_range.0..self.y_range.1)
                .map_err(failed)?;
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .bold_line_style(GRID)
                .axis_style(GRID)
                .x_labels(9)
                .y_labels(7)
                .x_label_formatter(&|value| short(*value))
                .y_label_formatter(&|value| short(*value))
                .label_style(("sans-serif", 13).into_font().color(&INK))
                .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
                .x_desc(&self.x)
                .y_desc(&self.y)
                .draw()
                .map_err(failed)?;
            for series in &self.series {
                let Series { name, points, mark, color, labels } = series;
                let (points, color) = (points.clone(), *color);
                let drawn = match mark {
                    Mark::Line | Mark::LineAndPoints => {
                        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2))).map_err(failed)?
                    }
                    Mark::Dashed => chart
                        .draw_series(DashedLineSeries::new(points.clone(), 6, 5, color.stroke_width(2)))
                        .map_err(failed)?,
                    Mark::Area => chart
                        .draw_series(AreaSeries::new(points.clone(), 0.0, color.mix(0.25)).border_style(color))
                        .map_err(failed)?,
                    Mark::Cloud => chart
                        .draw_series(points.iter().map(|&at| Circle::new(at, 2, color.mix(0.25).filled())))
                        .map_err(failed)?,
                    Mark::Points => chart
                        .draw_series(points.iter().map(|&at| Circle::new(at, 5, color.filled())))
                        .map_err(failed)?,
                };
                if !name.is_empty() {
                    drawn
                        .label(name)
                        .legend(move |(x, y)| Rectangle::new([(x + 2, y - 4), (x + 16, y + 4)], color.filled()));
                }
                if *mark == Mark::LineAndPoints {
                    chart.draw_series(points.iter().map(|&at| Circle::new(at, 4, color.filled()))).map_err(failed)?;
                }
                for (&at, label) in points.iter().zip(labels) {
                    let style = ("sans-serif", 12).into_font().color(&INK);
                    let text = EmptyElement::at(at) + Text::new(label.clone(), (8, -7), style);
                    chart.draw_series([text]).map_err(failed)?;
                }
            }
            if self.series.iter().any(|series| !series.name.is_empty()) {
                chart
                    .configure_series_labels()
                    .position(self.legend.clone())
                    .background_style(WHITE.mix(0.85))
                    .border_style(GRID)
                    .label_font(("sans-serif", 13).into_font().color(&INK))
                    .margin(8)
                    .draw()
                    .map_err(failed)?;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }
}
