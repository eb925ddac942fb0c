//! Tools that a model may call: what they are, how models write calls, and which calls stand in a text that streams.
//!
//! Pure: no files, no clock, no threads. Decides what is a call and what is text, whatever the boundaries of the tokens
//! are. Leaves to others when a token stands, who runs a tool, and how a template shows tools to the model.
//!
//! | module | decides |
//! |---|---|
//! | [`ToolDefinition`] | which definitions of tools are valid, and how a template gets them |
//! | [`ToolFormat`] | in which format a model writes calls, by its chat template; how calls are written in each |
//! | [`ToolParser`] | which parts of a reply are calls, which are broken calls, and which are text |
//! | [`forced_call`] | the grammar that lets a model write nothing but a call |
//! | [`described`] | the same in plain messages, for models whose template knows nothing of tools |
//!
//! What is kept while a call is written is at most [`MAX_CALL_BYTES`].

mod call;
mod definition;
mod described;
mod format;
mod grammar;
mod json;
mod parser;

pub use uhlm_law::chat::ToolCall;

pub use self::call::{CallError, is_object};
pub use self::definition::{DefinitionError, MAX_NAME_BYTES, MAX_TOOLS, ToolDefinition, check};
pub use self::described::{described, described_to_user};
pub use self::format::ToolFormat;
pub use self::grammar::forced_call;
pub use self::parser::{MAX_CALL_BYTES, Malformed, Piece, ToolParser};
