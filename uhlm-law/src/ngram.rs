//! Drafting with the conversation: where a reply repeats what was written before (summaries, edits of code, answers
//! from documents), the text itself says what comes next.
//!
//! [`Index`] decides which tokens the conversation proposes, [`Policy`] whether reading them ahead pays. What is
//! proposed changes no text: the draft model reads the proposed tokens in one batch, each row of it is drawn as it
//! would have been alone, and rows behind the first that differs from its proposal are not used.

mod index;
mod policy;

pub use index::{Index, Match};
pub use policy::{MAX_ROWS, Policy};
