//! The functions, filters and printed values that templates find in `transformers`, where minijinja has them otherwise
//! or not at all.

use chrono::NaiveDateTime;
use minijinja::value::{Kwargs, Object, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::limits::{MAX_BYTES, Raised};
use super::python_methods;
use super::python_text::{JsonStyle, json, str_of};

/// The variable that holds the time of a rendering; no template can name it.
pub(super) const NOW: &str = "%now";

/// The time of a rendering.
#[derive(Debug)]
pub(super) struct Now(pub(super) NaiveDateTime);

impl Object for Now {}

/// Adds all of them to an environment.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.set_unknown_method_callback(python_methods::call);
    environment.set_formatter(|out, _, value| {
        out.write_str(&str_of(value)).map_err(|_| Error::new(ErrorKind::WriteFailure, "could not write to output"))
    });
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    environment.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    environment.add_filter("tojson", tojson);
    environment.add_filter("length", length);
    environment.add_filter("count", length);
    environment.add_filter("string", |value: &Value| str_of(value));
    environment.add_filter("trim", trim);
    environment.add_filter("upper", |value: &Value| str_of(value).to_uppercase());
    environment.add_filter("lower", |value: &Value| str_of(value).to_lowercase());
    environment.add_filter("capitalize", |value: &Value| python_methods::capitalized(&str_of(value)));
    environment.add_filter("replace", replace);
    environment.add_filter("join", join);
    environment.add_filter("first", first);
    environment.add_filter("last", last);
    environment.add_filter("int", int);
    environment.add_filter("items", items);
    environment.add_filter("wordcount", |value: &Value| str_of(value).split_whitespace().count());
    environment.add_filter("center", |value: &Value, width: Option<usize>| {
        python_methods::centered(&str_of(value), width.unwrap_or(80), ' ')
    });
    environment.add_test("iterable", |value: &Value| value.kind() != ValueKind::None && value.try_iter().is_ok());
    environment.add_test("sequence", is_sequence);
    environment.add_test("number", |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
    environment.add_test("callable", is_callable);
}

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}

/// Returns the text unless it is longer than any that a rendering may write.
fn bounded(text: String) -> Result<String, Error> {
    if text.len() > MAX_BYTES { Err(refused("a text beyond all reason")) } else { Ok(text) }
}

fn raise_exception(reason: &Value) -> Result<Value, Error> {
    let reason = str_of(reason);
    Err(refused(reason.clone()).with_source(Raised(reason)))
}

/// Formats the time of the rendering as C's `strftime` does.
fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    use std::fmt::Write as _;

    let now = state.lookup(NOW).ok_or_else(|| refused("there is no clock"))?;
    let Some(Now(now)) = now.downcast_object_ref::<Now>() else { return Err(refused("there is no clock")) };
    let mut out = String::new();
    write!(out, "{}", now.format(format)).map_err(|_| refused(format!("'{format}' is no format of a time")))?;
    Ok(out)
}

/// Returns `json.dumps(value)`, with the arguments that `transformers` passes on.
fn tojson(value: &Value, arguments: Rest<Value>, kwargs: Kwargs) -> Result<String, Error> {
    let named = |place: usize, name: &str| -> Result<Value, Error> {
        let by_name: Option<Value> = kwargs.get(name)?;
        Ok(arguments.get(place).cloned().or(by_name).unwrap_or_default())
    };
    let ensure_ascii = named(0, "ensure_ascii")?;
    let indent = named(1, "indent")?;
    let separators = named(2, "separators")?;
    let sort_keys = named(3, "sort_keys")?;
    kwargs.assert_all_used()?;
    let indent = match indent.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        ValueKind::String => Some(str_of(&indent)),
        _ => Some(" ".repeat(usize::try_from(i64::try_from(indent)?).unwrap_or(0).min(100))),
    };
    let separators = match separators.kind() {
        ValueKind::Undefined | ValueKind::None => None,
        _ => Some((str_of(&separators.get_item_by_index(0)?), str_of(&separators.get_item_by_index(1)?))),
    };
    let style = JsonStyle { ensure_ascii: ensure_ascii.is_true(), indent, separators, sort_keys: sort_keys.is_true() };
    json(value, &style)
}

/// Returns the length of a value; that of an undefined one is 0 in `transformers`.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| refused(format!("a value of type {} has no length", value.kind())))
}

fn trim(value: &Value, chars: Option<String>) -> String {
    let text = str_of(value);
    match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
        None => python_methods::stripped(&text).to_owned(),
    }
}

fn replace(value: &Value, from: &Value, to: &Value, count: Option<i64>) -> Result<String, Error> {
    bounded(python_methods::replaced(&str_of(value), &str_of(from), &str_of(to), count.unwrap_or(-1)))
}

fn join(value: &Value, separator: Option<&Value>, attribute: Option<&Value>, kwargs: Kwargs) -> Result<String, Error> {
    let named: Option<Value> = kwargs.get("attribute")?;
    let separator_by_name: Option<Value> = kwargs.get("d")?;
    kwargs.assert_all_used()?;
    let attribute = attribute.cloned().or(named);
    let separator = separator.cloned().or(separator_by_name).map(|value| str_of(&value)).unwrap_or_default();
    let part = |item: Value| match &attribute {
        Some(attribute) => item.get_item(attribute).map(|value| str_of(&value)),
        None => Ok(str_of(&item)),
    };
    let parts: Vec<String> = iterated(value)?.map(part).collect::<Result<_, Error>>()?;
    bounded(parts.join(&separator))
}

/// Iterates as Jinja does: an undefined value has no items, and `none` cannot be iterated.
fn iterated(value: &Value) -> Result<impl Iterator<Item = Value>, Error> {
    if value.is_none() {
        return Err(refused("none is not iterable"));
    }
    value.try_iter()
}

fn first(value: &Value) -> Result<Value, Error> {
    Ok(iterated(value)?.next().unwrap_or_default())
}

fn last(value: &Value) -> Result<Value, Error> {
    Ok(iterated(value)?.last().unwrap_or_default())
}

/// Returns `int(value)`, or `default` for a value that is no number.
fn int(value: &Value, default: Option<i64>) -> Result<Value, Error> {
    let default = Value::from(default.unwrap_or(0));
    match value.kind() {
        ValueKind::Undefined => Err(refused("an undefined value is no number")),
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Ok(value.clone()),
        ValueKind::Number => Ok(f64::try_from(value.clone()).map_or(default, |number| Value::from(number as i64))),
        ValueKind::String => {
            let text = str_of(value);
            let text = python_methods::stripped(&text);
            let whole = text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().map(|number| number as i64));
            Ok(whole.map_or(default, Value::from))
        }
        _ => Ok(default),
    }
}

/// Returns the pairs of a mapping; none of an undefined value.
fn items(state: &State, value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    python_methods::call(state, value, "items", &[])
}

/// Tells whether a value has a length and can be indexed: strings and mappings, too.
fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined)
}

fn is_callable(value: &Value) -> bool {
    // What can be called is an object that is no data; undefined values are callable there, and fail when called.
    value.is_undefined() || (value.kind() == ValueKind::Plain && value.as_object().is_some())
}
