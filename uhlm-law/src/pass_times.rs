//! The times of the target's passes by their number of rows, and how many drafted tokens are worth a row.
//!
//! A row is one token that goes through the target. Time does not grow evenly with rows: on one core, passes of 1, 2,
//! 3, 4, 5 and 9 rows took 120, 186, 232, 208, 276 and 446 ms, and on a GPU some tens of rows cost what one does. So
//! times are measured for each number of rows, and no formula is fitted to them.
//!
//! A machine that gets busy makes all passes slower, but tells so only by those that are made. Were the other widths'
//! times left as they were, a second row would seem to cost nothing while the load lasts (measured: passes of one row
//! went from 41 to 77 ms, those of two were still known with 83). So a lasting change counts mostly as a load, which
//! all widths share, and for the smaller part as the width's own.
//!
//! Decides which of the measured times are believed, and at which width tokens are made fastest. Leaves to its caller
//! which drafts there are and whether anything but speed counts.

/// Width of the widest pass that is measured, in rows; times of wider ones follow from the slope up to there.
pub const MAX_MEASURED_ROWS: usize = 32;

/// Weight of a new time in the average.
const WEIGHT: f64 = 0.125;
/// Part of a change, as an exponent, that is taken for the machine's load.
const LOAD_PART: f64 = 0.8;
/// Number of latest times of one width of which the middle one counts, so that one outlier is not believed.
const MEDIAN_OF: usize = 3;
/// Number of passes without one of this width, after which its time is forgotten: the load may be another by then.
const MEMORY: u64 = 512;
/// Least gain in speed for which a pass is made wider. Times are known to about this.
const MARGIN: f64 = 1.02;
/// Number of passes after which one row more than ever measured is tried, though the slope speaks against it.
const PROBE_EVERY: u64 = 64;

/// The measurements of passes of one width.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// The latest times without the load, in seconds, at most [`MEDIAN_OF`], the newest last.
    latest: Vec<f64>,
    /// The believed time without the load, in seconds.
    average: f64,
    /// Number of the first and of the last pass of this width.
    first: u64,
    last: u64,
}

impl Entry {
    fn new(seconds: f64, now: u64) -> Self {
        Self { latest: vec![seconds], average: seconds, first: now, last: now }
    }

    /// Takes note of a time without the load; returns the factor by which the load is to be thought greater.
    fn observe(&mut self, seconds: f64, now: u64) -> f64 {
        // Until the middle of three is known, the average follows it; then what is expected of a pass moves by an
        // eighth.
        let is_settled = self.latest.len() == MEDIAN_OF;
        if is_settled {
            self.latest.remove(0);
        }
        self.latest.push(seconds);
        let mut sorted = self.latest.clone();
        sorted.sort_by(f64::total_cmp);
        // Of two, the shorter: what disturbs a pass makes it longer.
        let middle = sorted[(sorted.len() - 1) / 2];
        self.last = now;
        if !is_settled {
            self.average = middle;
            return 1.0;
        }
        let change = 1.0 + WEIGHT * (middle / self.average - 1.0);
        self.average *= change.powf(1.0 - LOAD_PART);
        change.powf(LOAD_PART)
    }
}

/// The share of judged drafted tokens that stand, over the last 64 or so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceptance(f64);

impl Acceptance {
    /// Weight of one token.
    const WEIGHT: f64 = 1.0 / 64.0;

    /// Makes the acceptance of a pair that nothing is known of: 0.7.
    #[must_use]
    pub fn new() -> Self {
        Self(0.7)
    }

    /// Takes note of a token that was judged.
    pub fn observe(&mut self, stood: bool) {
        self.0 += Self::WEIGHT * (f64::from(u8::from(stood)) - self.0);
    }

    /// Returns the probability that a drafted token stands, given that those before it do.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// Returns the number of tokens that a pass is expected to decide which judges `width` drafted ones.
    #[must_use]
    pub fn tokens(self, width: usize) -> f64 {
        std::iter::successors(Some(1.0), |survival| Some(survival * self.0)).take(width + 1).sum()
    }
}

impl Default for Acceptance {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of other sessions in a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beside {
    /// Number of their rows.
    pub rows: usize,
    /// Number of tokens that they are expected to gain.
    pub tokens: f64,
}

/// Measured times of the target's passes by number of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PassTimes {
    /// Measurements by number of rows less one; a width that was not measured, or not lately, has none.
    entries: Vec<Option<Entry>>,
    /// Number of passes observed.
    passes: u64,
    /// The load, as the natural logarithm of the factor by which it lengthens passes.
    log_load: f64,
}

impl PassTimes {
    /// Makes a table that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note that a pass of `rows` rows took `seconds`. A pass without rows, one wider than
    /// [`MAX_MEASURED_ROWS`] and a time that is not positive tell nothing.
    pub fn observe(&mut self, rows: usize, seconds: f64) {
        if rows == 0 || rows > MAX_MEASURED_ROWS || !seconds.is_finite() || seconds <= 0.0 {
            return;
        }
        self.passes += 1;
        let now = self.passes;
        for entry in &mut self.entries {
            entry.take_if(|entry| now - entry.last > MEMORY);
        }
        if self.entries.len() < rows {
            self.entries.resize(rows, None);
        }
        let unloaded = seconds / self.log_load.exp();
        match &mut self.entries[rows - 1] {
            Some(entry) => self.log_load += entry.observe(unloaded, now).ln(),
            none => *none = Some(Entry::new(unloaded, now)),
        }
    }

    /// Returns the expected time of a pass of `rows` rows, in seconds; `None` while nothing is measured.
    ///
    /// Between measured widths it lies on the line between them. Beyond them the nearest two give the slope, but a
    /// wider pass than any measured is taken to cost no less than the widest, and a narrower one no less than its
    /// share of the narrowest.
    #[must_use]
    pub fn at(&self, rows: usize) -> Option<f64> {
        let load = self.log_load.exp();
        let measured: Vec<(usize, f64)> = self.measured().map(|(rows, entry)| (rows, load * entry.average)).collect();
        let (&(least, shortest), &(most, longest)) = (measured.first()?, measured.last()?);
        let slope = |(from, start): (usize, f64), (to, end): (usize, f64)| (end - start) / (to - from) as f64;
        let slopes = || measured.windows(2).map(|pair| slope(pair[0], pair[1]).max(0.0));
        if rows < least {
            let below = shortest - slopes().next().unwrap_or(0.0) * (least - rows) as f64;
            return Some(below.max(shortest * rows as f64 / least as f64));
        }
        if rows > most {
            let first = if least == 1 { shortest } else { 0.0 };
            return Some((longest + slopes().next_back().unwrap_or(0.0) * (rows - most) as f64).max(first));
        }
        let above = measured.iter().position(|(width, _)| *width >= rows)?;
        let (to, end) = measured[above];
        if to == rows {
            return Some(end);
        }
        let (from, start) = measured[above - 1];
        Some(start + slope((from, start), (to, end)) * (rows - from) as f64)
    }

    /// Returns the number of drafted tokens, `most` at most, that are to be judged in a pass so that tokens are made
    /// fastest: `w` of them decide `1 + a + a^2 + .. + a^w` tokens in a pass of `w + 1` rows, where a drafted token
    /// stands with probability `a`, the `acceptance`, given that those before it do.
    ///
    /// Of widths of nearly the same speed it is the least. It goes at most one row beyond what is measured, where the
    /// slope promises a gain, and once in a while also where only a row that costs nothing would bring one.
    #[must_use]
    pub fn width_that_pays(&self, acceptance: f64, most: usize) -> usize {
        self.width_that_pays_beside(Beside::default(), acceptance, most)
    }

    /// Returns the same number for a pass that other sessions share: their tokens wait for every row as well, and what
    /// the pass costs for their sake is no reason against a row.
    #[must_use]
    pub fn width_that_pays_beside(&self, beside: Beside, acceptance: f64, most: usize) -> usize {
        let acceptance = acceptance.clamp(0.0, 1.0);
        let (widest, known_since) = match self.measured().last() {
            Some((rows, entry)) => (rows, entry.first),
            None => (1, self.passes),
        };
        // Passes wider than the table are left to the slope.
        let reach = Some(widest.max(beside.rows + 1) + 1).filter(|rows| *rows <= MAX_MEASURED_ROWS);
        let is_probe_due = reach.is_some() && self.passes - known_since >= PROBE_EVERY;
        let (mut best, mut speed) = (0, 0.0);
        let (mut survival, mut tokens) = (1.0, beside.tokens + 1.0);
        for width in 0..=most {
            if width > 0 {
                survival *= acceptance;
                tokens += survival;
            }
            let rows = beside.rows + width + 1;
            if reach.is_some_and(|reach| rows > reach) {
                break;
            }
            // With nothing measured, a row is taken to cost nothing.
            let time = self.at(rows).unwrap_or(1.0);
            let pays = |time: f64| tokens / time > MARGIN * speed;
            let might_pay = || is_probe_due && rows == widest + 1 && self.at(widest).is_some_and(pays);
            if width == 0 || pays(time) || might_pay() {
                (best, speed) = (width, tokens / time);
            }
        }
        best
    }

    fn measured(&self) -> impl DoubleEndedIterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().filter_map(|(i, entry)| Some((i + 1, entry.as_ref()?)))
    }
}

#[cfg(test)]
mod tests;
