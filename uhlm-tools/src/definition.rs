//! Definitions of tools, as an app gives them and as a chat template gets them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest length of a tool's name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Largest number of tools of one reply.
pub const MAX_TOOLS: usize = 128;

/// The definition of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// Name of the tool: 1 to [`MAX_NAME_BYTES`] letters, digits, `_`, `-` and `.`, by which the model calls it.
    pub name: String,
    /// Purpose of the tool, in words that the model reads.
    pub description: String,
    /// JSON schema of the arguments, a JSON object as text. An empty text means a tool without arguments.
    pub parameters: String,
}

/// The reason why a model cannot be given these tools.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// A name is empty, too long, or has other characters than letters, digits, `_`, `-` and `.`.
    #[error("'{name}' is no name of a tool")]
    Name {
        /// The name.
        name: String,
    },
    /// Two tools have the same name.
    #[error("two tools are called '{name}'")]
    Twice {
        /// The name.
        name: String,
    },
    /// The parameters of a tool are no JSON object.
    #[error("the parameters of the tool '{name}' are no JSON schema: {reason}")]
    Parameters {
        /// Name of the tool.
        name: String,
        /// Message of the JSON parser, or what is there in place of an object.
        reason: String,
    },
    /// There are more tools than [`MAX_TOOLS`].
    #[error("{count} tools are more than {MAX_TOOLS}")]
    Many {
        /// Number of tools.
        count: usize,
    },
}

/// Schema of a tool without arguments.
const NOTHING: &str = r#"{"type": "object", "properties": {}}"#;

impl ToolDefinition {
    /// Makes the definition of a tool.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: impl Into<String>) -> Self {
        Self { name: name.into(), description: description.into(), parameters: parameters.into() }
    }

    /// Returns the JSON schema of the arguments.
    pub(crate) fn schema(&self) -> &str {
        if self.parameters.trim().is_empty() { NOTHING } else { self.parameters.trim() }
    }

    /// Returns the definition as chat templates get it, a JSON object. The schema keeps the order of its fields.
    #[must_use]
    pub fn json(&self) -> String {
        let (name, description) = (quoted(&self.name), quoted(&self.description));
        let schema = self.schema();
        let function = format!(r#"{{"name": {name}, "description": {description}, "parameters": {schema}}}"#);
        format!(r#"{{"type": "function", "function": {function}}}"#)
    }

    fn check(&self) -> Result<(), DefinitionError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || !self.name.chars().all(is_allowed) {
            return Err(DefinitionError::Name { name: self.name.clone() });
        }
        let wrong = |reason: String| DefinitionError::Parameters { name: self.name.clone(), reason };
        match serde_json::from_str::<Value>(self.schema()) {
            Ok(Value::Object(_)) => Ok(()),
            Ok(_) => Err(wrong("it is no object".into())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}

/// Checks that a model can be given these tools.
///
/// # Errors
/// [`DefinitionError`].
pub fn check(tools: &[ToolDefinition]) -> Result<(), DefinitionError> {
    if tools.len() > MAX_TOOLS {
        return Err(DefinitionError::Many { count: tools.len() });
    }
    for (place, tool) in tools.iter().enumerate() {
        tool.check()?;
        if tools[..place].iter().any(|other| other.name == tool.name) {
            return Err(DefinitionError::Twice { name: tool.name.clone() });
        }
    }
    Ok(())
}

/// Returns a text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_checked_before_a_model_sees_them() {
        let tool = |name: &str, parameters: &str| ToolDefinition::new(name, "does", parameters);
        assert_eq!(check(&[tool("get_weather", r#"{"type": "object"}"#), tool("a-b.c", "")]), Ok(()));
        for name in ["", "two words", "quote\"", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(check(&[tool(name, "")]), Err(DefinitionError::Name { name: name.into() }));
        }
        assert_eq!(check(&[tool("a", ""), tool("a", "{}")]), Err(DefinitionError::Twice { name: "a".into() }));
        for parameters in ["[]", "{", "yes"] {
            assert!(matches!(check(&[tool("a", parameters)]), Err(DefinitionError::Parameters { .. })), "{parameters}");
        }
        let many: Vec<_> = (0..=MAX_TOOLS).map(|n| tool(&format!("t{n}"), "")).collect();
        assert_eq!(check(&many), Err(DefinitionError::Many { count: MAX_TOOLS + 1 }));
    }

    #[test]
    fn a_template_gets_what_the_app_wrote_with_the_fields_in_their_order() {
        let tool = ToolDefinition::new("f", "says \"x\"", r#" {"z": 1, "a": 2} "#);
        let function = r#"{"name": "f", "description": "says \"x\"", "parameters": {"z": 1, "a": 2}}"#;
        assert_eq!(tool.json(), format!(r#"{{"type": "function", "function": {function}}}"#));
        assert!(ToolDefinition::new("f", "", " ").json().contains(NOTHING));
    }
}
