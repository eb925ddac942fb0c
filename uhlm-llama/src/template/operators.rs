//! What a guarded program calls in place of the engine's own operators, or before and after them. They are filters
//! whose names no template can write; one that calls them by name, through `map`, gets nothing that it does not have.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::limits::{Account, ITEM as BYTES_OF_ITEM, fits, fits_items, refused};
use super::namespace::Namespace;
use super::objects::{self, read, read_items};
use super::python_text::str_of;
use super::weight::{Content, content, made};

/// Takes what an instruction has just made.
pub(super) const MADE: &str = "%made";
/// Makes a mapping of keys and values in turn.
pub(super) const MAP: &str = "%map";
/// Makes keyword arguments of mappings.
pub(super) const KWARGS: &str = "%kwargs";
/// Makes one list of the lists of a call's arguments.
pub(super) const SPREAD: &str = "%spread";
/// Takes the two values that are to be multiplied.
pub(super) const FACTORS: &str = "%factors";
/// Takes the two values that are to be compared.
pub(super) const COMPARED: &str = "%compared";
/// Takes an object and the arguments of its method.
pub(super) const CALLED: &str = "%called";
/// Takes what a loop is to run over.
pub(super) const LOOPED: &str = "%looped";
/// Takes a macro that has just been defined.
pub(super) const MACRO: &str = "%macro";
/// Assigns an attribute of a namespace.
pub(super) const SET: &str = "%set";
/// The operators.
pub(super) const CONCATENATED: &str = "%concatenated";
pub(super) const SLICED: &str = "%sliced";
pub(super) const ITEM: &str = "%item";
pub(super) const IN: &str = "%in";
pub(super) const EQ: &str = "%eq";
pub(super) const NE: &str = "%ne";
pub(super) const LT: &str = "%lt";
pub(super) const LE: &str = "%le";
pub(super) const GT: &str = "%gt";
pub(super) const GE: &str = "%ge";

/// Largest number of arguments of a call that are given as lists.
const MAX_ARGUMENTS: usize = 10_000;
/// Bytes that a macro counts for where it is defined: each is kept until the rendering ends, and copied by calls.
const BYTES_OF_MACRO: usize = 16 << 10;

/// Adds all of them to an environment.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter(MADE, |state: &State, value: Value| made(state, value));
    environment.add_filter(MAP, map);
    environment.add_filter(KWARGS, kwargs);
    environment.add_filter(SPREAD, spread);
    environment.add_filter(FACTORS, factors);
    environment.add_filter(COMPARED, compared);
    environment.add_filter(CALLED, called);
    environment.add_filter(LOOPED, looped);
    environment
        .add_filter(MACRO, |state: &State, value: Value| Account::of(state).make(BYTES_OF_MACRO).map(|()| value));
    environment.add_filter(SET, set);
    environment.add_filter(CONCATENATED, concatenated);
    environment.add_filter(SLICED, sliced);
    environment.add_filter(ITEM, item);
    environment.add_filter(IN, is_in);
    environment.add_filter(EQ, |state: &State, a: &Value, b: &Value| equal(state, a, b));
    environment.add_filter(NE, |state: &State, a: &Value, b: &Value| equal(state, a, b).map(|equal| !equal));
    environment.add_filter(LT, |state: &State, a: &Value, b: &Value| both(state, a, b).map(|()| a < b));
    environment.add_filter(LE, |state: &State, a: &Value, b: &Value| both(state, a, b).map(|()| a <= b));
    environment.add_filter(GT, |state: &State, a: &Value, b: &Value| both(state, a, b).map(|()| a > b));
    environment.add_filter(GE, |state: &State, a: &Value, b: &Value| both(state, a, b).map(|()| a >= b));
}

/// Counts two values that are to be compared: only lists, mappings and texts take time.
fn both(state: &State, a: &Value, b: &Value) -> Result<(), Error> {
    match (content(a), content(b)) {
        (Content::Scalar(a), Content::Scalar(b)) if a.min(b) < BYTES_OF_ITEM => Ok(()),
        (Content::Scalar(a), Content::Scalar(b)) => Account::of(state).read(a.min(b)),
        (Content::Scalar(_), _) | (_, Content::Scalar(_)) => Ok(()),
        _ => {
            let account = Account::of(state);
            read(&account, a)?;
            read(&account, b).map(drop)
        }
    }
}

fn equal(state: &State, a: &Value, b: &Value) -> Result<bool, Error> {
    let is_other =
        |value: &Value| matches!(content(value), Content::Other) && value.downcast_object_ref::<Namespace>().is_none();
    // An object is equal to itself alone, as in Python.
    if is_other(a) || is_other(b) {
        return Ok(minijinja::tests::is_sameas(a, b));
    }
    both(state, a, b)?;
    Ok(a == b)
}

fn compared(state: &State, values: Value) -> Result<Value, Error> {
    both(state, &values.get_item_by_index(0)?, &values.get_item_by_index(1)?)?;
    Ok(values)
}

/// Counts what the engine goes through where it takes a value apart.
fn taken_apart(state: &State, value: &Value) -> Result<(), Error> {
    match content(value) {
        Content::Scalar(bytes) if bytes > BYTES_OF_ITEM => Account::of(state).read(bytes),
        // Its names are copied.
        Content::Namespace(_) => read_items(&Account::of(state), value),
        _ => Ok(()),
    }
}

fn looped(state: &State, value: Value) -> Result<Value, Error> {
    taken_apart(state, &value)?;
    Ok(value)
}

fn called(state: &State, values: Value) -> Result<Value, Error> {
    let account = Account::of(state);
    let mut arguments = values.try_iter()?.skip(1).peekable();
    if arguments.peek().is_none() {
        return Err(Error::from(ErrorKind::MissingArgument));
    }
    arguments.try_for_each(|argument| read(&account, &argument).map(drop))?;
    Ok(values)
}

fn map(state: &State, values: &Value) -> Result<Value, Error> {
    let (account, mut values, mut pairs) = (Account::of(state), values.try_iter()?, Vec::new());
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        read(&account, &key)?;
        pairs.push((key, value));
    }
    made(state, pairs.into_iter().collect())
}

fn kwargs(state: &State, maps: &Value) -> Result<Value, Error> {
    let (account, mut all) = (Account::of(state), Vec::new());
    for map in maps.try_iter()? {
        read_items(&account, &map)?;
        let pairs = map.as_object().filter(|_| map.kind() == ValueKind::Map).and_then(|map| map.try_iter_pairs());
        let pairs = pairs.ok_or_else(|| {
            refused(format!("attempted to apply keyword arguments from non map (got {})", map.kind()))
        })?;
        for (key, value) in pairs {
            let name = key.as_str().ok_or_else(|| refused("non string keys passed to kwargs"))?;
            all.push((name.to_owned(), value));
        }
        fits_items(all.len())?;
    }
    Ok(all.into_iter().collect::<Kwargs>().into())
}

fn spread(state: &State, lists: &Value) -> Result<Value, Error> {
    let (account, mut all) = (Account::of(state), Vec::new());
    for list in lists.try_iter()? {
        read_items(&account, &list)?;
        for item in list.try_iter()? {
            if all.len() >= MAX_ARGUMENTS {
                return Err(refused(format!("a call with more than {MAX_ARGUMENTS} arguments")));
            }
            looped(state, item.clone())?;
            all.push(item);
        }
    }
    Ok(all.into())
}

/// Refuses a product of a text or a list that is larger than any value may be. The engine multiplies what is left.
fn factors(values: Value) -> Result<Value, Error> {
    let (a, b) = (values.get_item_by_index(0)?, values.get_item_by_index(1)?);
    for (what, count) in [(&a, &b), (&b, &a)] {
        let Some(count) = count.as_usize() else { continue };
        match content(what) {
            Content::Scalar(bytes) if what.as_str().is_some() => fits(bytes.saturating_mul(count))?,
            // A list of nothing takes as many steps.
            Content::List(list) => fits_items(list.enumerator_len().unwrap_or(0).max(1).saturating_mul(count))?,
            _ => {}
        }
    }
    Ok(values)
}

/// Assigns as the engine does: the value, the namespace and the name of the attribute lie on the stack in turn.
fn set(value: Value, namespace: &Value, name: &str) -> Result<(), Error> {
    match namespace.downcast_object_ref::<Namespace>() {
        Some(namespace) => objects::set(namespace, name, value),
        None => Err(refused(format!("can only assign to namespaces, not {}", namespace.kind()))),
    }
}

fn concatenated(state: &State, a: &Value, b: &Value) -> Result<Value, Error> {
    let account = Account::of(state);
    read(&account, a)?;
    read(&account, b)?;
    let (mut text, more) = (str_of(a), str_of(b));
    fits(text.len() + more.len())?;
    text.push_str(&more);
    made(state, text.into())
}

fn item(state: &State, container: &Value, key: &Value) -> Result<Value, Error> {
    if key.as_object().is_some() || container.kind() == ValueKind::String {
        let account = Account::of(state);
        read(&account, key)?;
        taken_apart(state, container)?;
    } else {
        taken_apart(state, key)?;
    }
    container.get_item(key)
}

fn is_in(state: &State, value: &Value, container: &Value) -> Result<bool, Error> {
    if container.is_undefined() {
        return Ok(false);
    }
    let account = Account::of(state);
    match content(container) {
        Content::Scalar(bytes) if container.as_str().is_some() => {
            account.read(bytes)?;
            read(&account, value)?;
            let text = container.as_str().unwrap_or_default();
            Ok(value.as_str().map_or_else(|| text.contains(&value.to_string()), |part| text.contains(part)))
        }
        Content::Map(object) => {
            read(&account, value)?;
            Ok(object.get_value(value).is_some())
        }
        Content::Namespace(_) | Content::Other => {
            read(&account, value)?;
            Ok(container.as_object().is_some_and(|object| object.get_value(value).is_some()))
        }
        Content::List(list) => {
            // Values that are compared to a text or a number take no more time than these.
            if value.as_object().is_some() {
                read(&account, container)?;
            } else {
                read_items(&account, container)?;
            }
            for item in list.try_iter().into_iter().flatten() {
                if equal(state, &item, value)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Content::Scalar(_) => Err(refused("cannot perform a containment check on this value")),
    }
}

/// Returns `value[start:stop:step]`, of nothing an empty list.
fn sliced(state: &State, value: &Value, bounds: Rest<Value>) -> Result<Value, Error> {
    let bound = |place: usize| match bounds.get(place) {
        Some(bound) if !bound.is_none() => i64::try_from(bound.clone()).map(Some),
        _ => Ok(None),
    };
    let (start, stop, step) = (bound(0)?, bound(1)?, bound(2)?.unwrap_or(1));
    if step == 0 {
        return Err(refused("cannot slice by step size of 0"));
    }
    let account = Account::of(state);
    read_items(&account, value)?;
    if let Some(text) = value.as_str() {
        let places = places(text.chars().count(), start, stop, step);
        let part: String = match (step, places.clone().next()) {
            (_, None) => String::new(),
            (1, Some(first)) => text.chars().skip(first).take(places.count()).collect(),
            _ => {
                let chars: Vec<char> = text.chars().collect();
                places.map(|place| chars[place]).collect()
            }
        };
        return made(state, part.into());
    }
    match content(value) {
        Content::List(list) => {
            let items: Vec<Value> = list.try_iter().into_iter().flatten().collect();
            made(state, places(items.len(), start, stop, step).map(|place| items[place].clone()).collect())
        }
        _ if value.is_undefined() || value.is_none() => Ok(Value::from(Vec::<Value>::new())),
        _ => Err(refused(format!("value of type {} cannot be sliced", value.kind()))),
    }
}

/// Returns the places that Python takes for a slice of `length`.
fn places(length: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> + Clone {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let within = |place: i64| if place < 0 { place.saturating_add(length).max(lowest) } else { place.min(highest) };
    let (first, last) = if step > 0 { (lowest, highest) } else { (highest, lowest) };
    let (first, last) = (start.map_or(first, within), stop.map_or(last, within));
    let goes_on = move |place: &i64| if step > 0 { *place < last } else { *place > last };
    std::iter::successors(Some(first), move |place| place.checked_add(step))
        .take_while(goes_on)
        .filter_map(|place| usize::try_from(place).ok())
}
