//! The functions, filters and printed values that templates find in `transformers`, where minijinja has them otherwise
//! or not at all.

use chrono::NaiveDateTime;
use minijinja::value::{Kwargs, Object, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};

use super::filters::{self, Reads};
use super::limits::{Account, Raised, refused, shortened};
use super::objects;
use super::python_methods;
use super::python_text::{JsonStyle, json, str_of};
use super::weight::{Content, content};

/// The variable that holds the time of a rendering; no template can name it.
pub(super) const NOW: &str = "%now";

/// Largest number of bytes of a format of a time, or of what stands between the values of JSON.
const MAX_FORMAT: usize = 1000;

/// The time of a rendering.
#[derive(Debug)]
pub(super) struct Now(pub(super) NaiveDateTime);

impl Object for Now {}

/// Adds all of them to an environment.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.set_unknown_method_callback(python_methods::call);
    environment.set_formatter(write);
    environment.remove_global("debug");
    environment.add_function("range", range);
    environment.add_function("namespace", objects::namespace);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_function("joiner", objects::joiner);
    environment.add_function("cycler", objects::cycler);
    for (name, reads, filter) in [
        ("tojson", Reads::All, Value::from_function(tojson)),
        ("length", Reads::Little, Value::from_function(length)),
        ("count", Reads::Little, Value::from_function(length)),
        ("string", Reads::All, Value::from_function(|value: &Value| str_of(value))),
        ("trim", Reads::All, Value::from_function(trim)),
        ("upper", Reads::All, Value::from_function(|value: &Value| str_of(value).to_uppercase())),
        ("lower", Reads::All, Value::from_function(|value: &Value| str_of(value).to_lowercase())),
        ("capitalize", Reads::All, Value::from_function(|value: &Value| python_methods::capitalized(&str_of(value)))),
        ("replace", Reads::All, Value::from_function(replace)),
        ("join", Reads::Joined, Value::from_function(join)),
        ("first", Reads::Little, Value::from_function(first)),
        ("last", Reads::Little, Value::from_function(last)),
        ("int", Reads::Little, Value::from_function(int)),
        ("items", Reads::Little, Value::from_function(items)),
        ("wordcount", Reads::All, Value::from_function(|value: &Value| str_of(value).split_whitespace().count())),
        ("center", Reads::All, Value::from_function(center)),
    ] {
        filters::add(environment, name, reads, filter);
    }
    let is_iterable = |value: &Value| value.kind() != ValueKind::None && value.try_iter().is_ok();
    filters::add_test(environment, "iterable", Reads::Little, Value::from_function(is_iterable));
    environment.add_test("sequence", is_sequence);
    environment.add_test("number", |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
    environment.add_test("callable", is_callable);
}

/// Writes a value, into the text or into a variable.
fn write(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let account = Account::of(state);
    let failed = |_| Error::new(ErrorKind::WriteFailure, "could not write to output");
    if let Some(text) = value.as_str() {
        account.write(text.len())?;
        return out.write_str(text).map_err(failed);
    }
    // A loop and a macro print nothing of what they hold.
    if !matches!(content(value), Content::Other) {
        objects::read(&account, value)?;
    }
    let text = str_of(value);
    account.write(text.len())?;
    out.write_str(&text).map_err(failed)
}

/// Returns the numbers of a range, as `transformers` bounds it.
fn range(lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Vec<i64>, Error> {
    const MOST: usize = 100_000;
    let (start, stop) = upper.map_or((0, lower), |upper| (lower, upper));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(refused("cannot create range with step of 0"));
    }
    let goes_on = |number: &i64| if step > 0 { *number < stop } else { *number > stop };
    let numbers = std::iter::successors(Some(start), |number| number.checked_add(step)).take_while(goes_on);
    let numbers: Vec<i64> = numbers.take(MOST + 1).collect();
    if numbers.len() > MOST { Err(refused("range has too many elements")) } else { Ok(numbers) }
}

fn raise_exception(reason: &Value) -> Result<Value, Error> {
    let reason = shortened(str_of(reason));
    Err(refused(reason.clone()).with_source(Raised(reason)))
}

/// Formats the time of the rendering as C's `strftime` does.
fn strftime_now(state: &State, format: &str) -> Result<String, Error> {
    use std::fmt::Write as _;

    let now = state.lookup(NOW).ok_or_else(|| refused("there is no clock"))?;
    let Some(Now(now)) = now.downcast_object_ref::<Now>() else { return Err(refused("there is no clock")) };
    if format.len() > MAX_FORMAT {
        return Err(refused("a format of a time beyond all reason"));
    }
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
    let between = separators.iter().flat_map(|(comma, colon)| [comma, colon]).chain(&indent);
    if between.map(String::len).sum::<usize>() > MAX_FORMAT {
        return Err(refused("a style of JSON beyond all reason"));
    }
    let (ensure_ascii, sort_keys) = (ensure_ascii.is_true(), sort_keys.is_true());
    json(value, &JsonStyle { ensure_ascii, indent, separators, sort_keys, is_bounded: true })
}

/// Returns the length of a value; that of an undefined one is 0 in `transformers`.
fn length(value: &Value) -> Result<usize, Error> {
    if value.is_undefined() {
        return Ok(0);
    }
    value.len().ok_or_else(|| refused(format!("a value of type {} has no length", value.kind())))
}

fn trim(value: &Value, chars: Option<String>) -> Result<String, Error> {
    let text = str_of(value);
    Ok(match chars {
        Some(chars) => {
            let chars = python_methods::few(&chars)?;
            text.trim_matches(|c| chars.contains(c)).to_owned()
        }
        None => python_methods::stripped(&text).to_owned(),
    })
}

fn center(value: &Value, width: Option<usize>) -> Result<String, Error> {
    Ok(python_methods::centered(&str_of(value), python_methods::bounded(width.unwrap_or(80))?, ' '))
}

fn replace(value: &Value, from: &Value, to: &Value, count: Option<i64>) -> Result<String, Error> {
    python_methods::replaced(&str_of(value), &str_of(from), &str_of(to), count.unwrap_or(-1))
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
    python_methods::joined(&parts, &separator)
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
    if let Some(text) = value.as_str() {
        return Ok(text.chars().next_back().map(Value::from).unwrap_or_default());
    }
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
