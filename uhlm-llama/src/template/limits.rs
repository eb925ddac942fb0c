//! The limits of a rendering: a file that a person downloaded must not be able to end the process, to take its memory
//! or to keep the device busy.
//!
//! Fuel bounds the steps. What a step can do is bounded as well: a value has a largest size and a largest depth, and an
//! [`Account`] counts what a rendering writes, makes and reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State};
use uhlm_law::chat::TemplateError;

/// Largest size of a template, in bytes. The largest that are known have some twenty thousand.
pub(super) const MAX_SOURCE: usize = 256 << 10;
/// Largest number of steps of a rendering. A long conversation takes some ten thousand; a guarded program takes up to
/// three where the engine's own takes one.
pub(super) const MAX_FUEL: u64 = 6_000_000;
/// Largest number of bytes that a rendering may write, into the text or into variables: beyond what any context of a
/// device holds.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Largest number of bytes of the texts in one value: beyond what any context of a device holds, too.
pub(super) const MAX_TEXT: usize = 4 << 20;
/// Largest number of values in one value, each counted as often as it occurs.
pub(super) const MAX_ITEMS: usize = 200_000;
/// Largest depth of a value: that of the deepest JSON that is read.
pub(super) const MAX_DEPTH: usize = 128;
/// Largest number of bytes of the values that a rendering makes, whether they are still needed or not.
const MAX_MADE: usize = 128 << 20;
/// Largest number of bytes that a rendering may search, compare or print.
const MAX_READ: usize = 256 << 20;
/// Bytes that a value in a list counts for, beside its texts.
pub(super) const ITEM: usize = 32;

/// The variable of the engine that holds the account of a rendering.
const ACCOUNT: &str = "%account";

/// What a rendering has written, made and read so far, in bytes.
#[derive(Debug, Default)]
pub(super) struct Account {
    written: AtomicUsize,
    made: AtomicUsize,
    read: AtomicUsize,
}

impl Object for Account {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

impl Account {
    /// Returns the account of a rendering.
    pub(super) fn of(state: &State) -> Arc<Self> {
        state.get_or_set_temp_object(ACCOUNT, Self::default)
    }

    pub(super) fn write(&self, bytes: usize) -> Result<(), Error> {
        if spent(&self.written, bytes) > MAX_BYTES { Err(Exceeded::TooLong(MAX_BYTES).into()) } else { Ok(()) }
    }

    pub(super) fn make(&self, bytes: usize) -> Result<(), Error> {
        if spent(&self.made, bytes) > MAX_MADE { Err(Exceeded::TooLong(MAX_MADE).into()) } else { Ok(()) }
    }

    pub(super) fn read(&self, bytes: usize) -> Result<(), Error> {
        if spent(&self.read, bytes) > MAX_READ { Err(Exceeded::TooSlow.into()) } else { Ok(()) }
    }
}

/// Adds to a sum that cannot overflow, since a rendering ends where it is beyond its limit.
fn spent(sum: &AtomicUsize, bytes: usize) -> usize {
    let bytes = bytes.min(MAX_READ);
    sum.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
}

/// Refuses a text of more bytes than one value may have.
pub(super) fn fits(bytes: usize) -> Result<(), Error> {
    if bytes > MAX_TEXT { Err(Exceeded::TooLong(MAX_TEXT).into()) } else { Ok(()) }
}

/// Refuses a list of more values than one value may have.
pub(super) fn fits_items(items: usize) -> Result<(), Error> {
    if items > MAX_ITEMS { Err(refused(format!("a list of more than {MAX_ITEMS} values"))) } else { Ok(()) }
}

/// Makes the error of something that a template may not do.
pub(super) fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// The limit that a rendering exceeded.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Exceeded {
    #[error("more than {0} bytes")]
    TooLong(usize),
    #[error("more to read than a conversation has")]
    TooSlow,
}

impl From<Exceeded> for Error {
    fn from(exceeded: Exceeded) -> Self {
        refused(exceeded.to_string()).with_source(exceeded)
    }
}

/// Makes the error of a failed rendering: the template's own `raise_exception`, a limit, or another fault.
pub(super) fn failure(error: &Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(raised) = error.downcast_ref::<Raised>() {
            return TemplateError::Refused { reason: raised.0.clone() };
        }
        match error.downcast_ref::<Exceeded>() {
            Some(&Exceeded::TooLong(bytes)) => return TemplateError::TooLong { bytes },
            Some(Exceeded::TooSlow) => return TemplateError::TooSlow,
            None => {}
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
    shortened(error.to_string())
}

/// Cuts a message that a template may have made too long to be read.
pub(super) fn shortened(message: String) -> String {
    const MOST: usize = 10_000;
    match message.char_indices().nth(MOST) {
        Some((end, _)) => message[..end].to_owned(),
        None => message,
    }
}

/// The message that a template raised with `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub(super) String);
