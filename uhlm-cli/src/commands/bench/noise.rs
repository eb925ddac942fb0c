//! `uhlm bench noise`: how far a model's log-probabilities depend on the shape of the pass that computes them.
//!
//! The order in which numbers are added up follows from the number of rows in a pass, and so does the rounding. On a
//! quantised model this changes more than the last digit, because activations are rounded to 8 bits before each matrix.
//! A reply that was written with one token in each pass is computed again by passes of other widths, and by one pass
//! over prompt and reply.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use uhlm_eval::questions;
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, ModelError, Sequence as _, Special};
use uhlm_law::noise::{Place, PositionKey, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::{ContextOptions, LlamaSequence, LoadOptions, Model};

use crate::failure::Failure;
use crate::output;
use crate::prompts::PromptArgs;
use crate::report::significant;
use crate::terminal::progress;
use crate::terminal::table::Table;

/// Temperatures at which winners are compared.
const TEMPERATURES: [f32; 3] = [0.0, 0.7, 1.0];
/// Most tokens of a pass: prompt and reply have to fit into one.
const BATCH: u32 = 2048;

#[derive(Clone, Debug, Args)]
pub(super) struct NoiseArgs {
    /// The model, a GGUF file
    #[arg(short, long, value_name = "GGUF")]
    model: PathBuf,
    #[command(flatten)]
    prompts: PromptArgs,
    /// Prompts that are taken, evenly from all of them
    #[arg(long, value_name = "N", default_value_t = 16)]
    of: usize,
    /// Most tokens of a reply
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_tokens: usize,
    /// Rows of a pass to compare
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,2,3,4,5,6,7,8")]
    widths: Vec<usize>,
    /// Rows that llama.cpp computes at once; 0 for all of a pass. With 1 nothing differs, at the cost of a pass a row
    #[arg(long, value_name = "N", default_value_t = 0)]
    micro_batch: u32,
    /// Compute rows as if each were alone, as `uhlm serve --batch-invariant` does
    #[arg(long)]
    batch_invariant: bool,
    /// Threads; 0 chooses
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The shape of the passes that compute a reply again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// This many tokens in each pass.
    Width(usize),
    /// Prompt and reply in one pass.
    Prefill,
}

/// The difference of a shape's rows from those of one token in each pass.
#[derive(Clone, Debug, Serialize)]
struct Difference {
    shape: Shape,
    /// Number of rows that were compared.
    rows: usize,
    /// Mean difference of the written token's log-probability, in nats.
    mean: f64,
    /// Largest difference of the written token's log-probability, in nats.
    largest: f64,
    /// Number of rows whose winner is another token, at each of the temperatures.
    other_winners: [usize; TEMPERATURES.len()],
    /// Number of tokens that were decoded for it.
    tokens: usize,
    /// Time that decoding them took, in seconds.
    seconds: f64,
}

impl Difference {
    fn of(shape: Shape) -> Self {
        let other_winners = [0; TEMPERATURES.len()];
        Self { shape, rows: 0, mean: 0.0, largest: 0.0, other_winners, tokens: 0, seconds: 0.0 }
    }

    /// Counts a reply that was computed again with the rows it was written by.
    fn count(&mut self, again: &Again, rows: &[Row]) {
        again.rows.iter().zip(rows).for_each(|(row, other)| self.add(row, other));
        self.tokens += again.tokens;
        self.seconds += again.computing.as_secs_f64();
    }

    /// Counts a row with the one that it is compared with.
    fn add(&mut self, row: &Row, other: &Row) {
        let apart = (row.log_probability - other.log_probability).abs();
        self.rows += 1;
        self.mean += (apart - self.mean) / self.rows as f64;
        self.largest = self.largest.max(apart);
        for (count, (winner, other)) in self.other_winners.iter_mut().zip(row.winners.iter().zip(other.winners)) {
            *count += usize::from(*winner != other);
        }
    }

    /// Returns how often texts with the same beginning part, in a thousand tokens.
    fn partings(&self) -> [f64; TEMPERATURES.len()] {
        self.other_winners.map(|count| count as f64 * 1000.0 / self.rows.max(1) as f64)
    }
}

/// The parts of a row of logits that are kept.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// Logarithm of the probability of the token that was written there.
    log_probability: f64,
    winners: [TokenId; TEMPERATURES.len()],
}

/// A reader of rows, which finds the token that each row draws at each temperature with the same noise.
struct Reader<'a> {
    model: &'a Model,
    chains: Vec<SamplingChain>,
    scratch: Scratch,
}

impl<'a> Reader<'a> {
    fn new(model: &'a Model) -> Result<Self, Failure> {
        let chain = |temperature| SamplingChain::new(SamplingParams { temperature, ..SamplingParams::default() });
        let chains = TEMPERATURES.into_iter().map(chain).collect::<Result<_, _>>()?;
        Ok(Self { model, chains, scratch: Scratch::default() })
    }

    /// Returns the winners of a row at a place.
    fn winners(&mut self, logits: &[f32], position: PositionKey) -> Result<[TokenId; TEMPERATURES.len()], Failure> {
        let mut winners = [0; TEMPERATURES.len()];
        for (winner, chain) in winners.iter_mut().zip(&self.chains) {
            let input = ChainInput { logits, history: &[], mask: None };
            *winner = chain.winner(input, &mut self.scratch, self.model.token_keys(), position)?.id;
        }
        Ok(winners)
    }

    fn row(&mut self, logits: &[f32], position: PositionKey, written: TokenId) -> Result<Row, Failure> {
        let log_probability = log_probability(logits, written);
        Ok(Row { log_probability, winners: self.winners(logits, position)? })
    }
}

/// Returns the logarithm of a token's probability at temperature 1.
fn log_probability(logits: &[f32], id: TokenId) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    logits.get(id as usize).map_or(f64::NEG_INFINITY, |&z| f64::from(z - max) - sum.ln())
}

/// A reply that was written with one token in each pass, always the most probable one.
struct Reply {
    prompt: Vec<TokenId>,
    tokens: Vec<TokenId>,
    /// Position of each token.
    positions: Vec<PositionKey>,
    /// Rows that each token but the first was drawn from; the first one's row belongs to the prompt, whatever follows.
    rows: Vec<Row>,
}

impl Reply {
    /// Writes a reply of at most `max_tokens` tokens.
    fn write(
        sequence: &mut LlamaSequence,
        reader: &mut Reader<'_>,
        prompt: Vec<TokenId>,
        max_tokens: usize,
    ) -> Result<Self, Failure> {
        sequence.truncate(0).map_err(failed)?;
        sequence.decode(&prompt, &|| false).map_err(failed)?;
        let (tape, mut place) = (Tape::new(1, 0), Place::START);
        let mut reply = Self { prompt, tokens: Vec::new(), positions: Vec::new(), rows: Vec::new() };
        while reply.tokens.len() < max_tokens {
            let position = tape.at(place);
            let [next, ..] = reader.winners(sequence.logits(), position)?;
            if !reply.tokens.is_empty() {
                reply.rows.push(reader.row(sequence.logits(), position, next)?);
            }
            reply.tokens.push(next);
            reply.positions.push(position);
            if reader.model.vocabulary().is_end(next) {
                break;
            }
            place = place.after(reader.model.vocabulary().piece(next).len());
            sequence.decode(&[next], &|| false).map_err(failed)?;
        }
        Ok(reply)
    }

    /// Computes the rows again.
    fn again(&self, sequence: &mut LlamaSequence, reader: &mut Reader<'_>, shape: Shape) -> Result<Again, Failure> {
        let drawn_from = &self.tokens[..self.rows.len()];
        let (mut rows, mut computing, mut tokens) = (Vec::new(), Duration::ZERO, 0);
        let mut decode = |sequence: &mut LlamaSequence, pass: &[TokenId], wanted: usize| {
            let begun = Instant::now();
            sequence.decode_rows(pass, wanted, &|| false).map_err(failed)?;
            computing += begun.elapsed();
            tokens += pass.len();
            Ok::<_, Failure>(())
        };
        let mut read = |sequence: &LlamaSequence, count: usize| {
            for row in 0..count {
                let next = rows.len() + 1;
                rows.push(reader.row(sequence.logits_at(row), self.positions[next], self.tokens[next])?);
            }
            Ok::<_, Failure>(())
        };
        match shape {
            Shape::Width(width) => {
                sequence.truncate(self.prompt.len()).map_err(failed)?;
                for pass in drawn_from.chunks(width) {
                    decode(sequence, pass, pass.len())?;
                    read(sequence, pass.len())?;
                }
            }
            Shape::Prefill => {
                sequence.truncate(0).map_err(failed)?;
                let all = [&self.prompt, drawn_from].concat();
                decode(sequence, &all, drawn_from.len())?;
                read(sequence, drawn_from.len())?;
            }
        }
        Ok(Again { rows, tokens, computing })
    }
}

/// A reply that was computed again.
#[derive(Debug)]
struct Again {
    rows: Vec<Row>,
    /// Number of tokens that were decoded for it.
    tokens: usize,
    /// Time that decoding them took.
    computing: Duration,
}

fn failed(error: ModelError) -> Failure {
    Failure::new(error.to_string())
}

pub(super) fn run(args: &NoiseArgs) -> Result<(), Failure> {
    if args.of == 0 || args.widths.iter().any(|&width| width == 0 || width > 256) {
        return Err(Failure::usage("a number of prompts above 0, and widths of 1 to 256"));
    }
    let options = LoadOptions { batch_invariant: args.batch_invariant, ..LoadOptions::default() };
    let model = Model::load(&args.model, &options)?;
    let context = BATCH.min(model.trained_context());
    let options = ContextOptions {
        context,
        batch: BATCH,
        micro_batch: args.micro_batch,
        threads: args.threads,
        ..ContextOptions::default()
    };
    let mut sequence = model.new_sequence(&options).map_err(failed)?;
    let mut reader = Reader::new(&model)?;
    let shapes = args.widths.iter().map(|&width| Shape::Width(width)).chain([Shape::Prefill]);
    let mut differences: Vec<Difference> = shapes.map(Difference::of).collect();
    let taken = questions::spread(&args.prompts.read()?, args.of);
    let bar = progress::bar(taken.len(), "computing replies again");
    for question in &taken {
        let prompt = tokens(&model, &question.question).map_err(failed)?;
        // A prompt that does not fit one pass with its reply has no prefill to compare with.
        if prompt.len() + args.max_tokens < context as usize {
            let reply = Reply::write(&mut sequence, &mut reader, prompt, args.max_tokens)?;
            for difference in &mut differences {
                let again = reply.again(&mut sequence, &mut reader, difference.shape)?;
                difference.count(&again, &reply.rows);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if differences.iter().all(|difference| difference.rows == 0) {
        return Err(Failure::new(
            "there was nothing to compare: every prompt is too long, or every reply is one token",
        ));
    }
    if args.json {
        return output::json(&differences);
    }
    output::line(table(&differences).render());
    Ok(())
}

/// Returns the tokens of a prompt: by the model's template, or as plain text if it has none.
fn tokens(model: &Model, prompt: &str) -> Result<Vec<TokenId>, ModelError> {
    match model.prompt(&[Message::user(prompt)]) {
        Ok(tokens) => Ok(tokens),
        Err(_) => model.tokenize(prompt, Special::ParseWithBos),
    }
}

fn table(differences: &[Difference]) -> Table {
    let partings = TEMPERATURES.map(|temperature| format!("partings in 1,000 tokens at T = {temperature}"));
    let mut heading = vec!["rows a pass", "ms a token", "compared", "mean", "largest"];
    heading.extend(partings.iter().map(String::as_str));
    let mut table = Table::new(&heading);
    for difference in differences {
        let shape = match difference.shape {
            Shape::Width(width) => width.to_string(),
            Shape::Prefill => "all".into(),
        };
        let pace = difference.seconds * 1000.0 / difference.tokens.max(1) as f64;
        let mut row = vec![shape, significant(pace), difference.rows.to_string()];
        row.extend([difference.mean, difference.largest].map(|nats| format!("{nats:.5}")));
        row.extend(difference.partings().map(significant));
        table.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Pair;

    /// Returns the differences of the bundled target's rows when `micro_batch` of them are computed at once.
    fn differences(micro_batch: u32, shape: Shape) -> Difference {
        let path = Pair::find().expect("the bundled pair").target();
        let model = Model::load(&path, &LoadOptions::default()).expect("the bundled target model");
        let options = ContextOptions { micro_batch, threads: 1, ..ContextOptions::default() };
        let mut sequence = model.new_sequence(&options).expect("a context");
        let mut reader = Reader::new(&model).expect("valid temperatures");
        let prompt = tokens(&model, "Tell me a short story about a wolf.").expect("tokens");
        let reply = Reply::write(&mut sequence, &mut reader, prompt, 40).expect("a reply");
        let mut found = Difference::of(shape);
        let again = reply.again(&mut sequence, &mut reader, shape).expect("rows");
        assert_eq!(again.rows.len(), reply.rows.len());
        assert!(again.tokens >= reply.rows.len() && again.computing > Duration::ZERO);
        found.count(&again, &reply.rows);
        found
    }

    #[test]
    fn the_same_shape_and_one_row_at_once_differ_in_nothing_and_other_shapes_a_little() {
        assert_eq!(differences(0, Shape::Width(1)).largest, 0.0);
        for shape in [Shape::Width(4), Shape::Prefill] {
            let (at_once, one_by_one) = (differences(0, shape), differences(1, shape));
            assert!(at_once.mean > 0.0 && at_once.mean < 0.05 && at_once.rows > 10, "{at_once:?}");
            assert_eq!((one_by_one.largest, one_by_one.other_winners), (0.0, [0; 3]));
        }
    }

    #[test]
    fn differences_are_averaged_and_partings_counted_by_the_thousand() {
        let row = |log_probability, winners| Row { log_probability, winners };
        let mut found = Difference::of(Shape::Width(2));
        found.add(&row(-1.0, [1, 2, 3]), &row(-1.5, [1, 2, 3]));
        found.add(&row(-1.0, [1, 2, 3]), &row(-0.75, [1, 5, 6]));
        assert_eq!((found.rows, found.mean, found.largest), (2, 0.375, 0.5));
        assert_eq!(found.partings(), [0.0, 500.0, 500.0]);
    }

    #[test]
    fn a_log_probability_is_that_of_the_softmax() {
        let logits = [1.0f32.ln(), 3.0f32.ln(), f32::NEG_INFINITY];
        assert!((log_probability(&logits, 1) - 0.75f64.ln()).abs() < 1e-6);
        assert_eq!(log_probability(&logits, 2), f64::NEG_INFINITY);
    }
}
