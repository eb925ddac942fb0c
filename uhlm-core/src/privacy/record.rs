//! The record of what was sent, kept on the device.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The extent of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordOptions {
    /// Number of requests that are kept; older ones are forgotten, their numbers stay in the totals.
    pub most: usize,
    /// Whether the text of each request is kept too.
    pub text: bool,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self { most: 512, text: false }
    }
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentKind {
    /// The request opens a session: it has the vocabulary's hash and what the device needs, and no text.
    Open,
    /// The request has the target take the text further. It has tokens that are given (prompts, and what was written
    /// without the target), tokens that are drafted, and with the first request of a reply its seed, sampling
    /// parameters and stop strings.
    Advance,
}

/// One request to the verifier. `Debug` shows its text, where that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Time at which the request was sent.
    pub at: SystemTime,
    /// Purpose of the request.
    pub kind: SentKind,
    /// Number of tokens in the request, given and drafted ones together.
    pub tokens: u32,
    /// Size of the request's body, in bytes: once it is answered, as the transport counted it, repetitions included;
    /// before, that of one binary body.
    pub bytes: u64,
    /// Whether an answer came. Without one the request may or may not have arrived.
    pub answered: bool,
    /// Text of the tokens, given ones first, then each stop string on a line of its own; `None` where text is not
    /// recorded.
    pub text: Option<String>,
}

/// The requests that a session sent so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRecord {
    /// The latest requests, in order.
    pub requests: Vec<Sent>,
    /// Number of requests that were sent in all.
    pub total_requests: u64,
    /// Number of tokens that were sent in all.
    pub total_tokens: u64,
    /// Number of bytes that were sent in all.
    pub total_bytes: u64,
}

/// The record as it is written.
#[derive(Debug)]
pub(crate) struct SentLog {
    options: RecordOptions,
    record: Mutex<Numbered>,
}

/// The requests, each with a number: that of the first is `forgotten`.
#[derive(Debug, Default)]
struct Numbered {
    requests: VecDeque<Sent>,
    /// Number of requests that are no longer in the queue.
    forgotten: u64,
    total_tokens: u64,
    total_bytes: u64,
}

impl SentLog {
    pub(crate) fn new(options: RecordOptions) -> Self {
        Self { options, record: Mutex::default() }
    }

    pub(crate) fn keeps_text(&self) -> bool {
        self.options.text
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Numbered> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request; returns the number that finds it again.
    pub(crate) fn sent(&self, kind: SentKind, tokens: usize, bytes: usize, text: Option<String>) -> u64 {
        let (tokens, bytes) = (u32::try_from(tokens).unwrap_or(u32::MAX), bytes as u64);
        let mut record = self.record();
        record.total_tokens += u64::from(tokens);
        record.total_bytes += bytes;
        record.requests.push_back(Sent { at: SystemTime::now(), kind, tokens, bytes, answered: false, text });
        let number = record.forgotten + record.requests.len() as u64 - 1;
        while record.requests.len() > self.options.most {
            record.requests.pop_front();
            record.forgotten += 1;
        }
        number
    }

    /// Takes note of a part of the answer to a request whose bodies had `bytes` bytes; 0 if the transport does not
    /// count.
    pub(crate) fn answered(&self, number: u64, bytes: u64) {
        let mut record = self.record();
        let Some(index) = number.checked_sub(record.forgotten).and_then(|index| usize::try_from(index).ok()) else {
            return;
        };
        let Some(sent) = record.requests.get_mut(index) else { return };
        let before = sent.bytes;
        sent.bytes = if sent.answered {
            sent.bytes + bytes
        } else if bytes > 0 {
            bytes
        } else {
            before
        };
        sent.answered = true;
        let now = sent.bytes;
        record.total_bytes = record.total_bytes + now - before;
    }

    /// Returns the record as callers see it.
    pub(crate) fn copy(&self) -> SentRecord {
        let record = self.record();
        SentRecord {
            requests: record.requests.iter().cloned().collect(),
            total_requests: record.forgotten + record.requests.len() as u64,
            total_tokens: record.total_tokens,
            total_bytes: record.total_bytes,
        }
    }

    /// Forgets the requests and their texts; the totals stay.
    pub(crate) fn clear(&self) {
        let mut record = self.record();
        record.forgotten += record.requests.len() as u64;
        record.requests.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_bounded_and_the_totals_are_not() {
        let log = SentLog::new(RecordOptions { most: 2, text: false });
        let numbers: Vec<u64> = (0..3).map(|i| log.sent(SentKind::Advance, 10 + i, 100, None)).collect();
        // The first one is forgotten; its late answer changes nothing.
        log.answered(numbers[0], 7000);
        log.answered(numbers[2], 130);
        let record = log.copy();
        assert_eq!(record.requests.iter().map(|sent| sent.tokens).collect::<Vec<_>>(), [11, 12]);
        assert_eq!((record.total_requests, record.total_tokens, record.total_bytes), (3, 33, 330));
        assert_eq!(record.requests.iter().map(|sent| sent.answered).collect::<Vec<_>>(), [false, true]);
        log.clear();
        assert_eq!((log.copy().requests.len(), log.copy().total_requests), (0, 3));
        assert_eq!(log.sent(SentKind::Open, 0, 5, None), 3);
    }
}
