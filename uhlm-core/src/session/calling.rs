//! The rounds of a generation whose model calls tools: a reply with calls, their results, the next reply.
//!
//! Decides who is asked to run what and in which order. What a tool does is the app's matter; whatever it does, and
//! however it fails, the session goes on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uhlm_law::cancel::Cancel;
use uhlm_law::chat::Message;
use uhlm_law::rng;
use uhlm_tools::ToolCall;

use super::inbox::Inbox;
use super::reply::Reply;
use super::terms::Terms;
use super::worker::Worker;
use crate::error::GenerationError;
use crate::event::{Event, FinishReason};
use crate::generation::EventSink;
use crate::metrics::Statistics;
use crate::mode::Mode;
use crate::options::{GenerationOptions, Prompt};
use crate::state::locked;
use crate::tools::{Runner, ToolChoice, ToolResult, ToolRunner, ToolUse, Tools};

/// Time between two looks at the cancel signal while tools run.
const LOOK: Duration = Duration::from_millis(20);
/// Largest number of calls of one reply that are run; the model is told of the others that they were not.
const MAX_CALLS: usize = 32;
/// Largest number of tools that run side by side.
const MAX_THREADS: usize = 4;

/// The calls that are to be run, with their places in the reply.
type Waiting = VecDeque<(usize, ToolCall)>;

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
        if matches!(prompt, Prompt::Chat(_)) {
            let open = locked(&self.shared.conversation).messages().pop().map(|last| last.tool_calls);
            self.refuse(&open.unwrap_or_default(), "nobody ran it", &terms);
        }
        for round in 0.. {
            // Both models read the same text: where the verifier is asked, the text that it may see.
            let redaction = terms.kept.redaction.as_ref();
            let read = (terms.mode != Mode::DeviceOnly).then(|| prompt.redacted(redaction));
            let written = self.write(&prompt, read.as_deref(), &options, &terms, sink, inbox);
            // Tools that ran here are not run again, so what they gave stays, whatever becomes of the reply.
            let ran = round > 0;
            let (reason, reply) = match written {
                Ok(written) => written,
                Err(error) => {
                    if ran {
                        self.remember(prompt, read, Message::assistant(""));
                    }
                    return Err(error);
                }
            };
            self.count(&reply, round);
            let calls = reply.calls().to_vec();
            // Text that was committed before a failure joins the conversation; without any, the reply never happened.
            let is_kept = ran || reason.is_ok() || !reply.text().is_empty();
            if is_kept {
                self.remember(prompt, read, said(&reply));
            }
            told.add(reply);
            let ended = match reason {
                Ok(ended) => ended,
                Err(error) => {
                    if is_kept {
                        self.refuse(&calls, "the reply failed", &terms);
                    }
                    return Err(error);
                }
            };
            if calls.is_empty() {
                return Ok(told.finished(ended));
            }
            let (is_whole, may_go_on) = (ended == FinishReason::EndOfReply, round < options.tools.max_rounds);
            let runner = match &options.tools.usage {
                ToolUse::Automatic(runner) | ToolUse::Ask(runner) if is_whole && may_go_on => runner,
                _ if is_whole => return Ok(told.finished(FinishReason::ToolCalls)),
                ToolUse::Manual => return Ok(told.finished(ended)),
                ToolUse::Automatic(_) | ToolUse::Ask(_) => {
                    self.refuse(&calls, "the reply was cut off", &terms);
                    return Ok(told.finished(ended));
                }
            };
            let results = results(&options.tools, runner, &calls, sink);
            if sink.cancel().is_cancelled() {
                self.answer(results, &terms);
                return Ok(told.finished(FinishReason::Cancelled));
            }
            prompt = Prompt::ToolResults(results);
            options.tools.choice = ToolChoice::Auto;
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

    /// Has a prompt and its reply join the conversation.
    fn remember(&mut self, prompt: Prompt, read: Option<Vec<String>>, said: Message) {
        if !matches!(prompt, Prompt::Raw(_) | Prompt::Apart(_)) {
            locked(&self.shared.conversation).push_turn(prompt.messages(None), read, said);
        }
    }

    /// Answers calls that nobody runs, so that no call of the conversation is without a result.
    fn refuse(&mut self, calls: &[ToolCall], reason: &str, terms: &Terms<'_>) {
        if !calls.is_empty() {
            self.answer(calls.iter().map(|call| ToolResult::failure(call, reason)).collect(), terms);
        }
    }

    /// Has results that the model does not reply to join the conversation. An empty reply follows them, because most
    /// templates want person and model to take turns. Once consent was withdrawn they stay on the device.
    fn answer(&mut self, results: Vec<ToolResult>, terms: &Terms<'_>) {
        let is_shared = terms.mode != Mode::DeviceOnly && self.shared.may_ask.load(Ordering::Acquire);
        let prompt = Prompt::ToolResults(results);
        let read = is_shared.then(|| prompt.redacted(terms.kept.redaction.as_ref()));
        self.remember(prompt, read, Message::assistant(""));
    }
}

/// Returns a reply as a message.
fn said(reply: &Reply) -> Message {
    let reasoning = Some(reply.reasoning()).filter(|thought| !thought.is_empty()).map(str::to_owned);
    Message { reasoning, tool_calls: reply.calls().to_vec(), ..Message::assistant(reply.text()) }
}

/// Runs the tools that a reply calls, and tells of each result as it comes. Returns the results in the order of the
/// calls. If the generation is cancelled it does not wait for them: those that were not told are failures.
fn results(tools: &Tools, runner: &Runner, calls: &[ToolCall], sink: &EventSink) -> Vec<ToolResult> {
    sink.flush();
    let asks = matches!(tools.usage, ToolUse::Ask(_));
    let (sender, receiver) = channel();
    let mut waiting = Waiting::new();
    for (place, call) in calls.iter().enumerate() {
        let refused = if place >= MAX_CALLS {
            ToolResult::failure(call, format_args!("a reply may call at most {MAX_CALLS} tools"))
        } else if tools.definitions.iter().all(|tool| tool.name != call.name) {
            ToolResult::failure(call, format_args!("there is no tool '{}'", call.name))
        } else {
            waiting.push_back((place, call.clone()));
            continue;
        };
        // The receiver is here.
        let _ = sender.send((place, refused));
    }
    let threads = waiting.len().min(if asks { 1 } else { MAX_THREADS });
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..threads {
        start(&waiting, asks, runner.get(), &sender, sink.cancel());
    }
    drop(sender);
    let mut results: Vec<Option<ToolResult>> = vec![None; calls.len()];
    while !sink.cancel().is_cancelled() {
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
    let reason = if sink.cancel().is_cancelled() { "it was cancelled" } else { "it gave no result" };
    let lost = |call: &ToolCall| ToolResult::failure(call, reason);
    results.into_iter().zip(calls).map(|(result, call)| result.unwrap_or_else(|| lost(call))).collect()
}

/// Runs calls one after another on a thread of their own, as long as any wait; each sends its result.
fn start(
    waiting: &Arc<Mutex<Waiting>>,
    asks: bool,
    runner: &Arc<dyn ToolRunner>,
    sender: &Sender<(usize, ToolResult)>,
    cancel: &Cancel,
) {
    let (calls, results) = (Arc::clone(waiting), sender.clone());
    let (runner, cancel) = (Arc::clone(runner), cancel.clone());
    let work = move || {
        while !cancel.is_cancelled() {
            let Some((place, call)) = locked(&calls).pop_front() else { return };
            if let Some(result) = run(runner.as_ref(), &call, asks, &cancel) {
                // The session may have gone.
                let _ = results.send((place, result));
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("uhlm-tool".into()).spawn(work) {
        // Threads that could be started take the other calls.
        let next = locked(waiting).pop_front();
        if let Some((place, call)) = next {
            // The receiver waits for this thread.
            let _ = sender.send((place, ToolResult::failure(&call, &error)));
        }
    }
}

/// Runs one call; a panic of the app's code is a failure of the tool. `None` if it was cancelled first.
fn run(runner: &dyn ToolRunner, call: &ToolCall, asks: bool, cancel: &Cancel) -> Option<ToolResult> {
    let work = || {
        let is_allowed = !asks || runner.allows_until(call, cancel);
        // A person may take long to answer.
        if cancel.is_cancelled() {
            return None;
        }
        if !is_allowed {
            return Some(ToolResult::failure(call, "the user did not allow this call"));
        }
        match runner.run_until(call, cancel) {
            Ok(content) => Some(ToolResult::new(call, content)),
            Err(_) if cancel.is_cancelled() => None,
            Err(failure) => Some(ToolResult::failure(call, failure)),
        }
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Some(ToolResult::failure(call, "the tool failed")))
}

#[cfg(test)]
mod tests;
