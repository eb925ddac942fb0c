//! A call of a tool.

use serde::{Deserialize, Serialize};

/// A call of a tool that a model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Id by which the result finds its call; unique in a conversation, and nine letters and digits where the model
    /// gave none.
    pub id: String,
    /// Name of the tool, which need not be one that there is.
    pub name: String,
    /// Arguments: a JSON object, as the model wrote it.
    pub arguments: String,
}
