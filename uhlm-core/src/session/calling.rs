//! The rounds of a generation whose model calls tools: a reply with calls, their results, the next reply.
//!
//! Decides who is asked to run what and in which order. What a tool does is the app's matter; whatever it does, and
//! however it fails, the session goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, mpsc::Receiver};
use std::time::Duration;

use uhlm_law::cancel::Cancel;
use uhlm_law::chat::Message;
use uhlm_law::rng;
use uhlm_tools::ToolCall;

use super::inbox::Inbox;
use super::reply::Reply;
use super::worker::{Terms, Worker};
use crate::error::GenerationError;
use crate::event::{Event, FinishReason};
use crate::generation::EventSink;
use crate::metrics::Statistics;
use crate::mode::Mode;
use crate::options::{GenerationOptions, Prompt};
use crate::state::locked;
use crate::tools::{Runner, ToolResult, ToolRunner, ToolUse, Tools};

/// Time between two looks at the cancel signal while tools run.
const LOOK: Duration = Duration::from_millis(20);

/// What the rounds of a generation have told so far.
#[derive(Default)]
struct Told {
    text: String,
    reasoning: String,
    statistics: Option<Statistics>,
    committed: usize,
}

impl Told {
    fn add(&mut self, reply: Reply) {
        self.text.push_str(reply.text());
        if !self.reasoning.is_empty() && !reply.reasoning().is_empty() {
            self.reasoning.push_str("\n\n");
        }
        self.reasoning.push_str(reply.reasoning());
        self.committed += reply.committed();
        match &mut self.statistics {
            None => self.statistics = Some(reply.statistics),
            Some(statistics) => {
                let first_token = statistics.first_token;
                statistics.add(&reply.statistics);
                statistics.first_token = first_token;
            }
        }
    }

    fn finished(self, reason: FinishReason) -> Event {
        let Self { text, reasoning, statistics, .. } = self;
        Event::Finished { reason, text, reasoning, statistics: Box::new(statistics.unwrap_or_default()) }
    }
}

impl Worker {
    /// Writes the reply to a prompt, runs the tools that it calls if they are to be run here, and so on until a reply
    /// calls none. Returns the last event.
    pub(super) fn converse(
        &mut self,
        prompt: Prompt,
        options: &GenerationOptions,
        terms: &Terms<'_>,
        sink: &EventSink,
        inbox: &Receiver<Inbox>,
    ) -> Result<Event, GenerationError> {
        let (mut prompt, mut told) = (prompt, Told::default());
        let (mut options, mut terms) = (options.clone(), *terms);
        let (asked, seed) = (options.max_tokens, options.seed);
        for round in 0.. {
            // Both models read the same text: where the verifier is asked, the text that it may see.
            let redaction = terms.kept.redaction.as_ref();
            let read = (terms.mode != Mode::DeviceOnly).then(|| prompt.redacted(redaction));
            let (reason, reply) = self.write(&prompt, read.as_deref(), &options, &terms, sink, inbox)?;
            self.count(&reply, round);
            let calls = reply.calls().to_vec();
            self.remember(prompt, read, &reply, reason.is_ok());
            told.add(reply);
            let ended = reason?;
            if calls.is_empty() || ended != FinishReason::EndOfReply {
                return Ok(told.finished(ended));
            }
            let runner = match &options.tools.usage {
                ToolUse::Automatic(runner) | ToolUse::Ask(runner) if round < options.tools.max_rounds => runner,
                _ => return Ok(told.finished(FinishReason::ToolCalls)),
            };
            let Some(results) = results(&options.tools, runner, &calls, sink) else {
                self.drop_calls(&calls, terms.mode);
                return Ok(told.finished(FinishReason::Cancelled));
            };
            prompt = Prompt::ToolResults(results);
            options.max_tokens = asked.saturating_sub(told.committed);
            options.seed = seed.map(|seed| rng::derived(seed, round as u64 + 1));
            terms.started = self.now();
        }
        Ok(told.finished(FinishReason::ToolCalls))
    }

    /// Adds a round to the session's totals; all rounds are one generation.
    fn count(&self, reply: &Reply, round: usize) {
        let mut totals = locked(&self.shared.totals);
        totals.generations += u64::from(round == 0);
        totals.count_round(&reply.statistics);
    }

    /// Has a prompt and its reply join the conversation. Text that was committed before a failure does, too; a reply
    /// that failed without any text never happened.
    fn remember(&mut self, prompt: Prompt, read: Option<Vec<String>>, reply: &Reply, is_whole: bool) {
        if matches!(prompt, Prompt::Raw(_) | Prompt::Apart(_)) || !(is_whole || !reply.text().is_empty()) {
            return;
        }
        let reasoning = Some(reply.reasoning()).filter(|thought| !thought.is_empty()).map(str::to_owned);
        let tool_calls = reply.calls().to_vec();
        let said = Message { reasoning, tool_calls, ..Message::assistant(reply.text()) };
        locked(&self.shared.conversation).push_turn(prompt.messages(None), read, said);
    }

    /// Answers calls whose tools were cancelled, so that no call of the conversation is without a result.
    fn drop_calls(&mut self, calls: &[ToolCall], mode: Mode) {
        let result = |call| Message::tool(call, "Error: it was cancelled.");
        let is_shared = mode != Mode::DeviceOnly;
        locked(&self.shared.conversation).push_results(calls.iter().map(result).collect(), is_shared);
    }
}

/// Runs the tools that a reply calls, and tells of each result as it comes. Returns the results in the order of the
/// calls; `None` if the generation was cancelled, which does not wait for them.
fn results(tools: &Tools, runner: &Runner, calls: &[ToolCall], sink: &EventSink) -> Option<Vec<ToolResult>> {
    sink.flush();
    let asks = matches!(tools.usage, ToolUse::Ask(_));
    let known = |call: &ToolCall| tools.definitions.iter().any(|tool| tool.name == call.name);
    let (sender, receiver) = channel();
    let (known, unknown): (Vec<_>, Vec<_>) = calls.iter().cloned().enumerate().partition(|(_, call)| known(call));
    for (place, call) in unknown {
        // The receiver is here.
        let _ = sender.send((place, ToolResult::failure(&call, format_args!("there is no tool '{}'", call.name))));
    }
    let jobs: Vec<Vec<(usize, ToolCall)>> =
        if asks { vec![known] } else { known.into_iter().map(|call| vec![call]).collect() };
    for job in jobs.into_iter().filter(|job| !job.is_empty()) {
        start(job, asks, runner.get(), &sender, sink.cancel());
    }
    drop(sender);
    let mut results: Vec<Option<ToolResult>> = vec![None; calls.len()];
    loop {
        if sink.cancel().is_cancelled() {
            return None;
        }
        match receiver.recv_timeout(LOOK) {
            Ok((place, result)) => {
                sink.send(Event::ToolResult(result.clone()));
                sink.flush();
                results[place] = Some(result);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let lost = |call: &ToolCall| ToolResult::failure(call, "it gave no result");
    Some(results.into_iter().zip(calls).map(|(result, call)| result.unwrap_or_else(|| lost(call))).collect())
}

/// Runs calls one after another on a thread of their own; each sends its result.
fn start(
    job: Vec<(usize, ToolCall)>,
    asks: bool,
    runner: &Arc<dyn ToolRunner>,
    sender: &Sender<(usize, ToolResult)>,
    cancel: &Cancel,
) {
    let (runner, results, cancel) = (Arc::clone(runner), sender.clone(), cancel.clone());
    let calls = job.clone();
    let work = move || {
        for (place, call) in calls {
            if cancel.is_cancelled() {
                return;
            }
            // The session may have gone.
            let _ = results.send((place, run(runner.as_ref(), &call, asks)));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("uhlm-tool".into()).spawn(work) {
        for (place, call) in job {
            // The receiver waits for this thread.
            let _ = sender.send((place, ToolResult::failure(&call, &error)));
        }
    }
}

/// Runs one call; a panic of the app's code is a failure of the tool.
fn run(runner: &dyn ToolRunner, call: &ToolCall, asks: bool) -> ToolResult {
    let work = || {
        if asks && !runner.allows(call) {
            return ToolResult::failure(call, "the user did not allow this call");
        }
        match runner.run(call) {
            Ok(content) => ToolResult::new(call, content),
            Err(failure) => ToolResult::failure(call, failure),
        }
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| ToolResult::failure(call, "the tool failed"))
}
