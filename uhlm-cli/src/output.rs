//! The one place that writes to stdout.

use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Writes text as it is and flushes, so that streamed text shows at once. A reader that went away (`uhlm ... | head`)
/// ends the program quietly, as it does for other tools.
pub(crate) fn text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    if let Err(error) = written {
        let gone = error.kind() == ErrorKind::BrokenPipe;
        if !gone {
            eprintln!("error: cannot write to stdout: {error}");
        }
        std::process::exit(i32::from(!gone));
    }
}

/// Writes a line.
pub(crate) fn line(line: impl std::fmt::Display) {
    text(&format!("{line}\n"));
}

/// Writes one JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let document = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("the result cannot be written as JSON: {error}")))?;
    line(document);
    Ok(())
}
