//! What was measured, as it is stored.

use serde::{Deserialize, Serialize};

/// Everything that one load test has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Circumstances of the test.
    pub about: About,
    /// One entry for each load, in the order in which they were measured.
    pub arms: Vec<Arm>,
}

/// The circumstances of a test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Name of the target model.
    pub model: String,
    /// Length of the longest sequence of a session, in tokens.
    pub context: u32,
    /// Number of tokens in the vocabulary.
    pub vocabulary: u32,
    /// Way in which replies were written: `windows`, `ahead` or `stream`.
    pub writing: String,
    /// Number of tokens in a window.
    pub window: usize,
    /// Probability that a drafted token is the target's own.
    pub acceptance: f64,
    /// Seconds that a phone takes to draft a token.
    pub draft_seconds: f64,
    /// Number of owners among whom the phones are divided.
    pub owners: usize,
    /// Mean number of tokens of the prompts.
    pub prompt_tokens: f64,
    /// Mean number of tokens of the replies.
    pub reply_tokens: f64,
    /// Longest seconds to a verdict whose tokens count as goodput.
    pub deadline: f64,
    /// Temperature of the target.
    pub temperature: f32,
    /// Number of processors of this machine.
    pub processors: usize,
    /// Whether the server ran in the same process as the phones.
    pub same_process: bool,
}

/// One load and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Name of the load.
    pub name: String,
    /// Number of phones.
    pub phones: usize,
    /// Hostile kind that went on meanwhile; `None` without one.
    pub attack: Option<String>,
    /// Number of things that the hostile phones have done.
    pub attacks: u64,
    /// Seconds for which was measured.
    pub seconds: f64,
    /// Verdicts a second.
    pub verdicts_per_second: f64,
    /// Tokens a second that were committed.
    pub tokens_per_second: f64,
    /// Tokens a second whose verdict came before the deadline.
    pub goodput: f64,
    /// Seconds from the wish for a reply until its first verdict.
    pub first: Percentiles,
    /// Seconds from a request until its verdict, or between two verdicts of an answer.
    pub each: Percentiles,
    /// Replies that have ended.
    pub replies: Replies,
    /// Refusals and other failures by kind.
    pub refusals: Vec<Refusals>,
    /// Bytes that crossed the network.
    pub bytes: Bytes,
    /// What the server's own counters say; `None` where it does not show them.
    pub passes: Option<Passes>,
    /// Memory and descriptors of this process; `None` where the system does not tell.
    pub memory: Option<Memory>,
    /// The course of the test, second by second, warm-up included.
    pub course: Vec<Second>,
    /// Seconds to a verdict, at the shares 0.01, 0.02, ... 1 of all verdicts.
    pub distribution: Vec<f64>,
}

/// Percentiles of times, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Number of times.
    pub count: usize,
    /// Median.
    pub p50: f64,
    /// Time that 95 % do not exceed.
    pub p95: f64,
    /// Time that 99 % do not exceed.
    pub p99: f64,
    /// Longest time.
    pub max: f64,
}

/// Numbers of replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replies {
    /// Replies that ended as the target ends them.
    pub whole: u64,
    /// Of those, replies with another token than was recorded.
    pub differing: u64,
    /// Tokens that are missing or too many in replies that ended and do not differ otherwise.
    pub lost_tokens: u64,
    /// Replies that were not complete at the end of the test.
    pub unfinished: u64,
    /// Replies that the verifier would not serve.
    pub failed: u64,
    /// Replies for which no phone was free within 0.1 s of their time.
    pub late: u64,
    /// Replies for whose turn the test was too short.
    pub never_begun: u64,
}

/// Refusals of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// Kind, as the phone sees it.
    pub kind: String,
    /// Number of refusals.
    pub count: u64,
    /// Number of those that said when to come back.
    pub hinted: u64,
}

/// Bytes during the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bytes {
    /// Bytes of request bodies of all phones, from their first request to their last.
    pub body_up: u64,
    /// Bytes of response bodies.
    pub body_down: u64,
    /// Bytes that the server read, below TLS, while was measured; of hostile phones too. 0 where it does not tell.
    pub wire_up: f64,
    /// Bytes that the server wrote.
    pub wire_down: f64,
}

/// The server's own counters over the measured time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Passes {
    /// Passes of the engine.
    pub passes: f64,
    /// Seconds of these passes, scoring included.
    pub busy: f64,
    /// Tokens that went through the target.
    pub decoded: f64,
    /// Passes of single sessions, of which a pass of the engine serves many.
    pub session_passes: f64,
    /// Drafted tokens judged.
    pub judged: f64,
    /// Drafted tokens that stood.
    pub matched: f64,
    /// Times that a session's cache was given to another one.
    pub unloaded: f64,
    /// Answers other than a success, by status.
    pub statuses: Vec<(String, f64)>,
    /// Sessions that were open at the end of the measured time.
    pub sessions: f64,
    /// Tokens in the engine's cache at the end of the measured time.
    pub cached: f64,
}

/// Memory of this process, in bytes, and its descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Memory in use when the phones began.
    pub before: u64,
    /// Greatest memory in use.
    pub peak: u64,
    /// Memory in use after the last phone had hung up.
    pub after: u64,
    /// Descriptors when the phones began.
    pub descriptors_before: u64,
    /// Greatest number of descriptors.
    pub descriptors_peak: u64,
    /// Descriptors after the last phone had hung up.
    pub descriptors_after: u64,
}

/// One second of a test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Tokens committed.
    pub tokens: u64,
    /// Verdicts.
    pub verdicts: u64,
    /// Refusals and other failures.
    pub refusals: u64,
    /// Time in seconds that 95 % of the verdicts did not exceed; 0 without verdicts.
    pub p95: f64,
}
