//! When replies are asked for, and how long they are: from a recorded trace, or at random.
//!
//! Decides times and lengths. Leaves to [`Texts`](crate::Texts) which text has such a length.

use std::path::Path;
use std::time::Duration;

use chrono::NaiveDateTime;
use uhlm_law::rng::{Rng, Stream};

use crate::error::LoadTestError;
use crate::text::Shape;

/// The wish for a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Time since the beginning.
    pub at: Duration,
    /// Lengths of prompt and reply.
    pub shape: Shape,
}

/// A wish with the text that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Time since the beginning.
    pub at: Duration,
    /// Index of the text.
    pub text: usize,
}

/// Reads a trace: comma-separated values with a heading, and in each line the time (`2023-11-16 18:15:46.6805900`),
/// the tokens of the prompt and those of the reply. The times need not ascend.
///
/// # Errors
/// [`LoadTestError::Trace`] names the line that cannot be read.
pub fn read_trace(path: &Path) -> Result<Vec<Wish>, LoadTestError> {
    let failed = |reason: String| LoadTestError::Trace { path: path.to_path_buf(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut wishes = Vec::new();
    for (i, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        wishes.push(wish(line).ok_or_else(|| failed(format!("line {} is no time with two lengths", i + 1)))?);
    }
    let Some(first) = wishes.iter().map(|(at, _)| *at).min() else { return Err(failed("it has no arrival".into())) };
    let since = |at: NaiveDateTime| (at - first).to_std().unwrap_or_default();
    let mut wishes: Vec<Wish> = wishes.into_iter().map(|(at, shape)| Wish { at: since(at), shape }).collect();
    wishes.sort_by_key(|wish| wish.at);
    Ok(wishes)
}

fn wish(line: &str) -> Option<(NaiveDateTime, Shape)> {
    let mut fields = line.split(',').map(str::trim);
    let at = NaiveDateTime::parse_from_str(fields.next()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    let shape = Shape { prompt: fields.next()?.parse().ok()?, reply: fields.next()?.parse().ok()? };
    Some((at, shape))
}

/// Makes arrivals of independent people: `rate` a second on average, for so long, each with one of the shapes.
#[must_use]
pub fn poisson(rate: f64, length: Duration, shapes: &[Shape], seed: u64) -> Vec<Wish> {
    let mut rng = Rng::new(seed, Stream::Simulation);
    let mut wishes = Vec::new();
    if rate <= 0.0 || shapes.is_empty() {
        return wishes;
    }
    let mut at = 0.0;
    loop {
        at -= rng.uniform_positive().ln() / rate;
        if at >= length.as_secs_f64() {
            return wishes;
        }
        let shape = shapes[(rng.uniform() * shapes.len() as f64) as usize];
        wishes.push(Wish { at: Duration::from_secs_f64(at), shape });
    }
}

/// Lets time pass `speed` times as fast, and leaves out what comes after `length`.
#[must_use]
pub fn hurried(wishes: &[Wish], speed: f64, length: Duration) -> Vec<Wish> {
    let hurried = wishes.iter().map(|wish| Wish { at: wish.at.div_f64(speed), ..*wish });
    hurried.take_while(|wish| wish.at < length).collect()
}

/// Returns shapes that stand for all of a trace: of its wishes by their length, one out of the middle of each of
/// `count` parts of equal size.
#[must_use]
pub fn typical(wishes: &[Wish], count: usize) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = wishes.iter().map(|wish| wish.shape).collect();
    shapes.sort_by_key(|shape| (shape.prompt + shape.reply, shape.prompt));
    let count = count.min(shapes.len());
    (0..count).map(|i| shapes[(2 * i + 1) * shapes.len() / (2 * count)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(text: &str) -> Result<Vec<Wish>, LoadTestError> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("trace.csv");
        std::fs::write(&path, text).expect("written");
        read_trace(&path)
    }

    #[test]
    fn a_trace_is_read_in_the_order_of_time_and_a_line_that_is_none_is_named() {
        let heading = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
        let read = trace(&format!(
            "{heading}2023-11-16 23:59:59.5000000,374,44\n2023-11-17 00:00:01.0,7,9\n2023-11-16 23:59:59,1,2\n\n"
        ))
        .expect("a trace");
        let at = |seconds: f64, prompt, reply| {
            let shape = Shape { prompt, reply };
            Wish { at: Duration::from_secs_f64(seconds), shape }
        };
        assert_eq!(read, [at(0.0, 1, 2), at(0.5, 374, 44), at(2.0, 7, 9)]);
        let error = trace(&format!("{heading}2023-11-16 23:59:59,374,44\nnoon,1,2\n")).expect_err("no time");
        assert!(error.to_string().contains("line 3"), "{error}");
        assert!(trace(heading).is_err(), "nothing in it");
    }

    #[test]
    fn arrivals_of_independent_people_are_as_many_as_asked_and_unevenly_spaced() {
        let shapes = [Shape { prompt: 1, reply: 1 }, Shape { prompt: 2, reply: 2 }];
        let wishes = poisson(50.0, Duration::from_secs(200), &shapes, 3);
        // 10,000 are expected with a standard deviation of 100.
        assert!((9_500..10_500).contains(&wishes.len()), "{}", wishes.len());
        assert!(wishes.is_sorted_by_key(|wish| wish.at));
        let gaps: Vec<f64> = wishes.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
        let short = gaps.iter().filter(|gap| **gap < 0.01).count() as f64 / gaps.len() as f64;
        // Of exponential gaps 1 - exp(-1/2) are shorter than half the mean; the deviation is 0.005.
        assert!((short - 0.393).abs() < 0.03, "{short}");
        assert!(wishes.iter().any(|wish| wish.shape == shapes[0]) && wishes.iter().any(|w| w.shape == shapes[1]));
    }

    #[test]
    fn a_trace_can_be_hurried_and_stood_for_by_a_few_shapes() {
        let wish = |i: u64| Wish { at: Duration::from_secs(i), shape: Shape { prompt: 10 * i as usize, reply: 5 } };
        let wishes: Vec<Wish> = (0..100).map(wish).collect();
        let fast = hurried(&wishes, 10.0, Duration::from_secs(2));
        assert_eq!(fast.len(), 20);
        assert_eq!(fast[10].at, Duration::from_secs(1));
        let prompts: Vec<usize> = typical(&wishes, 4).iter().map(|shape| shape.prompt).collect();
        assert_eq!(prompts, [120, 370, 620, 870]);
        assert_eq!(typical(&wishes[..1], 4).len(), 1);
    }
}
