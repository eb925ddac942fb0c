//! The way from a grammar, as an app gives it, to one that llguidance reads.

use llguidance::api::TopLevelGrammar;
use serde_json::{Value, json};
use uhlm_law::grammar::{Grammar, MAX_CHOICES, MAX_GRAMMAR_BYTES};

use crate::error::GrammarError;
use crate::limits::MAX_NESTING;

/// Key of the settings of JSON that llguidance reads from a schema.
const SETTINGS: &str = "x-guidance";

/// Reads a grammar as far as that needs no vocabulary.
pub(crate) fn read(grammar: &Grammar) -> Result<TopLevelGrammar, GrammarError> {
    if !grammar.is_within_limits() {
        let (bytes, max, choices) = (grammar.size(), MAX_GRAMMAR_BYTES, MAX_CHOICES);
        return Err(GrammarError::TooLarge { bytes, max, choices });
    }
    Ok(match grammar {
        Grammar::JsonSchema(text) => TopLevelGrammar::from_json_schema(schema(text)?),
        Grammar::Regex(text) => {
            check_nesting(text)?;
            TopLevelGrammar::from_regex(text)
        }
        Grammar::Choices(choices) => {
            if choices.iter().any(String::is_empty) {
                return Err(GrammarError::Invalid { reason: "a choice is empty".into() });
            }
            // A text of Lark is quoted as one of JSON is.
            let quoted: Vec<String> = choices.iter().map(|choice| Value::from(choice.as_str()).to_string()).collect();
            TopLevelGrammar::from_lark(format!("start: {}", quoted.join(" | ")))
        }
        Grammar::Lark(text) => {
            check_nesting(text)?;
            TopLevelGrammar::from_lark(text.clone())
        }
    })
}

/// Reads a JSON schema. Unless it says otherwise, values are written with one space after a comma and a colon and none
/// elsewhere: a small model that may write any white space can go on with it until its limit.
fn schema(text: &str) -> Result<Value, GrammarError> {
    let mut schema: Value =
        serde_json::from_str(text).map_err(|error| GrammarError::Invalid { reason: error.to_string() })?;
    if let Some(fields) = schema.as_object_mut()
        && !fields.contains_key(SETTINGS)
    {
        let settings = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
        fields.insert(SETTINGS.to_owned(), settings);
    }
    if !schema.is_object() && !schema.is_boolean() {
        return Err(GrammarError::Invalid { reason: "a schema is an object".into() });
    }
    Ok(schema)
}

/// Checks that brackets are not so deep that reading them takes more stack than there is. Those in quotes count as
/// well: what this refuses too much, nobody writes.
fn check_nesting(text: &str) -> Result<(), GrammarError> {
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_NESTING {
            return Err(GrammarError::Invalid { reason: format!("more than {MAX_NESTING} brackets are open at once") });
        }
    }
    Ok(())
}
