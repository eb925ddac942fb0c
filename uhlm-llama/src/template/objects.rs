//! The objects that a template can make: namespaces, joiners and cyclers.
//!
//! They hold data alone, so none of them can be put into itself, and none is deeper than a value may be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minijinja::value::{Object, ObjectRepr, Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::limits::{Account, ITEM, refused};
use super::measure::Weight;
use super::namespace::Namespace;
use super::weight::{Content, content, weigh};

/// Bytes that an attribute counts for where many are made.
const BYTES_OF_ATTRIBUTE: usize = 4 * ITEM;

/// Returns the weight of a value that is data.
fn data(value: &Value) -> Result<Weight, Error> {
    let weight = weigh(value)?;
    if weight.is_data { Ok(weight) } else { Err(refused("an object cannot be kept in another one")) }
}

/// Assigns an attribute of a namespace.
///
/// # Errors
/// An error for a value that is more than data, or where the namespace gets larger than a value may be.
pub(super) fn set(namespace: &Namespace, name: &str, value: Value) -> Result<(), Error> {
    // A joiner, a cycler and a function hold data alone, or nothing.
    let is_plain = value.kind() == ValueKind::Plain;
    let weight = if is_plain { Weight { items: 1, ..Weight::default() } } else { data(&value)? };
    namespace.set(name, value, weight)
}

/// Makes a namespace of keyword arguments, of a mapping, or of nothing.
pub(super) fn namespace(state: &State, defaults: Option<Value>) -> Result<Value, Error> {
    let namespace = Namespace::default();
    if let Some(defaults) = defaults {
        let map = defaults.as_object().filter(|object| object.repr() == ObjectRepr::Map);
        let pairs = map
            .and_then(|map| map.try_iter_pairs())
            .ok_or_else(|| refused(format!("expected object or keyword arguments, got {}", defaults.kind())))?;
        let account = Account::of(state);
        for (key, value) in pairs {
            account.make(BYTES_OF_ATTRIBUTE)?;
            if let Some(key) = key.as_str() {
                set(&namespace, key, value)?;
            }
        }
    }
    Ok(Value::from_object(namespace))
}

/// Counts what is looked at of a value, a text or all that is in a list, a mapping or a namespace. Returns its cost.
///
/// # Errors
/// An error for an object, and for a list or a mapping that holds one, or a namespace: they change, or refer to what
/// holds them.
pub(super) fn read(account: &Account, value: &Value) -> Result<usize, Error> {
    let weight = match content(value) {
        Content::Namespace(namespace) => namespace.weight(),
        _ => weigh(value)?,
    };
    if !weight.is_data {
        return Err(refused("an object, or a list that holds one, can be neither printed nor compared"));
    }
    account.read(weight.cost())?;
    Ok(weight.cost())
}

/// Counts what is looked at of a value whose items are not looked into.
pub(super) fn read_items(account: &Account, value: &Value) -> Result<(), Error> {
    account.read(match content(value) {
        Content::Scalar(bytes) => bytes + ITEM,
        _ => ITEM * (1 + value.len().unwrap_or(0)),
    })
}

/// The separator that is empty the first time.
struct Joiner {
    separator: Value,
    is_used: AtomicBool,
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<joiner>")
    }
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let () = from_args(args)?;
        let is_used = self.is_used.swap(true, Ordering::Relaxed);
        Ok(if is_used { self.separator.clone() } else { Value::from("") })
    }
}

/// Makes a joiner.
pub(super) fn joiner(separator: Option<Value>) -> Result<Value, Error> {
    let separator = separator.unwrap_or_else(|| Value::from(", "));
    data(&separator)?;
    Ok(Value::from_object(Joiner { separator, is_used: AtomicBool::new(false) }))
}

/// Values that come round and round.
struct Cycler {
    items: Vec<Value>,
    place: AtomicUsize,
}

impl fmt::Debug for Cycler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<cycler>")
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "next" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let () = from_args(args)?;
        let place = self.place.load(Ordering::Relaxed);
        self.place.store((place + 1) % self.items.len(), Ordering::Relaxed);
        Ok(self.items[place].clone())
    }
}

/// Makes a cycler.
pub(super) fn cycler(items: Rest<Value>) -> Result<Value, Error> {
    if items.is_empty() {
        return Err(refused("at least one value required"));
    }
    items.iter().try_for_each(|item| data(item).map(drop))?;
    Ok(Value::from_object(Cycler { items: items.0, place: AtomicUsize::new(0) }))
}
