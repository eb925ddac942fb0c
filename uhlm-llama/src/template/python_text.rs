//! The texts that Python prints for values: `str`, `repr` and `json.dumps`.

use std::fmt::Write as _;

use minijinja::value::{DynObject, Enumerator, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::limits::fits;

/// Returns `str(value)`; nothing for an undefined value, as Jinja prints it.
pub(super) fn str_of(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        _ => repr_of(value),
    }
}

/// Returns `repr(value)`.
pub(super) fn repr_of(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => write_quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq => write_enclosed(out, ('[', ']'), values(value), write_repr),
        ValueKind::Map if is_plain(value) => {
            write_enclosed(out, ('{', '}'), pairs(value), |out, (key, value)| {
                write_repr(out, key);
                out.push_str(": ");
                write_repr(out, value);
            });
        }
        _ => out.push_str(&value.to_string()),
    }
}

/// Tells whether a map is data or a namespace, and not a loop or a macro, which print themselves.
fn is_plain(value: &Value) -> bool {
    let is_plain = |object: &DynObject| !matches!(object.enumerate(), Enumerator::Str(_));
    value.as_object().is_some_and(|object| object.enumerator_len().is_some() && is_plain(object))
}

fn values(value: &Value) -> Vec<Value> {
    value.try_iter().map(Iterator::collect).unwrap_or_default()
}

fn pairs(value: &Value) -> Vec<(Value, Value)> {
    values(value).into_iter().map(|key| (key.clone(), value.get_item(&key).unwrap_or_default())).collect()
}

fn write_enclosed<T>(out: &mut String, (open, close): (char, char), items: Vec<T>, write: impl Fn(&mut String, &T)) {
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
    out.push(close);
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
}

/// Returns `repr` of a float: the shortest digits that give the number again, with an exponent below 1e-4 and from
/// 1e16 on.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = number.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// Writes `repr` of a string.
fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// The style in which `json.dumps` writes.
#[derive(Clone, Debug, Default)]
pub(super) struct JsonStyle {
    pub(super) ensure_ascii: bool,
    /// Text that each level is indented by; `None` writes everything on one line.
    pub(super) indent: Option<String>,
    /// Texts between two items, and between a key and its value; `None` takes Python's own.
    pub(super) separators: Option<(String, String)>,
    pub(super) sort_keys: bool,
    /// Whether a text that is longer than any value may be is refused.
    pub(super) is_bounded: bool,
}

/// Returns `json.dumps(value)`.
///
/// # Errors
/// An error for what is no JSON, which is a `TypeError` in Python.
pub(super) fn json(value: &Value, style: &JsonStyle) -> Result<String, Error> {
    let mut out = String::new();
    write_json(&mut out, value, style, 0)?;
    Ok(out)
}

fn write_json(out: &mut String, value: &Value, style: &JsonStyle, depth: usize) -> Result<(), Error> {
    if style.is_bounded {
        fits(out.len())?;
    }
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&match number(value) {
            text if text == "nan" => "NaN".into(),
            text if text == "inf" => "Infinity".into(),
            text if text == "-inf" => "-Infinity".into(),
            text => text,
        }),
        ValueKind::String => write_json_string(out, value.as_str().unwrap_or_default(), style),
        ValueKind::Seq => write_items(out, ('[', ']'), values(value), style, depth, |out, value| {
            write_json(out, value, style, depth + 1)
        })?,
        ValueKind::Map if is_plain(value) => {
            let mut pairs = pairs(value);
            if style.sort_keys {
                pairs.sort();
            }
            write_items(out, ('{', '}'), pairs, style, depth, |out, (key, value)| {
                write_json_string(out, &json_key(key)?, style);
                out.push_str(style.separators.as_ref().map_or(": ", |(_, colon)| colon));
                write_json(out, value, style, depth + 1)
            })?;
        }
        kind => {
            let reason = format!("a value of type {kind} is not JSON serializable");
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        }
    }
    Ok(())
}

fn json_key(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::None => Ok("null".into()),
        ValueKind::Bool => Ok(if key.is_true() { "true" } else { "false" }.into()),
        ValueKind::Number => Ok(number(key)),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("a key of type {kind} is not JSON serializable"))),
    }
}

fn write_items<T>(
    out: &mut String,
    (open, close): (char, char),
    items: Vec<T>,
    style: &JsonStyle,
    depth: usize,
    mut write: impl FnMut(&mut String, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    let comma = match (&style.separators, &style.indent) {
        (Some((comma, _)), _) => comma.as_str(),
        (None, Some(_)) => ",",
        (None, None) => ", ",
    };
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = &style.indent {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(comma);
        }
        new_line(out, depth + 1);
        write(out, item)?;
    }
    if !items.is_empty() {
        new_line(out, depth);
    }
    out.push(close);
    Ok(())
}

fn write_json_string(out: &mut String, text: &str, style: &JsonStyle) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (style.ensure_ascii && !(' '..='~').contains(&c)) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
