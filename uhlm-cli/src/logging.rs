//! Sends log lines to stderr if they are asked for.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use uhlm_server::LogFormat;

use crate::terminal::border;

/// Starts logging to stderr. Logging is quiet by default, llama.cpp's own log included; `RUST_LOG` decides before
/// anything else. A server logs its requests from the first `-v` on and its warnings always.
pub(crate) fn start(verbose: u8, server: Option<LogFormat>) {
    let default = match (verbose, server.is_some()) {
        (0, false) => "off",
        (0, true) => "warn,uhlm_server=info,llama_cpp=error",
        (1, _) => "info,uhlm=debug,uhlm_core=debug,uhlm_server=debug,llama_cpp=warn",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Bordered)
        .with_ansi(crate::terminal::style::stderr_has_colours());
    // Fails only if a subscriber is set already, and nothing before this sets one.
    let _ = match server.unwrap_or_default() {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

/// Stderr behind the border of the terminal: llama.cpp logs text from the model file.
struct Bordered;

impl Write for Bordered {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = border::logged(&String::from_utf8_lossy(line));
        io::stderr().lock().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
