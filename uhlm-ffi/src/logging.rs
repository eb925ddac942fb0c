//! Log lines for the app: ours and llama.cpp's, without any text of the person.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is amiss, and was dealt with.
    Warn,
    /// Milestones.
    Info,
    /// For those who look for a fault.
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

/// Takes log lines. Called from one thread of its own, never from one that decodes or talks to the network.
#[uniffi::export(with_foreign)]
pub trait LogSink: Send + Sync {
    /// One line; `target` is the module it comes from.
    fn log(&self, level: LogLevel, target: String, line: String);
}

/// Lines that wait for the sink; where more come, the newest are dropped, and a line says how many.
const BUFFERED_LINES: usize = 1024;

/// Sends log lines of at least `level` to a sink, for the life of the process. The first call counts; returns whether
/// this was it.
#[uniffi::export]
pub fn install_log_sink(level: LogLevel, sink: Arc<dyn LogSink>) -> bool {
    let (sender, lines) = sync_channel::<Line>(BUFFERED_LINES);
    let layer = SinkLayer { level: level.into(), sender, dropped: std::sync::atomic::AtomicU64::new(0) };
    if tracing_subscriber::registry().with(layer).try_init().is_err() {
        return false;
    }
    let deliver = move || lines.into_iter().for_each(|line| sink.log(line.level, line.target, line.text));
    std::thread::Builder::new().name("uhlm-log".into()).spawn(deliver).is_ok()
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
