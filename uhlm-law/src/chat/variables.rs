//! Variables of a chat template beside the messages, for example `enable_thinking` or `date_string`.

use std::collections::BTreeMap;

/// Variables of a chat template, each a JSON text, so that the fields of an object keep their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateVariables(BTreeMap<String, String>);

/// The reason why a variable can be given to no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// The value is no JSON.
    #[error("the template variable '{name}' is no JSON: {reason}")]
    NotJson {
        /// Name of the variable.
        name: String,
        /// Message of the JSON parser.
        reason: String,
    },
    /// The name is one that the library fills in.
    #[error("the template variable '{name}' is not free")]
    Reserved {
        /// Name of the variable.
        name: String,
    },
}

/// Names of the variables that a rendering fills in itself.
const RESERVED: [&str; 2] = ["messages", "add_generation_prompt"];

impl TemplateVariables {
    /// Sets a variable to a JSON text.
    ///
    /// # Errors
    /// [`VariableError`]; nothing has changed.
    pub fn set(&mut self, name: impl Into<String>, json: impl Into<String>) -> Result<(), VariableError> {
        let (name, json) = (name.into(), json.into());
        if RESERVED.contains(&name.as_str()) {
            return Err(VariableError::Reserved { name });
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&json) {
            return Err(VariableError::NotJson { name, reason: error.to_string() });
        }
        self.0.insert(name, json);
        Ok(())
    }

    /// Returns a variable's JSON text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns all variables with their JSON texts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.as_str()))
    }

    /// Returns these variables with `other`'s, which win.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self(self.0.clone().into_iter().chain(other.0.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_json_and_the_later_one_counts() {
        let mut variables = TemplateVariables::default();
        variables.set("enable_thinking", "false").expect("JSON");
        variables.set("tools", r#"[{"b": 1, "a": 2}]"#).expect("JSON");
        let mut other = TemplateVariables::default();
        other.set("enable_thinking", "true").expect("JSON");
        let both = variables.with(&other);
        assert_eq!(both.get("enable_thinking"), Some("true"));
        assert_eq!(both.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["enable_thinking", "tools"]);
    }

    #[test]
    fn what_is_no_json_or_not_free_is_refused() {
        let mut variables = TemplateVariables::default();
        assert!(matches!(variables.set("x", "yes"), Err(VariableError::NotJson { .. })));
        assert!(matches!(variables.set("x", "{} {}"), Err(VariableError::NotJson { .. })));
        assert!(matches!(variables.set("messages", "[]"), Err(VariableError::Reserved { .. })));
        assert_eq!(variables, TemplateVariables::default());
    }
}
