//! How large and how deep a value is, and lists and mappings that know it of themselves.
//!
//! The engine has no place to stop a value that grows, so each list, mapping and text that a template makes is weighed
//! before anything else can be done with it. A list remembers its weight: a list of lists costs as many looks as it has
//! lists.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};

use super::limits::{Account, ITEM, MAX_DEPTH, fits, fits_items, refused};
use super::measure::{Weight, too_deep};
use super::namespace::Namespace;

/// Bytes that a list or a mapping counts for, beside its items.
const BYTES_OF_LIST: usize = 6 * ITEM;
/// Bytes that a key and a value in a mapping count for.
const PAIR: usize = 4 * ITEM;
/// Longest text that the engine keeps within the value itself.
const SHORT: usize = 22;

/// A list or a mapping of the engine's with its weight.
struct Weighed {
    inner: DynObject,
    weight: Weight,
}

impl fmt::Debug for Weighed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl Object for Weighed {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.inner.repr()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.inner.get_value(key)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.inner.get_value_by_str(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.inner.enumerate()
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.inner.enumerator_len()
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.inner.is_true()
    }

    fn call_method(self: &Arc<Self>, state: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        self.inner.call_method(state, method, args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.render(f)
    }
}

/// What a value is to a template.
pub(super) enum Content<'a> {
    /// A text, a number or the like, with its number of bytes.
    Scalar(usize),
    /// A list.
    List(&'a DynObject),
    /// A mapping that is data.
    Map(&'a DynObject),
    /// A namespace.
    Namespace(&'a Namespace),
    /// A loop, a macro, or what can be called and nothing else.
    Other,
}

/// Tells what a value is.
pub(super) fn content(value: &Value) -> Content<'_> {
    let Some(object) = value.as_object() else {
        return Content::Scalar(value.as_bytes().map_or(0, <[u8]>::len));
    };
    if let Some(namespace) = object.downcast_ref::<Namespace>() {
        return Content::Namespace(namespace);
    }
    match object.repr() {
        ObjectRepr::Seq | ObjectRepr::Iterable => Content::List(object),
        ObjectRepr::Map if object.downcast_ref::<Weighed>().is_some() => Content::Map(object),
        // The engine names the fields of its own objects, and has none of these for data.
        ObjectRepr::Map => match object.enumerate() {
            Enumerator::Str(_) | Enumerator::Values(_) | Enumerator::NonEnumerable => Content::Other,
            _ => Content::Map(object),
        },
        _ => Content::Other,
    }
}

/// Returns the weight of a value.
///
/// # Errors
/// An error for a value that is larger or deeper than any may be.
pub(super) fn weigh(value: &Value) -> Result<Weight, Error> {
    weigh_within(value, MAX_DEPTH)
}

fn weigh_within(value: &Value, levels: usize) -> Result<Weight, Error> {
    if let Some(weighed) = value.downcast_object_ref::<Weighed>() {
        return Ok(weighed.weight);
    }
    let mut weight = Weight { bytes: 0, items: 1, depth: 0, is_data: true };
    let deeper = |levels: usize| levels.checked_sub(1).ok_or_else(too_deep);
    match content(value) {
        Content::Scalar(bytes) => weight.bytes = bytes,
        Content::Namespace(_) | Content::Other => weight.is_data = false,
        Content::List(list) => {
            let levels = deeper(levels)?;
            weight.depth = 1;
            for item in list.try_iter().into_iter().flatten() {
                weight.add(weigh_within(&item, levels)?)?;
            }
        }
        Content::Map(map) => {
            let levels = deeper(levels)?;
            weight.depth = 1;
            for (key, item) in map.try_iter_pairs().into_iter().flatten() {
                weight.add(weigh_within(&key, levels)?)?;
                weight.add(weigh_within(&item, levels)?)?;
            }
        }
    }
    Ok(weight)
}

/// Takes a value that a template has just made: counts it, weighs it, and makes a list of what is only promised.
///
/// # Errors
/// An error for a value, or a rendering, that is too large.
pub(super) fn made(state: &State, value: Value) -> Result<Value, Error> {
    match content(&value) {
        Content::Scalar(bytes) if bytes <= SHORT => {
            if value.kind() == ValueKind::Invalid {
                Err(refused(value.to_string()))
            } else {
                Ok(value)
            }
        }
        Content::Scalar(bytes) => {
            fits(bytes)?;
            Account::of(state).make(bytes + ITEM)?;
            Ok(value)
        }
        Content::Namespace(_) | Content::Other => Ok(value),
        Content::List(list) | Content::Map(list) if list.downcast_ref::<Weighed>().is_some() => Ok(value),
        Content::List(list) if list.repr() == ObjectRepr::Iterable => {
            let (account, mut items) = (Account::of(state), Vec::new());
            for item in list.try_iter().into_iter().flatten() {
                account.make(ITEM)?;
                fits_items(items.len() + 1)?;
                if item.kind() == ValueKind::Invalid {
                    return Err(refused(item.to_string()));
                }
                items.push(item);
            }
            weighed(&account, Value::from(items))
        }
        Content::List(list) => {
            let account = Account::of(state);
            account.make(ITEM * list.enumerator_len().unwrap_or(0))?;
            weighed(&account, value)
        }
        Content::Map(map) => {
            let account = Account::of(state);
            account.make(PAIR * map.enumerator_len().unwrap_or(0))?;
            weighed(&account, value)
        }
    }
}

fn weighed(account: &Account, value: Value) -> Result<Value, Error> {
    account.make(BYTES_OF_LIST)?;
    let weight = weigh(&value)?.checked()?;
    account.read(ITEM * weight.items)?;
    let Some(inner) = value.as_object().cloned() else { return Ok(value) };
    Ok(Value::from_object(Weighed { inner, weight }))
}
