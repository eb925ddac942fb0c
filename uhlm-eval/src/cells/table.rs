//! Compares the methods in the cells: with streaming, yesterday's `exact` and the oracle.

use super::method::{ORACLE, STREAMED, WAITING_ORACLE, YESTERDAY};
use super::{Cell, Spent, TraceCells};
use crate::statistics::median;

/// A method's ratios to the baselines, mostly of speeds; `None` where a baseline was not run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Its speed over that of the faster of streaming and yesterday's `exact`.
    pub over_best: Option<f64>,
    /// Its speed over that of yesterday's `exact`.
    pub over_yesterday: Option<f64>,
    /// Its speed over that of the oracle's windows, drafting ahead.
    pub over_oracle: Option<f64>,
    /// Its speed over that of the oracle's windows for a device that waits for each verdict.
    pub over_waiting_oracle: Option<f64>,
    /// Its passes for each token over those of yesterday's `exact`.
    pub passes_over_yesterday: Option<f64>,
}

impl Standing {
    /// Makes a standing from the costs of the same replies: by the method, and by the baselines of these names.
    fn of(own: &Spent, baseline: impl Fn(&str) -> Option<Spent>) -> Self {
        let all = [STREAMED, YESTERDAY, ORACLE, WAITING_ORACLE].map(baseline);
        let [streamed, yesterday, oracle, waiting] = all.each_ref().map(Option::as_ref);
        let over = |other: Option<&Spent>| other.map(|other| own.rate() / other.rate());
        let best = [streamed, yesterday].into_iter().flatten().max_by(|a, b| a.rate().total_cmp(&b.rate()));
        let passes = |spent: &Spent| spent.a_token(spent.passes);
        Self {
            over_best: over(best),
            over_yesterday: over(yesterday),
            over_oracle: over(oracle),
            over_waiting_oracle: over(waiting),
            passes_over_yesterday: yesterday.map(|other| passes(own) / passes(other).max(1e-9)),
        }
    }
}

/// The worst and the median of a ratio over the cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least ratio.
    pub worst: f64,
    /// Cell of the least ratio.
    pub cell: Cell,
    /// Median of the ratios.
    pub median: f64,
}

impl Spread {
    /// Makes a spread of the ratios of several cells; returns `None` if there is none.
    pub fn of(ratios: impl IntoIterator<Item = (Cell, Option<f64>)>) -> Option<Self> {
        let ratios: Vec<(Cell, f64)> = ratios.into_iter().filter_map(|(cell, ratio)| Some((cell, ratio?))).collect();
        let &(cell, worst) = ratios.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let median = median(&ratios.iter().map(|ratio| ratio.1).collect::<Vec<_>>())?;
        Some(Self { worst, cell, median })
    }
}

impl TraceCells {
    /// Returns the cells, in their order.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for measured in &self.measured {
            if !cells.contains(&measured.cell) {
                cells.push(measured.cell);
            }
        }
        cells
    }

    /// Returns the names of the methods, in their order.
    #[must_use]
    pub fn methods(&self) -> Vec<&str> {
        let mut methods: Vec<&str> = Vec::new();
        for measured in &self.measured {
            if !methods.contains(&measured.method.as_str()) {
                methods.push(&measured.method);
            }
        }
        methods
    }

    /// Returns the kinds of task, in their order.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for category in &self.categories {
            if !kinds.contains(&category.as_str()) {
                kinds.push(category);
            }
        }
        kinds
    }

    /// Returns the costs of a method in a cell, on all replies or those of one kind; `None` if it was not run there.
    #[must_use]
    pub fn spent(&self, method: &str, cell: &Cell, kind: Option<&str>) -> Option<Spent> {
        let measured = self.measured.iter().find(|measured| measured.method == method && measured.cell == *cell)?;
        let of_kind =
            measured.replies.iter().zip(&self.categories).filter(|(_, of)| kind.is_none_or(|kind| *of == kind));
        Some(Spent::sum(of_kind.map(|(spent, _)| spent)))
    }

    /// Returns how a method stands in a cell, on all replies or those of one kind; `None` if it was not run there.
    #[must_use]
    pub fn standing(&self, method: &str, cell: &Cell, kind: Option<&str>) -> Option<Standing> {
        let spent = |method: &str| self.spent(method, cell, kind);
        Some(Standing::of(&spent(method)?, spent))
    }

    /// Returns the worst and the median of a method's ratio over all cells; `None` if there is none.
    #[must_use]
    pub fn spread(&self, method: &str, kind: Option<&str>, ratio: fn(&Standing) -> Option<f64>) -> Option<Spread> {
        let at = |cell: Cell| (cell, self.standing(method, &cell, kind).as_ref().and_then(ratio));
        Spread::of(self.cells().into_iter().map(at))
    }

    /// Returns the kind of task whose worst cell is worst, with its ratios.
    #[must_use]
    pub fn worst_kind(&self, method: &str, ratio: fn(&Standing) -> Option<f64>) -> Option<(&str, Spread)> {
        let spreads = self.kinds().into_iter().filter_map(|kind| Some((kind, self.spread(method, Some(kind), ratio)?)));
        spreads.min_by(|a, b| a.1.worst.total_cmp(&b.1.worst))
    }

    /// Returns the speed of these methods over that of yesterday's `exact` at the same number of passes for each token,
    /// read off their curve of speed over passes. Returns `None` where the curve does not reach there.
    #[must_use]
    pub fn curve_over_yesterday(&self, methods: &[&str], cell: &Cell, kind: Option<&str>) -> Option<f64> {
        let point = |spent: &Spent| (spent.a_token(spent.passes), spent.rate());
        let yesterday = self.spent(YESTERDAY, cell, kind)?;
        let points = methods.iter().filter_map(|method| self.spent(method, cell, kind)).map(|spent| point(&spent));
        let (passes, rate) = point(&yesterday);
        Some(curve_at(points.collect(), passes)? / rate)
    }
}

/// Returns the value of a curve through points at `x`, on a line between its neighbours; `None` beyond its ends.
fn curve_at(mut points: Vec<(f64, f64)>, x: f64) -> Option<f64> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let after = points.iter().position(|point| point.0 >= x)?;
    let b = points[after];
    if b.0 == x {
        return Some(b.1);
    }
    let a = points[after.checked_sub(1)?];
    Some(a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0))
}

#[cfg(test)]
mod tests {
    use super::super::{FurtherCosts, Measured};
    use super::*;
    use crate::trace::tests::small;

    fn spent(seconds: f64, passes: f64) -> Spent {
        Spent { tokens: 10.0, seconds, passes, ..Spent::default() }
    }

    /// Returns two cells and two kinds: against streaming and yesterday, `own` is behind on poems in the second cell.
    fn cells() -> TraceCells {
        let cell = |rtt_ms| Cell { draft_ms: 1.0, target_ms: 2.0, rtt_ms };
        let measured = |method: &str, rtt_ms, sums: f64, poems: f64| Measured {
            method: method.into(),
            cell: cell(rtt_ms),
            replies: vec![spent(sums, 4.0), spent(poems, 6.0)],
        };
        TraceCells {
            name: "small".into(),
            header: small().header,
            further: FurtherCosts::default(),
            categories: vec!["sums".into(), "poems".into()],
            measured: vec![
                measured(STREAMED, 10.0, 2.0, 2.0),
                measured("own", 10.0, 1.0, 1.0),
                measured(YESTERDAY, 10.0, 1.0, 3.0),
                measured(STREAMED, 20.0, 2.0, 2.0),
                measured("own", 20.0, 1.0, 4.0),
                measured(YESTERDAY, 20.0, 2.0, 4.0),
            ],
        }
    }

    #[test]
    fn a_method_is_held_against_the_faster_baseline_cell_by_cell_and_kind_by_kind() {
        let cells = cells();
        let spread = cells.spread("own", None, |standing| standing.over_best).expect("run");
        // 4 s of streaming over 2 s, and 4 s over 5 s.
        assert_eq!((spread.worst, spread.cell.rtt_ms), (0.8, 20.0));
        assert!((spread.median - 1.4).abs() < 1e-9);
        let (kind, worst) = cells.worst_kind("own", |standing| standing.over_best).expect("run");
        assert_eq!((kind, worst.worst, worst.cell.rtt_ms), ("poems", 0.5, 20.0));
        let standing = cells.standing("own", &cells.cells()[1], None).expect("run");
        assert_eq!((standing.over_yesterday, standing.over_oracle), (Some(1.2), None));
        assert_eq!(standing.passes_over_yesterday, Some(1.0));
        assert!(cells.standing("other", &cells.cells()[1], None).is_none());
    }

    #[test]
    fn a_curve_is_read_between_its_points_only() {
        let points = vec![(1.0, 50.0), (0.2, 10.0), (0.6, 40.0)];
        assert_eq!(curve_at(points.clone(), 0.6), Some(40.0));
        assert!((curve_at(points.clone(), 0.4).expect("between") - 25.0).abs() < 1e-9);
        assert_eq!((curve_at(points.clone(), 0.1), curve_at(points, 1.1)), (None, None));
    }
}
