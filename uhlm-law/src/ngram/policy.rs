//! The decision whether reading ahead pays.
//!
//! Decides how many proposed tokens are read together, from two things that it learns: how often the token that a match
//! expects is the one that is drafted, by the length of the match, and how much longer a batch takes than one token.
//! The first is observed at every drafted token, read ahead or not, so nothing has to be tried for it. Batches that
//! have become dear are tried again now and then.

use super::Match;

/// Largest number of rows of a batch: a token that was drafted and the proposed ones after it.
pub const MAX_ROWS: usize = 8;

/// Numbers of rows that a batch may have. They are few, so that each is measured often.
const WIDTHS: [usize; 5] = [2, 3, 4, 6, 8];
/// Time of each further row of a batch until it is measured, in times of one row. It is hopeful, so that each width
/// gets its try: rows have no common price, as kernels that work on four rows at once make four cheaper than three.
const PRIOR_SLOPE: f64 = 0.4;
/// Least factor by which reading ahead has to gain in tokens a second: estimates err, and below 1 it would cost.
const LEAST_GAIN: f64 = 1.15;
/// Number of drafted tokens after which a width that was not used is measured again, at first; each time twice as many.
const RETRY: u64 = 1024;
const MAX_RETRY: u64 = 8 * RETRY;

/// Weights of the newest value, where it is below the mean and where it is above. Whatever disturbs a step makes it
/// longer, so short times are nearer to the truth.
const NEWEST: (f64, f64) = (0.2, 0.1);
/// Weights of the newest time of a batch, below and above the mean; fewer batches are measured.
const NEWEST_BATCH: (f64, f64) = (0.4, 0.25);
/// Weight of the first measurement of a width against the assumption.
const FIRST: f64 = 0.5;
/// Factor: a time beyond so many times the mean, or below its inverse, counts as that, because another program had the
/// processor.
const OUTLIER: f64 = 2.0;

/// The share of matches after which the token that they expect is drafted.
#[derive(Clone, Copy, Debug)]
struct Agreement {
    right: f64,
    total: f64,
}

/// Least lengths of the classes of matches, in tokens, each with the agreement that is assumed at first.
const CLASSES: [(usize, f64); 7] = [(2, 0.2), (3, 0.3), (4, 0.45), (5, 0.6), (6, 0.7), (8, 0.8), (12, 0.9)];
/// Number of observations that the first assumption is worth.
const PRIOR_WEIGHT: f64 = 4.0;
/// Factor on the weight of an observation with each later one of its class.
const KEEP: f64 = 0.97;

fn class(length: usize) -> usize {
    CLASSES.iter().rposition(|(least, _)| length >= *least).unwrap_or(0)
}

impl Agreement {
    fn assumed(rate: f64) -> Self {
        Self { right: rate * PRIOR_WEIGHT, total: PRIOR_WEIGHT }
    }

    fn add(&mut self, right: bool) {
        self.right = self.right * KEEP + f64::from(u8::from(right));
        self.total = self.total * KEEP + 1.0;
    }

    fn rate(&self) -> f64 {
        self.right / self.total
    }
}

/// The time that batches of one width take.
#[derive(Clone, Copy, Debug)]
struct Width {
    /// Mean time of a step, in seconds; `None` where it has to be measured.
    seconds: Option<f64>,
    /// Number of drafted tokens when it was measured last.
    measured: u64,
    /// Number of drafted tokens after which it is measured again.
    retry: u64,
}

/// The decision how many tokens are read ahead, with what it has learnt. Times are in seconds, on whatever clock the
/// caller has.
#[derive(Clone, Debug)]
pub struct Policy {
    agreements: [Agreement; CLASSES.len()],
    widths: [Width; WIDTHS.len()],
    /// Mean time of a step with a batch of one row, in seconds; 0 before the first.
    single: f64,
    /// Mean time of a step whose row was there already, in seconds; 0 before the first.
    served: f64,
    /// Number of tokens drafted so far.
    drafted: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            agreements: CLASSES.map(|(_, rate)| Agreement::assumed(rate)),
            widths: [Width { seconds: None, measured: 0, retry: RETRY }; WIDTHS.len()],
            single: 0.0,
            served: 0.0,
            drafted: 0,
        }
    }
}

fn within(value: f64, mean: f64) -> f64 {
    value.clamp(mean / OUTLIER, mean * OUTLIER)
}

fn average(mean: &mut f64, value: f64, (below, above): (f64, f64)) {
    let newest = if value < *mean { below } else { above };
    *mean = if *mean == 0.0 { value } else { *mean + newest * (within(value, *mean) - *mean) };
}

impl Policy {
    /// Takes note of whether the token that a match expected is the one that was drafted.
    pub fn observe(&mut self, found: Match, right: bool) {
        self.agreements[class(found.length)].add(right);
    }

    /// Takes note of a step that decoded a batch of `rows` rows and drew the first of them.
    pub fn took(&mut self, rows: usize, seconds: f64) {
        self.drafted += 1;
        if rows <= 1 {
            return average(&mut self.single, seconds, NEWEST);
        }
        let Some(index) = WIDTHS.iter().position(|&width| width == rows).filter(|_| self.single > 0.0) else { return };
        let mut mean = self.seconds(index);
        let width = &mut self.widths[index];
        width.measured = self.drafted;
        if width.seconds.is_some() {
            average(&mut mean, seconds, NEWEST_BATCH);
        } else {
            mean += FIRST * (within(seconds, mean) - mean);
        }
        width.seconds = Some(mean);
    }

    /// Takes note of a step that drew a row of an earlier batch.
    pub fn took_served(&mut self, seconds: f64) {
        self.drafted += 1;
        average(&mut self.served, seconds, NEWEST);
    }

    /// Returns how many of the tokens that follow a match are to be read ahead, `most` at most; 0 for none.
    pub fn tokens(&mut self, found: Match, most: usize) -> usize {
        if self.single == 0.0 {
            return 0;
        }
        self.forget_old();
        let (mut best, mut gain) = (0, LEAST_GAIN);
        let (mut expected, mut survival, mut read) = (1.0, 1.0, 0);
        for (index, width) in WIDTHS.into_iter().enumerate() {
            if width > most.saturating_add(1) {
                break;
            }
            while read + 1 < width {
                survival *= self.agreements[class(found.length + read)].rate();
                expected += survival;
                read += 1;
            }
            let speed = expected * self.single / (self.seconds(index) + (expected - 1.0) * self.served);
            if speed > gain {
                (best, gain) = (read, speed);
            }
        }
        best
    }

    /// Lets widths that were not measured for long be measured again. Those that pay are measured all the time.
    fn forget_old(&mut self) {
        for width in &mut self.widths {
            if width.seconds.is_some() && self.drafted - width.measured >= width.retry {
                width.seconds = None;
                width.retry = (width.retry * 2).min(MAX_RETRY);
            }
        }
    }

    /// Returns the seconds of a step with a batch of the width with this index, as measured or as assumed.
    fn seconds(&self, index: usize) -> f64 {
        let assumed = || self.single * (1.0 + PRIOR_SLOPE * (WIDTHS[index] - 1) as f64);
        self.widths[index].seconds.unwrap_or_else(assumed)
    }
}

#[cfg(test)]
mod tests;
