//! Filters and tests that count what they read and take what they make, and those of the engine's own that a template
//! may use, with what each would do with a hostile argument.

use std::fmt::{self, Write as _};

use minijinja::value::Rest;
use minijinja::{Environment, Error, State, Value, filters, tests};

use super::formats::{self, Fields};
use super::limits::{Account, ITEM, MAX_ITEMS, MAX_TEXT, fits, refused};
use super::objects::{read, read_items};
use super::weight::made;

/// What a filter or a test looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Texts, and how many items a list has, or these one by one.
    Little,
    /// Every item of its first argument, which can be a text of few characters.
    Items,
    /// Every item, and everything in it.
    Joined,
    /// Everything in its arguments.
    All,
    /// Everything, as often as sorting does.
    Sorted,
    /// Everything, and as often as sorting does where it has more than one argument, which may say what to sort by.
    SortedByKey,
}

/// Bytes that a call counts for, beside what it reads: `map` makes as many as a list has items, in one step.
const CALL: usize = 96;
/// How often a sorting looks at a value: the logarithm of the longest list.
const LOOKS: usize = 17;
/// Bytes that a list in a list counts for where a filter makes many.
const PART: usize = 4 * ITEM;
/// Largest number of lists that a list is cut into, or of items in each.
const MAX_PARTS: usize = 10_000;
/// Largest number of names in a path of attributes.
const MAX_PATH: usize = 8;

/// Adds a filter.
pub(super) fn add(environment: &mut Environment<'_>, name: &'static str, reads: Reads, filter: Value) {
    let regroups = matches!(name, "batch" | "slice" | "groupby" | "dictsort" | "items");
    environment.add_filter(name, move |state: &State, arguments: Rest<Value>| -> Result<Value, Error> {
        count(state, reads, &arguments)?;
        let value = filter.call(state, &arguments)?;
        if regroups {
            let items = arguments.first().and_then(Value::len).unwrap_or(0);
            Account::of(state).make(ITEM * items + PART * value.len().unwrap_or(0))?;
        }
        made(state, value)
    });
}

/// Adds a test.
pub(super) fn add_test(environment: &mut Environment<'_>, name: &'static str, reads: Reads, test: Value) {
    environment.add_test(name, move |state: &State, arguments: Rest<Value>| -> Result<Value, Error> {
        count(state, reads, &arguments)?;
        test.call(state, &arguments)
    });
}

fn count(state: &State, reads: Reads, arguments: &[Value]) -> Result<(), Error> {
    let account = Account::of(state);
    account.read(CALL)?;
    if matches!(reads, Reads::Items | Reads::Joined | Reads::Sorted)
        && let Some(text) = arguments.first().and_then(Value::as_str)
        && text.chars().nth(MAX_ITEMS).is_some()
    {
        return Err(refused(format!("a text of more than {MAX_ITEMS} characters is no list")));
    }
    arguments.iter().try_for_each(|argument| match reads {
        Reads::Little | Reads::Items => read_items(&account, argument),
        Reads::All | Reads::Joined => read(&account, argument).map(drop),
        Reads::SortedByKey if arguments.len() == 1 => read(&account, argument).map(drop),
        Reads::Sorted | Reads::SortedByKey => {
            let cost = read(&account, argument)?;
            account.read(LOOKS * cost)
        }
    })
}

/// What is checked of a filter's arguments before the engine gets them; the first is the filter's name.
type Check = fn(&str, &[Value]) -> Result<(), Error>;

/// Adds the engine's own filters and tests, and takes away what Jinja does not have.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    for name in ["chain", "zip", "lines", "split"] {
        environment.remove_filter(name);
    }
    for (name, reads, filter) in [
        ("safe", Reads::All, Value::from_function(filters::safe)),
        ("escape", Reads::All, Value::from_function(filters::escape)),
        ("e", Reads::All, Value::from_function(filters::escape)),
        ("title", Reads::All, Value::from_function(filters::title)),
        ("dictsort", Reads::SortedByKey, Value::from_function(filters::dictsort)),
        ("reverse", Reads::Little, Value::from_function(filters::reverse)),
        ("default", Reads::Little, Value::from_function(filters::default)),
        ("d", Reads::Little, Value::from_function(filters::default)),
        ("round", Reads::Little, Value::from_function(filters::round)),
        ("abs", Reads::Little, Value::from_function(filters::abs)),
        ("float", Reads::Little, Value::from_function(filters::float)),
        ("attr", Reads::Little, Value::from_function(filters::attr)),
        ("bool", Reads::Little, Value::from_function(filters::bool)),
        ("min", Reads::Sorted, Value::from_function(filters::min)),
        ("max", Reads::Sorted, Value::from_function(filters::max)),
        ("list", Reads::Items, Value::from_function(filters::list)),
        ("sum", Reads::Items, Value::from_function(filters::sum)),
        ("select", Reads::Items, Value::from_function(filters::select)),
        ("reject", Reads::Items, Value::from_function(filters::reject)),
        ("pprint", Reads::All, Value::from_function(pretty)),
    ] {
        add(environment, name, reads, filter);
    }
    let checked: [(_, _, Check, _); 10] = [
        ("sort", Reads::Sorted, short_path, Value::from_function(filters::sort)),
        ("unique", Reads::Sorted, short_path, Value::from_function(filters::unique)),
        ("groupby", Reads::Sorted, short_path, Value::from_function(filters::groupby)),
        ("batch", Reads::Items, small_count, Value::from_function(filters::batch)),
        ("slice", Reads::Items, small_count, Value::from_function(filters::slice)),
        ("map", Reads::Items, short_path, Value::from_function(filters::map)),
        ("selectattr", Reads::Items, short_path, Value::from_function(filters::selectattr)),
        ("rejectattr", Reads::Items, short_path, Value::from_function(filters::rejectattr)),
        ("indent", Reads::All, small_indent, Value::from_function(filters::indent)),
        ("format", Reads::All, small_format, Value::from_function(filters::format)),
    ];
    for (name, reads, check, filter) in checked {
        let filter = move |state: &State, arguments: Rest<Value>| -> Result<Value, Error> {
            check(name, &arguments)?;
            filter.call(state, &arguments)
        };
        add(environment, name, reads, Value::from_function(filter));
    }
    for (names, test) in [
        (&["eq", "equalto", "=="][..], Value::from_function(tests::is_eq)),
        (&["ne", "!="], Value::from_function(tests::is_ne)),
        (&["lt", "lessthan", "<"], Value::from_function(tests::is_lt)),
        (&["le", "<="], Value::from_function(tests::is_le)),
        (&["gt", "greaterthan", ">"], Value::from_function(tests::is_gt)),
        (&["ge", ">="], Value::from_function(tests::is_ge)),
        (&["in"], Value::from_function(tests::is_in)),
        (&["startingwith"], Value::from_function(tests::is_startingwith)),
        (&["endingwith"], Value::from_function(tests::is_endingwith)),
        (&["lower"], Value::from_function(tests::is_lower)),
        (&["upper"], Value::from_function(tests::is_upper)),
    ] {
        for name in names {
            add_test(environment, name, Reads::All, test.clone());
        }
    }
    add_test(environment, "sameas", Reads::Little, Value::from_function(tests::is_sameas));
    add_test(environment, "divisibleby", Reads::Little, Value::from_function(is_divisible));
}

/// Returns an argument by its place or by its name.
fn argument(arguments: &[Value], place: usize, name: &str) -> Option<Value> {
    let named = arguments.last().filter(|last| last.is_kwargs());
    let named = named.and_then(|named| named.get_attr(name).ok()).filter(|value| !value.is_undefined());
    named.or_else(|| arguments.get(place).filter(|value| !value.is_kwargs()).cloned())
}

fn small_count(_: &str, arguments: &[Value]) -> Result<(), Error> {
    let count = argument(arguments, 1, "count").and_then(|count| count.as_usize());
    if count.is_some_and(|count| count > MAX_PARTS) { Err(refused("a count beyond all reason")) } else { Ok(()) }
}

/// Refuses a long path of attributes, which is walked for each item.
fn short_path(name: &str, arguments: &[Value]) -> Result<(), Error> {
    // Of `map`, the place is that of a filter's name.
    let place = if name == "map" { usize::MAX } else { 1 };
    let path = argument(arguments, place, "attribute");
    let is_long = |path: &str| path.len() > 1 << 10 || path.split(['.', ',']).count() > MAX_PATH;
    if path.as_ref().and_then(Value::as_str).is_some_and(is_long) {
        return Err(refused("a path of attributes beyond all reason"));
    }
    Ok(())
}

fn small_indent(_: &str, arguments: &[Value]) -> Result<(), Error> {
    let width = argument(arguments, 1, "width").and_then(|width| width.as_usize()).unwrap_or(4);
    let text = arguments.first().and_then(Value::as_str).unwrap_or_default();
    let lines = 1 + text.matches('\n').count();
    fits(lines.saturating_mul(width).saturating_add(text.len()))
}

fn small_format(_: &str, arguments: &[Value]) -> Result<(), Error> {
    let Some((format, values)) = arguments.split_first() else { return Ok(()) };
    formats::checked(Fields::Percent, format.as_str().unwrap_or_default(), values)
}

fn is_divisible(value: &Value, by: &Value) -> Result<bool, Error> {
    match (i128::try_from(value.clone()), i128::try_from(by.clone())) {
        (Ok(_), Ok(0)) => Err(refused("division by zero")),
        (Ok(value), Ok(by)) => Ok(value.checked_rem(by).is_none_or(|rest| rest == 0)),
        _ => Ok(tests::is_divisibleby(value, by)),
    }
}

/// Prints as the engine's `pprint` does, which indents each level.
fn pretty(value: &Value) -> Result<String, Error> {
    let mut out = Limited(String::new());
    match write!(out, "{value:#?}") {
        Ok(()) => Ok(out.0),
        Err(_) => Err(fits(MAX_TEXT + 1).err().unwrap_or_else(|| refused("cannot be printed"))),
    }
}

/// A text that gets no longer than a value may be.
struct Limited(String);

impl fmt::Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_TEXT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
