//! Writes to stdout and stderr, as the only place that does. All text passes the border of the terminal.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;
use crate::terminal::border;
use crate::terminal::style::{Style, paint_stderr};

/// Writes text and flushes, so that streamed text shows at once.
pub(crate) fn text(text: &str) {
    write(&border::shown(text));
}

/// Writes a model's text; into a file or another program it goes character by character as it is.
pub(crate) fn reply(text: &str) {
    let terminal = std::io::stdout().is_terminal();
    write(&if terminal { border::shown(text) } else { border::piped(text) });
}

/// Writes a line.
pub(crate) fn line(line: impl std::fmt::Display) {
    text(&format!("{line}\n"));
}

/// Writes a line that is not the result to stderr.
pub(crate) fn note(line: impl std::fmt::Display) {
    let text = border::shown(&format!("{line}\n"));
    // An error is of no interest: stderr is closed, so nobody reads it.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a question to stderr; the answer is typed behind it.
pub(crate) fn ask(question: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(border::shown(question).as_bytes()).and_then(|()| stderr.flush());
}

/// Writes a failure with its hint to stderr, unless the command has said on stdout what failed.
pub(crate) fn failure(failure: &Failure) {
    if failure.text().is_empty() {
        return;
    }
    note(format_args!("{} {}", paint_stderr(Style::Bad, "error:"), failure.text()));
    if let Some(hint) = failure.hint_text() {
        note(format_args!("{} {hint}", paint_stderr(Style::Heading, " hint:")));
    }
}

/// Writes one JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("the result cannot be written as JSON: {error}")))?;
    line(border::json(&document));
    Ok(())
}

/// Writes to stdout. A reader that went away (`uhlm ... | head`) ends the program quietly, as for other tools.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    if let Err(error) = written {
        let gone = error.kind() == ErrorKind::BrokenPipe;
        if !gone {
            note(format_args!("error: cannot write to stdout: {error}"));
        }
        std::process::exit(i32::from(!gone));
    }
}
