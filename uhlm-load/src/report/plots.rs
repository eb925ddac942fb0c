//! The plots of a load test.

use plotters::prelude::SeriesLabelPosition;
use uhlm_eval::plot::{Curves, Mark, PALETTE, Series};
use uhlm_eval::report::Block;

use crate::error::LoadTestError;
use crate::record::{Arm, Record};

/// Draws all plots of a record.
pub(super) fn of(record: &Record) -> Result<Vec<Block>, LoadTestError> {
    let mut blocks = Vec::new();
    let mut add = |name: &str, caption: &str, curves: Curves| -> Result<(), LoadTestError> {
        blocks.push(Block::Figure { name: name.into(), caption: caption.into(), svg: curves.draw()? });
        Ok(())
    };
    let numbers: std::collections::BTreeSet<usize> = record.arms.iter().map(|arm| arm.phones).collect();
    if numbers.len() > 1 {
        add("rates", "Verdicts and tokens a second over the number of phones.", rates(&record.arms))?;
        add("times", "Milliseconds to a verdict over the number of phones.", times(&record.arms))?;
    }
    add("distribution", "Share of verdicts that came within a time.", distribution(&record.arms))?;
    add("course", "Tokens a second in the course of the test, warm-up included.", course(&record.arms))?;
    Ok(blocks)
}

fn curves(title: &str, x: &str, y: &str, series: Vec<Series>, legend: SeriesLabelPosition) -> Curves {
    let greatest = |axis: fn(&(f64, f64)) -> f64| {
        series.iter().flat_map(|series| &series.points).map(axis).fold(0.0, f64::max).max(1e-6)
    };
    let (right, top) = (greatest(|at| at.0), 1.1 * greatest(|at| at.1));
    Curves { title: title.into(), x: x.into(), y: y.into(), x_range: (0.0, right), y_range: (0.0, top), series, legend }
}

/// Returns a curve over the number of phones.
fn over_phones(arms: &[Arm], name: &str, color: usize, value: fn(&Arm) -> f64) -> Series {
    let mut points: Vec<(f64, f64)> = arms.iter().map(|arm| (arm.phones as f64, value(arm))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Series::new(name, points, Mark::LineAndPoints, PALETTE[color])
}

fn rates(arms: &[Arm]) -> Curves {
    // Goodput is mostly all there is: dashes let the line below be seen.
    let goodput = over_phones(arms, "goodput", 2, |arm| arm.goodput);
    let series = vec![
        over_phones(arms, "tokens", 0, |arm| arm.tokens_per_second),
        Series { mark: Mark::Dashed, ..goodput },
        over_phones(arms, "verdicts", 1, |arm| arm.verdicts_per_second),
    ];
    curves("Rates", "phones", "a second", series, SeriesLabelPosition::LowerRight)
}

fn times(arms: &[Arm]) -> Curves {
    let series = vec![
        over_phones(arms, "p99", 4, |arm| 1e3 * arm.each.p99),
        over_phones(arms, "p95", 1, |arm| 1e3 * arm.each.p95),
        over_phones(arms, "p50", 0, |arm| 1e3 * arm.each.p50),
    ];
    curves("Time to a verdict", "phones", "milliseconds", series, SeriesLabelPosition::UpperLeft)
}

fn distribution(arms: &[Arm]) -> Curves {
    let series = arms.iter().enumerate().map(|(i, arm)| {
        let steps = arm.distribution.iter().enumerate();
        let points = steps.map(|(percent, seconds)| (1e3 * seconds, (percent + 1) as f64)).collect();
        Series::new(arm.name.as_str(), points, Mark::Line, PALETTE[i % PALETTE.len()])
    });
    let series = series.collect();
    let mut curves =
        curves("Time to a verdict", "milliseconds", "% of verdicts", series, SeriesLabelPosition::LowerRight);
    // The slowest one in a hundred would press all others to the edge.
    let slow = arms.iter().filter_map(|arm| arm.distribution.get(98)).copied().fold(0.0, f64::max);
    curves.x_range.1 = (1e3 * slow).max(1e-6);
    curves.y_range.1 = 100.0;
    let end = curves.x_range.1;
    curves.series.iter_mut().for_each(|series| series.points.retain(|point| point.0 <= end));
    curves
}

fn course(arms: &[Arm]) -> Curves {
    let series = arms.iter().enumerate().map(|(i, arm)| {
        let seconds = arm.course.iter().enumerate();
        let points = seconds.map(|(second, of)| (second as f64 + 0.5, of.tokens as f64)).collect();
        Series::new(arm.name.as_str(), points, Mark::Line, PALETTE[i % PALETTE.len()])
    });
    curves("Course", "seconds", "tokens a second", series.collect(), SeriesLabelPosition::LowerRight)
}
