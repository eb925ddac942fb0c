//! Draws plots of the never-slower tables: speed against passes in one cell, and how methods stand in all of them.

use plotters::prelude::SeriesLabelPosition;

use super::{Curves, EXACT, Mark, PALETTE, Series};
use crate::cells::method::{METHODS, ORACLE, WAITING_ORACLE};
use crate::cells::{Cell, Spent, TraceCells};
use crate::error::EvalError;

/// Draws tokens a second against passes of the target for each token, one point for each method.
///
/// # Errors
/// [`EvalError::Plot`].
pub fn cell(of: &TraceCells, at: &Cell) -> Result<String, EvalError> {
    let point = |spent: Spent| (spent.a_token(spent.passes), spent.rate());
    let mut methods = of.methods();
    methods.retain(|method| ![ORACLE, WAITING_ORACLE].contains(method));
    let points: Vec<(&str, (f64, f64))> =
        methods.iter().filter_map(|&method| Some((method, point(of.spent(method, at, None)?)))).collect();
    let oracle = of.spent(ORACLE, at, None).map(|oracle| oracle.rate());
    let greatest = |axis: fn(&(f64, f64)) -> f64| points.iter().map(|(_, at)| axis(at)).fold(1e-3, f64::max);
    let (right, top) = (1.15 * greatest(|at| at.0), 1.15 * greatest(|at| at.1).max(oracle.unwrap_or(0.0)));
    let mut series: Vec<Series> = Vec::new();
    if let Some(oracle) = oracle {
        let line = vec![(0.0, oracle), (right, oracle)];
        series.push(Series::new("oracle window", line, Mark::Dashed, EXACT));
    }
    let points = points.iter().enumerate();
    series.extend(
        points.map(|(i, &(method, at))| Series::new(method, vec![at], Mark::Points, PALETTE[i % PALETTE.len()])),
    );
    let curves = Curves {
        title: format!("{}: {at}", of.name),
        x: "passes of the target a token".into(),
        y: "tokens a second".into(),
        x_range: (0.0, right),
        y_range: (0.0, top),
        series,
        legend: SeriesLabelPosition::LowerRight,
    };
    curves.draw()
}

/// Draws how each measured method stands in all cells against the faster of streaming and yesterday's `exact`, on all
/// replies and on the kind of task where it is worst.
///
/// # Errors
/// [`EvalError::Plot`].
pub fn overview(of: &TraceCells) -> Result<String, EvalError> {
    let (cells, kinds) = (of.cells(), of.kinds());
    let over_best = |method: &str, cell: &Cell, kind| of.standing(method, cell, kind).and_then(|it| it.over_best);
    let mut series = Vec::new();
    for (i, method) in METHODS.iter().filter(|method| method.is_measured()).enumerate() {
        let line = |value: &dyn Fn(&Cell) -> Option<f64>| -> Vec<(f64, f64)> {
            cells.iter().enumerate().filter_map(|(x, cell)| Some((x as f64 + 1.0, value(cell)?))).collect()
        };
        let worst = |cell: &Cell| {
            kinds.iter().filter_map(|&kind| over_best(method.name, cell, Some(kind))).min_by(f64::total_cmp)
        };
        let color = PALETTE[i % PALETTE.len()];
        series.push(Series::new(
            method.name,
            line(&|cell| over_best(method.name, cell, None)),
            Mark::LineAndPoints,
            color,
        ));
        series.push(Series::new(format!("{}, worst kind", method.name), line(&worst), Mark::Dashed, color));
    }
    let right = cells.len() as f64 + 1.0;
    series.push(Series::new("", vec![(0.0, 1.0), (right, 1.0)], Mark::Line, EXACT));
    let values = series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
    let (low, high) = values.fold((1.0f64, 1.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let curves = Curves {
        title: format!("{}: speed over the faster of streaming and yesterday's exact", of.name),
        x: "cell, by round trip, then target, then draft model".into(),
        y: "ratio".into(),
        x_range: (0.0, right),
        y_range: ((low - 0.05).max(0.0), high + 0.05),
        series,
        legend: SeriesLabelPosition::UpperRight,
    };
    curves.draw()
}
