//! Shows things to a person: colours, tables, progress bars, and streamed text that can be taken back.

pub(crate) mod border;
pub(crate) mod layout;
pub(crate) mod progress;
pub(crate) mod stream;
pub(crate) mod style;
pub(crate) mod table;
