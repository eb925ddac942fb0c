//! The rows that a pass has brought for one session, and what is drawn from them.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use uhlm_law::advance::{Draw, Row, Rows};
use uhlm_law::model::ModelError;
use uhlm_law::noise::TokenKeys;
use uhlm_law::sampling::Scratch;

/// The task to draw the rows of one session in order, up to the one that settles its pass.
#[derive(Debug)]
pub struct RowTask<'a> {
    /// Index in the engine's pass of the token after which the first row comes.
    first: usize,
    count: usize,
    /// The rows, until they are drawn.
    rows: Option<Rows<'a>>,
    done: &'a mut Vec<Row>,
    result: Result<bool, ModelError>,
}

impl<'a> RowTask<'a> {
    /// Makes the task. `first` is the index in the engine's pass of the token after which the first row comes; what is
    /// drawn is appended to `done`.
    pub fn new(first: usize, rows: Rows<'a>, done: &'a mut Vec<Row>) -> Self {
        Self { first, count: rows.len(), rows: Some(rows), done, result: Ok(false) }
    }

    /// Returns the indices in the engine's pass of the tokens after which the rows come.
    #[must_use]
    pub fn indices(&self) -> Range<usize> {
        self.first..self.first + self.count
    }

    /// Draws the rows with `draw`, which is given the index in the engine's pass of the token before each.
    pub fn draw(&mut self, mut draw: impl FnMut(usize, &Draw<'_>) -> Result<Row, ModelError>) {
        let Some(rows) = self.rows.take() else { return };
        let (first, start) = (self.first, rows.start());
        self.result = rows.draw(self.done, |row| draw(first + row.row - start, &row));
    }

    /// Returns whether a row has settled the pass.
    ///
    /// # Errors
    /// Those of the draw that failed; the rows before it stand.
    pub fn result(self) -> Result<bool, ModelError> {
        self.result
    }
}

/// Draws one row from its logits.
pub(super) fn draw_one(
    logits: Result<&[f32], ModelError>,
    draw: &Draw<'_>,
    scratch: &mut Scratch,
    keys: &TokenKeys,
) -> Result<Row, ModelError> {
    draw.of_logits(logits?, scratch, keys).map_err(|error| ModelError::Decode { reason: error.to_string() })
}

/// Draws the rows of several sessions on `threads` threads, this one among them, each session's on one. `logits`
/// returns the row after a token of the engine's pass; all are fetched before the first thread starts.
pub(super) fn draw_on_threads<'l>(
    tasks: &mut [RowTask<'_>],
    threads: usize,
    logits: impl Fn(usize) -> Result<&'l [f32], ModelError>,
    keys: &TokenKeys,
) {
    let rows = |task: &RowTask<'_>| task.indices().map(&logits).collect::<Vec<_>>();
    let tasks: Vec<_> = tasks.iter_mut().map(|task| (task.indices().start, rows(task), task)).collect();
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut scratch = Scratch::default();
        while let Some((first, rows, task)) = next() {
            task.draw(|index, draw| draw_one(rows[index - first].clone(), draw, &mut scratch, keys));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system gives no thread, the others do its part.
            drop(std::thread::Builder::new().name("uhlm-scoring".into()).spawn_scoped(scope, work));
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::print_stdout, reason = "the figures of these tests are worth reading")]

    use std::time::Instant;

    use uhlm_law::advance::{Begin, Drawing, PassKind, Plan, Tokens};
    use uhlm_law::model::Vocabulary;
    use uhlm_law::rng::{Rng, Stream};
    use uhlm_law::sampling::{SamplingParams, TokenId};
    use uhlm_law::token::TokenKind;

    use super::*;

    /// Texts of a vocabulary: the numbers of its tokens.
    struct Numbers(Vec<String>);

    impl Numbers {
        fn new(size: usize) -> Self {
            Self((0..size).map(|id| id.to_string()).collect())
        }

        fn keys(&self) -> TokenKeys {
            TokenKeys::new(self.0.iter().map(|text| (text.as_bytes(), TokenKind::Normal))).expect("distinct texts")
        }
    }

    impl Vocabulary for Numbers {
        fn size(&self) -> usize {
            self.0.len()
        }

        fn piece(&self, id: TokenId) -> &[u8] {
            self.0[id as usize].as_bytes()
        }

        fn is_end(&self, _: TokenId) -> bool {
            false
        }
    }

    /// The passes of some sessions, each of `rows` rows that all count: what was drafted is compared with nothing.
    struct Pass {
        vocabulary: Numbers,
        keys: TokenKeys,
        logits: Vec<Vec<f32>>,
        plan: Plan,
        drawings: Vec<Drawing>,
        text: Tokens,
    }

    impl Pass {
        fn new(vocabulary: usize, sessions: usize, rows: usize, probabilities: bool) -> Self {
            let vocabulary = Numbers::new(vocabulary);
            let mut rng = Rng::new(5, Stream::Simulation);
            let mut row = || (0..vocabulary.0.len()).map(|_| (8.0 * rng.uniform()) as f32).collect::<Vec<_>>();
            let logits = (0..sessions * rows).map(|_| row()).collect();
            let drawing = |seed| {
                let sampling = SamplingParams::default();
                Drawing::new(&Begin { seed, sampling, reply_start: 1, max_tokens: 9, stop: Vec::new(), grammar: None })
            };
            // Given tokens that are labelled: none of them settles the pass.
            let plan = Plan {
                kind: PassKind::Fill,
                keep: 0,
                tokens: vec![1; rows],
                rows,
                first: 1,
                scored: vec![3; rows],
                contexts: rows,
                next_drafted: None,
                probabilities,
            };
            let drawings = (0..sessions as u64).map(|seed| drawing(seed).expect("a valid chain")).collect();
            let text = std::iter::repeat_n(1, rows + 1).collect();
            Self { keys: vocabulary.keys(), vocabulary, logits, plan, drawings, text }
        }

        /// Draws all rows on so many threads; returns them and how long it took.
        fn draw(&mut self, threads: usize) -> (Vec<Vec<Row>>, f64) {
            let mut done = vec![Vec::new(); self.drawings.len()];
            let Self { vocabulary, keys, logits, plan, drawings, text } = self;
            let (vocabulary, keys, plan, text) = (&*vocabulary, &*keys, &*plan, &*text);
            let mut tasks: Vec<RowTask<'_>> = Vec::new();
            for (i, (drawing, done)) in drawings.iter_mut().zip(&mut done).enumerate() {
                let rows = drawing.rows(text, plan, 0..plan.rows, vocabulary);
                tasks.push(RowTask::new(i * plan.rows, rows, done));
            }
            let began = Instant::now();
            draw_on_threads(&mut tasks, threads, |index| Ok(logits[index].as_slice()), keys);
            let took = began.elapsed().as_secs_f64();
            assert!(tasks.into_iter().all(|task| matches!(task.result(), Ok(true))));
            (done, took)
        }
    }

    #[test]
    fn rows_are_the_same_on_any_number_of_threads() {
        let mut pass = Pass::new(500, 7, 5, true);
        let (alone, _) = pass.draw(1);
        assert!(alone.iter().all(|rows| rows.len() == 5 && rows.iter().all(|row| row.p.is_some())));
        for threads in [2, 3, 16] {
            assert_eq!(pass.draw(threads).0, alone);
        }
    }

    /// Tells what it costs to score the rows of a pass, and what it would cost to copy them so that they could be
    /// scored beside the next one.
    #[test]
    #[ignore = "a measurement"]
    fn measure_scoring_against_copying() {
        for (v, probabilities) in [(152_064, false), (152_064, true), (32_000, false)] {
            let mut pass = Pass::new(v, 16, 9, probabilities);
            let least = |of: &mut dyn FnMut() -> f64| (0..9).map(|_| of()).fold(f64::MAX, f64::min) * 1e3;
            let one = least(&mut || pass.draw(1).1);
            let two = least(&mut || pass.draw(2).1);
            let mut copy = vec![0.0; v * pass.logits.len()];
            let copied = least(&mut || {
                let began = Instant::now();
                copy.chunks_mut(v).zip(&pass.logits).for_each(|(to, from)| to.copy_from_slice(from));
                began.elapsed().as_secs_f64()
            });
            println!(
                "V {v}, labels {probabilities}: 144 rows, 1 thread {one:.1} ms, 2 {two:.1} ms, a copy {copied:.1} ms"
            );
        }
    }
}
