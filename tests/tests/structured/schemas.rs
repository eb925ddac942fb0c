//! Ten schemas, and what a value of each must be: a check of its own, by nothing that reads grammars.

use serde_json::{Value, json};

/// Returns the schemas with their names.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    let text = |most: u32| json!({ "type": "string", "maxLength": most });
    let number = |least: i64, most: i64| json!({ "type": "integer", "minimum": least, "maximum": most });
    let object = |properties: Value| {
        let names: Vec<&String> = properties.as_object().expect("fields").keys().collect();
        json!({ "type": "object", "required": names, "properties": properties, "additionalProperties": false })
    };
    let task = object(json!({ "id": number(1, 50), "done": { "type": "boolean" } }));
    let cities = ["K\u{f6}ln", "\u{6771}\u{4eac}", "\u{1f43a} den", "S\u{e3}o Paulo"];
    let place = object(json!({ "street": text(12), "house": number(1, 999) }));
    vec![
        ("flat object", object(json!({ "name": text(10), "age": number(0, 120) }))),
        ("enum", object(json!({ "color": { "enum": ["red", "green", "blue"] }, "likes": { "type": "boolean" } }))),
        (
            "nested objects",
            object(json!({ "who": object(json!({ "name": text(8), "at": place })), "since": number(1900, 2100) })),
        ),
        ("array of numbers", json!({ "type": "array", "items": number(-99, 99), "minItems": 2, "maxItems": 5 })),
        (
            "array of objects",
            object(json!({ "items": { "type": "array", "items": task, "minItems": 1, "maxItems": 3 } })),
        ),
        ("unicode choices", object(json!({ "city": { "enum": cities }, "rank": number(1, 9) }))),
        ("unicode constants", object(json!({ "gr\u{fc}\u{df}e": text(6), "\u{1f600}": { "const": "\u{2713} ja" } }))),
        (
            "optional and null",
            json!({
                "type": "object", "additionalProperties": false, "required": ["a"],
                "properties": {
                    "a": { "anyOf": [number(0, 9), { "type": "null" }] }, "b": text(4), "c": { "type": "boolean" }
                }
            }),
        ),
        (
            "matrix",
            json!({
                "type": "array", "minItems": 2, "maxItems": 2,
                "items": { "type": "array", "items": number(0, 9), "minItems": 2, "maxItems": 2 }
            }),
        ),
        (
            "reference",
            json!({
                "$defs": { "leaf": object(json!({ "v": number(0, 9) })) },
                "type": "object", "additionalProperties": false, "required": ["left", "right"],
                "properties": { "left": { "$ref": "#/$defs/leaf" }, "right": { "$ref": "#/$defs/leaf" } }
            }),
        ),
    ]
}

/// Checks that a text is a value of a schema.
pub(crate) fn check(schema: &Value, text: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
    is_of(schema, schema, &value).map_err(|wrong| format!("{wrong}: {text}"))
}

/// Checks a value by those keywords that the schemas above use; any other fails.
fn is_of(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let number = |key: &str| schema.get(key).and_then(Value::as_i64);
    for (key, said) in schema.as_object().ok_or("a schema is an object")? {
        let holds = match key.as_str() {
            "type" => match said.as_str() {
                Some("object") => value.is_object(),
                Some("array") => value.is_array(),
                Some("string") => value.is_string(),
                Some("integer") => value.is_i64(),
                Some("boolean") => value.is_boolean(),
                Some("null") => value.is_null(),
                _ => false,
            },
            "enum" => said.as_array().is_some_and(|all| all.contains(value)),
            "const" => said == value,
            "minimum" => value.as_i64() >= number("minimum"),
            "maximum" => value.as_i64() <= number("maximum"),
            "maxLength" => value.as_str().is_some_and(|text| text.chars().count() as i64 <= number(key).unwrap_or(0)),
            "minItems" => value.as_array().is_some_and(|all| all.len() as i64 >= number(key).unwrap_or(0)),
            "maxItems" => value.as_array().is_some_and(|all| all.len() as i64 <= number(key).unwrap_or(0)),
            "items" => {
                value.as_array().into_iter().flatten().try_for_each(|item| is_of(root, said, item))?;
                true
            }
            "required" => {
                said.as_array().into_iter().flatten().all(|name| value.get(name.as_str().unwrap_or("")).is_some())
            }
            "additionalProperties" => value
                .as_object()
                .is_some_and(|fields| fields.keys().all(|name| schema["properties"].get(name).is_some())),
            "properties" => {
                let fields = said.as_object().ok_or("properties")?;
                let there = fields.iter().filter_map(|(name, of)| Some((of, value.get(name)?)));
                there.into_iter().try_for_each(|(of, field)| is_of(root, of, field))?;
                true
            }
            "anyOf" => said.as_array().is_some_and(|all| all.iter().any(|one| is_of(root, one, value).is_ok())),
            "$ref" => {
                let place = said.as_str().and_then(|text| text.strip_prefix('#')).ok_or("a reference")?;
                return is_of(root, root.pointer(place).ok_or("a reference")?, value);
            }
            "$defs" => true,
            _ => return Err(format!("{key} is not known here")),
        };
        if !holds {
            return Err(format!("{key} does not hold for {value}"));
        }
    }
    Ok(())
}

#[test]
fn what_is_not_of_a_schema_is_seen() {
    let schemas = all();
    let wrong = [
        (0, r#"{"name": "Ma", "age": 121}"#),
        (0, r#"{"name": "Ma"}"#),
        (0, r#"{"name": "Mara of Bonn!", "age": 1}"#),
        (1, r#"{"color": "pink", "likes": true}"#),
        (3, "[1]"),
        (7, r#"{"a": null, "d": 1}"#),
        (8, "[[1, 2], [3]]"),
        (9, r#"{"left": {"v": 1}, "right": {"v": 10}}"#),
    ];
    for (schema, text) in wrong {
        assert!(check(&schemas[schema].1, text).is_err(), "{text}");
    }
    assert_eq!(check(&schemas[9].1, r#"{"left": {"v": 1}, "right": {"v": 0}}"#), Ok(()));
}
