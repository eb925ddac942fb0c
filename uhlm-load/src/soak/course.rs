//! The course of a soak: its samples, as a table for other programs, as a page for people, and what grew.

use std::fmt::Write as _;

use plotters::prelude::SeriesLabelPosition;
use uhlm_eval::plot::figures::Figure;
use uhlm_eval::plot::{Curves, Mark, PALETTE, Series};
use uhlm_eval::report::{Block, page};

use crate::chaos::Held;
use crate::error::LoadTestError;

/// The state of everything at one moment, and what was done since the moment before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the beginning.
    pub seconds: f64,
    /// Number of generations that ended since the last sample.
    pub generations: u64,
    /// Tokens a second since the last sample.
    pub tokens_per_second: f64,
    /// Median of the seconds that these generations took.
    pub p50: f64,
    /// Seconds that 95 % of them did not exceed.
    pub p95: f64,
    /// Held by the phones' process.
    pub phones: Held,
    /// Held by the server's process; `None` where it is the phones', or not on this machine.
    pub server: Option<Held>,
}

/// The samples of a soak, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The samples.
    pub samples: Vec<Sample>,
}

/// The change of one quantity from the second quarter of a soak to its last: the first quarter is for what is made
/// once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Name of the quantity.
    pub name: &'static str,
    /// Median of the second quarter.
    pub before: f64,
    /// Median of the last quarter.
    pub after: f64,
    /// Largest ratio of the two that still counts as flat.
    pub allowed: f64,
}

impl Growth {
    /// Tells whether the quantity stayed as it was.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.after <= self.before * self.allowed
    }
}

/// A column of the course: its name, its value, and the ratio that still counts as flat.
type Column = (&'static str, fn(&Sample) -> Option<f64>, f64);

const MB: f64 = 1e6;
/// Memory may fragment a little; threads and descriptors are counts of what is held; times are of a machine that may
/// do something else.
const COLUMNS: [Column; 8] = [
    ("phone_memory_mb", |s| Some(s.phones.memory as f64 / MB), 1.05),
    ("phone_threads", |s| Some(s.phones.threads as f64), 1.0),
    ("phone_descriptors", |s| Some(s.phones.descriptors as f64), 1.0),
    ("server_memory_mb", |s| Some(s.server?.memory as f64 / MB), 1.05),
    ("server_threads", |s| Some(s.server?.threads as f64), 1.0),
    ("server_descriptors", |s| Some(s.server?.descriptors as f64), 1.0),
    ("p50_ms", |s| Some(1e3 * s.p50), 1.25),
    ("p95_ms", |s| Some(1e3 * s.p95), 1.5),
];

impl Course {
    /// Returns the number of generations.
    #[must_use]
    pub fn generations(&self) -> u64 {
        self.samples.iter().map(|sample| sample.generations).sum()
    }

    /// Returns the samples as comma-separated values with a heading.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "seconds,generations,tokens_per_second".to_owned();
        COLUMNS.iter().for_each(|(name, ..)| text.extend([",", name]));
        text.push('\n');
        for sample in &self.samples {
            // Writing to a string cannot fail.
            let _ = write!(text, "{:.1},{},{:.1}", sample.seconds, sample.generations, sample.tokens_per_second);
            for (_, value, _) in COLUMNS {
                text.push(',');
                if let Some(value) = value(sample) {
                    let _ = write!(text, "{value:.2}");
                }
            }
            text.push('\n');
        }
        text
    }

    /// Returns what became of each quantity; nothing where there are too few samples to tell.
    #[must_use]
    pub fn growth(&self) -> Vec<Growth> {
        let quarter = self.samples.len() / 4;
        if quarter == 0 {
            return Vec::new();
        }
        let (second, last) = (&self.samples[quarter..2 * quarter], &self.samples[self.samples.len() - quarter..]);
        COLUMNS
            .iter()
            .filter_map(|&(name, value, allowed)| {
                let of = |samples: &[Sample]| median(samples.iter().map(value).collect::<Option<Vec<f64>>>()?);
                Some(Growth { name, before: of(second)?, after: of(last)?, allowed })
            })
            .collect()
    }

    /// Draws memory, counts and times over the time.
    ///
    /// # Errors
    /// [`LoadTestError::Report`].
    pub fn figures(&self) -> Result<Vec<Figure>, LoadTestError> {
        let kinds = [
            ("memory", "Memory of phones and server, in MB.", &[0, 3][..]),
            ("held", "Threads and descriptors of phones and server.", &[1, 2, 4, 5]),
            ("times", "Milliseconds of a generation.", &[6, 7]),
        ];
        let drawn = |(name, caption, columns): (&str, &str, &[usize])| {
            Ok(Figure { name: name.into(), caption: caption.into(), svg: self.drawn(caption, columns)? })
        };
        kinds.into_iter().map(drawn).collect()
    }

    /// Puts all plots on one page that loads nothing.
    ///
    /// # Errors
    /// [`LoadTestError::Report`].
    pub fn html(&self) -> Result<String, LoadTestError> {
        let last = self.samples.last().map_or(0.0, |sample| sample.seconds);
        let text = format!("{} generations in {:.1} minutes.", self.generations(), last / 60.0);
        let figures = self.figures()?.into_iter();
        let figures = figures.map(|Figure { name, caption, svg }| Block::Figure { name, caption, svg });
        let blocks: Vec<Block> = std::iter::once(Block::Text { text }).chain(figures).collect();
        Ok(page("Soak", &blocks)?)
    }

    fn drawn(&self, title: &str, columns: &[usize]) -> Result<String, LoadTestError> {
        let series: Vec<Series> = columns
            .iter()
            .enumerate()
            .map(|(i, &column)| {
                let (name, value, _) = COLUMNS[column];
                let point = |sample: &Sample| Some((sample.seconds / 60.0, value(sample)?));
                let points = self.samples.iter().filter_map(point).collect();
                Series::new(name, points, Mark::Line, PALETTE[i % PALETTE.len()])
            })
            .collect();
        let greatest = |axis: fn(&(f64, f64)) -> f64| {
            series.iter().flat_map(|series| &series.points).map(axis).fold(0.0, f64::max).max(1e-6)
        };
        let (right, top) = (greatest(|at| at.0), 1.1 * greatest(|at| at.1));
        let curves = Curves {
            title: title.into(),
            x: "minutes".into(),
            y: String::new(),
            x_range: (0.0, right),
            y_range: (0.0, top),
            series,
            legend: SeriesLabelPosition::LowerRight,
        };
        Ok(curves.draw()?)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a course of so many samples in which the phones' memory grows by a number of bytes each.
    fn course(samples: u64, growing: u64) -> Course {
        let sample = |i: u64| Sample {
            seconds: 5.0 * i as f64,
            generations: 40,
            p50: 0.02,
            p95: 0.05,
            phones: Held { threads: 9, descriptors: 30, memory: 100_000_000 + i * growing },
            server: Some(Held { threads: 5, descriptors: 20, memory: 50_000_000 }),
            ..Sample::default()
        };
        Course { samples: (0..samples).map(sample).collect() }
    }

    #[test]
    fn what_grows_is_told_from_what_stays() {
        assert!(course(40, 0).growth().iter().all(Growth::is_flat));
        let growth = course(40, 1_000_000).growth();
        assert_eq!(growth.len(), 8);
        let growing: Vec<_> = growth.iter().filter(|growth| !growth.is_flat()).map(|growth| growth.name).collect();
        assert_eq!(growing, ["phone_memory_mb"]);
        assert!(course(3, 0).growth().is_empty(), "too few to tell");
    }

    #[test]
    fn a_table_has_a_line_for_each_sample_and_a_page_a_plot_of_each_kind() {
        let mut course = course(8, 0);
        course.samples[0].server = None;
        let text = course.csv();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 9);
        assert!(lines.iter().all(|line| line.matches(',').count() == 10), "{text}");
        assert!(lines[1].contains(",,,,"), "no server: {}", lines[1]);
        let page = course.html().expect("a page");
        assert_eq!((page.matches("<svg").count(), course.generations()), (3, 320));
    }
}
