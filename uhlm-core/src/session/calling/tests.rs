//! Tools that are run beside a sink of events, without any model.

use std::sync::atomic::AtomicUsize;
use std::thread::sleep;

use uhlm_tools::ToolDefinition;

use super::*;
use crate::generation::{self, Generation, Waker};
use crate::tools::ToolFailure;

fn calls(names: &[&str]) -> Vec<ToolCall> {
    let call = |(place, name): (usize, &&str)| ToolCall {
        id: format!("call{place:05}"),
        name: (*name).into(),
        arguments: "{}".into(),
    };
    names.iter().enumerate().map(call).collect()
}

fn tools(usage: ToolUse) -> Tools {
    let definitions = ["fast", "slow"].map(|name| ToolDefinition::new(name, "", "")).to_vec();
    Tools { definitions, usage, ..Tools::default() }
}

fn generation() -> (EventSink, Generation) {
    generation::channel(Waker::new(|| {}))
}

#[test]
fn a_reply_runs_a_bounded_number_of_calls_a_few_at_once() {
    let (sink, _generation) = generation();
    let (now, most, ran) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, count) = (Arc::clone(&most), Arc::clone(&ran));
    let runner = Runner::new(move |call: &ToolCall| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(Duration::from_millis(5));
        now.fetch_sub(1, Ordering::SeqCst);
        count.fetch_add(1, Ordering::SeqCst);
        Ok(call.id.clone())
    });
    let calls = calls(&["fast"; MAX_CALLS + 8]);
    let given = results(&tools(ToolUse::Automatic(runner.clone())), &runner, &calls, &sink);
    let expected = |(place, result): (usize, &ToolResult)| {
        result.id == calls[place].id && result.is_failure == (place >= MAX_CALLS)
    };
    assert!(given.len() == calls.len() && given.iter().enumerate().all(expected), "{given:?}");
    assert_eq!(ran.load(Ordering::SeqCst), MAX_CALLS);
    assert!((2..=MAX_THREADS).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
}

#[test]
fn cancelling_keeps_the_results_that_were_told() {
    let (sink, mut generation) = generation();
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let runner = Runner::new(move |call: &ToolCall| {
        if call.name == "slow" {
            // Until the test is over.
            let _ = locked(&held).recv();
        }
        Ok("done".into())
    });
    let canceller = std::thread::spawn(move || {
        let first = generation.blocking_next().expect("an event").expect("no failure");
        generation.cancel();
        first
    });
    let calls = calls(&["slow", "fast"]);
    let given = results(&tools(ToolUse::Automatic(runner.clone())), &runner, &calls, &sink);
    assert_eq!(given, [ToolResult::failure(&calls[0], "it was cancelled"), ToolResult::new(&calls[1], "done")]);
    assert_eq!(canceller.join().expect("no panic"), Event::ToolResult(given[1].clone()));
    drop(release);
}

/// Allows everything, after the generation was cancelled.
struct Late {
    cancel: Cancel,
    ran: Sender<()>,
}

impl ToolRunner for Late {
    fn allows(&self, _: &ToolCall) -> bool {
        self.cancel.cancel();
        true
    }

    fn run(&self, _: &ToolCall) -> Result<String, ToolFailure> {
        self.ran.send(()).map_err(|error| ToolFailure(error.to_string()))?;
        Ok("done".into())
    }
}

#[test]
fn what_is_allowed_after_the_generation_was_cancelled_is_not_run() {
    let (sink, _generation) = generation();
    let (ran, did_run) = channel();
    let runner = Runner::new(Late { cancel: sink.cancel().clone(), ran });
    let calls = calls(&["fast"]);
    let given = results(&tools(ToolUse::Ask(runner.clone())), &runner, &calls, &sink);
    assert_eq!(given, [ToolResult::failure(&calls[0], "it was cancelled")]);
    drop(runner);
    // The channel ends once the tool's thread has.
    assert!(did_run.recv().is_err(), "it ran");
}
