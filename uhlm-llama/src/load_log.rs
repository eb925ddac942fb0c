//! llama.cpp reports every failed load as a null pointer and says why only in its log. This captures the reason.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// Runs `work` and returns with its result what llama.cpp logged as errors meanwhile on this thread. Everything logged
/// still reaches the current subscriber.
pub(crate) fn capturing_errors<T>(work: impl FnOnce() -> T) -> (T, String) {
    let errors = Arc::new(Mutex::new(String::new()));
    let outer = tracing::dispatcher::get_default(Dispatch::clone);
    let capture = Capture { outer, errors: Arc::clone(&errors) };
    let result = tracing::subscriber::with_default(capture, work);
    let text = errors.lock().map(|text| text.trim().to_owned()).unwrap_or_default();
    (result, text)
}

struct Capture {
    outer: Dispatch,
    errors: Arc<Mutex<String>>,
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.0, "{value:?}; ");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.push_str(value.trim());
            self.0.push_str("; ");
        }
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR || self.outer.enabled(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.outer.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.outer.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.outer.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() == Level::ERROR
            && let Ok(mut errors) = self.errors.lock()
        {
            event.record(&mut Message(&mut errors));
        }
        if self.outer.enabled(event.metadata()) {
            self.outer.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        self.outer.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.outer.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.outer.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.outer.try_close(id)
    }
}
