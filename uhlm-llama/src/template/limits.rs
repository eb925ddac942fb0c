//! The limits of a rendering: a file that a person downloaded must not be able to keep the device busy.
//!
//! Steps and output are bounded. A text that a template joins with itself over and over, without writing it, is not:
//! the engine has no place to count that.

use std::io::{self, Write};

use minijinja::{Environment, Error, ErrorKind, Value};
use uhlm_law::chat::TemplateError;

/// Largest number of steps of a rendering. A long conversation takes some ten thousand.
pub(super) const MAX_FUEL: u64 = 2_000_000;
/// Largest number of bytes that a rendering may write: beyond what any context of a device holds.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// The text that was written, as far as it may be.
struct Bounded {
    text: Vec<u8>,
    is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > MAX_BYTES {
            self.is_over = true;
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Renders a template of `environment`.
///
/// # Errors
/// [`TemplateError`].
pub(super) fn rendered(environment: &Environment<'_>, name: &str, variables: &Value) -> Result<String, TemplateError> {
    let mut out = Bounded { text: Vec::new(), is_over: false };
    let template = environment.get_template(name).map_err(|error| failure(&error))?;
    let outcome = template.render_captured_to(variables, &mut out).map(drop);
    match outcome {
        Err(_) if out.is_over => Err(TemplateError::TooLong { bytes: MAX_BYTES }),
        Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(TemplateError::TooSlow),
        Err(error) => Err(failure(&error)),
        Ok(()) => String::from_utf8(out.text).map_err(|error| TemplateError::Failed { reason: error.to_string() }),
    }
}

/// Makes the error of a failed rendering: the template's own `raise_exception`, too many steps, or another fault.
fn failure(error: &Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(raised) = error.downcast_ref::<Raised>() {
            return TemplateError::Refused { reason: raised.0.clone() };
        }
        if error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::OutOfFuel) {
            return TemplateError::TooSlow;
        }
        cause = error.source();
    }
    TemplateError::Failed { reason: said(error) }
}

/// Returns the text of an error of the engine in one line.
pub(super) fn said(error: &Error) -> String {
    error.to_string()
}

/// The message that a template raised with `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub(super) String);
