//! Writes in one way: keeps its session, and measures a reply in it.

use std::time::{Duration, Instant};

use uhlm_core::{Event, GenerationOptions, Mode, Prompt, Session, SessionOptions, Statistics};
use uhlm_law::pace::Pace;
use uhlm_law::sampling::TokenId;

use super::record::Measured;
use crate::failure::Failure;
use crate::loopback::Loopback;

/// Prompt of a reply that connects, measures the link and the models, and is not counted.
const WARM_UP: &str = "Tell me in a few words what one can see from the top of a hill.";
/// Greatest length of that reply, in tokens.
const WARM_UP_TOKENS: usize = 48;
/// Time after the first token within which further tokens count as having come with it.
const WITH_THE_FIRST: Duration = Duration::from_millis(5);

/// Fewest tokens after the first for which a speed is reported.
const FEWEST_AFTER: usize = 8;

/// A way of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The target alone.
    Streaming,
    /// `exact` at a pace.
    Pace(Pace),
}

impl Method {
    pub(super) fn options(self, options: &SessionOptions) -> SessionOptions {
        match self {
            Self::Streaming => SessionOptions { mode: Mode::RemoteOnly, ..options.clone() },
            Self::Pace(pace) => SessionOptions { mode: Mode::Exact, pace, ..options.clone() },
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Streaming => f.write_str("streaming"),
            Self::Pace(pace) => pace.fmt(f),
        }
    }
}

/// A session that writes in one way.
#[derive(Debug)]
pub(super) struct Writer {
    /// Name of the way in tables.
    label: String,
    session: Session,
    options: GenerationOptions,
}

/// A reply, with the times at which it came.
struct Heard {
    tokens: Vec<TokenId>,
    /// Number of tokens that came after the first, and below the seconds from the first to the last.
    after: usize,
    seconds: f64,
    statistics: Statistics,
}

impl Writer {
    /// Takes a session, and writes one reply with it that is not counted.
    pub(super) fn warm(label: String, session: Session, max_tokens: usize, seed: u64) -> Result<Self, Failure> {
        let options = GenerationOptions { max_tokens, seed: Some(seed), ..GenerationOptions::default() };
        let writer = Self { label, session, options };
        writer.hear(WARM_UP, GenerationOptions { max_tokens: WARM_UP_TOKENS, ..writer.options.clone() })?;
        Ok(writer)
    }

    /// Writes a reply to a prompt that nothing precedes.
    pub(super) fn write(&mut self, prompt: &str, loopback: &Loopback) -> Result<Measured, Failure> {
        let (requests, before) = (self.session.sent().total_requests, loopback.counters());
        let heard = self.hear(prompt, self.options.clone())?;
        let (requests, after) = (self.session.sent().total_requests - requests, loopback.counters());
        let Heard { tokens, statistics, .. } = heard;
        let each = |count: u64| count as f64 / tokens.len().max(1) as f64;
        Ok(Measured {
            method: self.label.clone(),
            decode_rate: (heard.after >= FEWEST_AFTER).then(|| heard.after as f64 / heard.seconds.max(1e-9)),
            whole_rate: tokens.len() as f64 / statistics.elapsed.as_secs_f64().max(1e-9),
            first_token_seconds: statistics.first_token.as_secs_f64(),
            passes: each(statistics.target_passes),
            requests: each(requests),
            drafted: each(statistics.drafted),
            share_drafted: each(statistics.origins.verified),
            judged: each(after.judged_tokens - before.judged_tokens),
            resent: statistics.resent,
            unverified: statistics.origins.unverified,
            tokens,
        })
    }

    fn hear(&self, prompt: &str, options: GenerationOptions) -> Result<Heard, Failure> {
        self.session.reset()?;
        let mut generation = self.session.generate(Prompt::Chat(prompt.to_owned()), options)?;
        let (mut tokens, mut times) = (Vec::new(), Vec::<Instant>::new());
        while let Some(event) = generation.blocking_next() {
            match event? {
                Event::Committed { token, .. } | Event::Reasoning { token, .. } => {
                    tokens.push(token.id);
                    times.push(Instant::now());
                }
                Event::Finished { statistics, .. } => {
                    let (first, last) = (times.first().copied(), times.last().copied());
                    let since_first = |at: Instant| first.map_or(Duration::ZERO, |first| at - first);
                    return Ok(Heard {
                        tokens,
                        after: times.iter().filter(|&&at| since_first(at) > WITH_THE_FIRST).count(),
                        seconds: last.map_or(0.0, |last| since_first(last).as_secs_f64()),
                        statistics: *statistics,
                    });
                }
                _ => {}
            }
        }
        Err(Failure::new("a reply broke off"))
    }
}
