//! Log lines for the app: ours and llama.cpp's, without any text of the person.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Importance of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something went wrong and was dealt with.
    Warn,
    /// A step was reached that an operator wants to see.
    Info,
    /// A detail for those who look for a fault.
    Debug,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// The error of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum LogError {
    /// The line is lost. Later ones are not.
    #[error("the app's log sink failed")]
    Failed,
}

/// Takes anything else that a foreign implementation throws. There is nowhere to log that logging failed.
impl From<uniffi::UnexpectedUniFFICallbackError> for LogError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Takes the lines of the log. It is called on a thread that does nothing else.
#[uniffi::export(with_foreign)]
pub trait LogSink: Send + Sync {
    /// Takes one line; `target` is the module that it comes from.
    ///
    /// # Errors
    /// `LogError`. That line is lost.
    fn log(&self, level: LogLevel, target: String, line: String) -> Result<(), LogError>;
}

/// Number of lines that wait for the sink. If more come, the newest are dropped, and a later line says how many.
const BUFFERED_LINES: usize = 1024;

/// Sends the log's lines of at least `level` to a sink, for the life of the process. Only the first call counts;
/// returns true if this was it.
#[uniffi::export]
pub fn install_log_sink(level: LogLevel, sink: Arc<dyn LogSink>) -> bool {
    let (sender, lines) = sync_channel::<Line>(BUFFERED_LINES);
    let layer = SinkLayer { level: level.into(), sender, dropped: std::sync::atomic::AtomicU64::new(0) };
    if tracing_subscriber::registry().with(layer).try_init().is_err() {
        return false;
    }
    std::thread::Builder::new().name("uhlm-log".into()).spawn(move || deliver(lines, &*sink)).is_ok()
}

/// Gives all lines to the sink, whatever becomes of each.
fn deliver(lines: Receiver<Line>, sink: &dyn LogSink) {
    for line in lines {
        let _ = sink.log(line.level, line.target, line.text);
    }
}

struct Line {
    level: LogLevel,
    target: String,
    text: String,
}

struct SinkLayer {
    level: Level,
    sender: SyncSender<Line>,
    dropped: std::sync::atomic::AtomicU64,
}

impl<S: Subscriber> Layer<S> for SinkLayer {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.level.into())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        use std::sync::atomic::Ordering;
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        let missing = self.dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text.0, " ({missing} lines before this one were dropped)");
        }
        let line = Line { level, target: metadata.target().to_owned(), text: text.0 };
        if let Err(TrySendError::Full(_)) = self.sender.try_send(line) {
            self.dropped.fetch_add(missing + 1, Ordering::Relaxed);
        }
    }
}

/// The message, then the fields as `name=value`.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name if self.0.is_empty() => write!(self.0, "{name}={value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use uniffi::LiftReturn;

    use super::*;

    /// Answers each line as UniFFI does for a class that throws, and keeps what it was given.
    struct Throwing(Mutex<Vec<String>>);

    impl LogSink for Throwing {
        fn log(&self, _: LogLevel, _: String, line: String) -> Result<(), LogError> {
            self.0.lock().expect("no panic").push(line);
            let thrown = uniffi::UnexpectedUniFFICallbackError::new("the disk of k-123 is full");
            <Result<(), LogError> as LiftReturn<crate::UniFfiTag>>::handle_callback_unexpected_error(thrown)
        }
    }

    #[test]
    fn a_sink_that_throws_loses_its_line_and_no_other() {
        let (sender, lines) = sync_channel(2);
        for text in ["one", "two"] {
            sender.send(Line { level: LogLevel::Warn, target: "uhlm".into(), text: text.into() }).expect("room");
        }
        drop(sender);
        let sink = Throwing(Mutex::default());
        deliver(lines, &sink);
        assert_eq!(*sink.0.lock().expect("no panic"), ["one", "two"]);
    }
}
