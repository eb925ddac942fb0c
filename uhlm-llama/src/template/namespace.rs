//! The object whose attributes a template can set. It holds data alone, so that it cannot be put into itself; the
//! engine's own takes anything, which is why that is not used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object};
use minijinja::{Error, Value};

use super::measure::Weight;

/// A namespace.
#[derive(Default)]
pub(super) struct Namespace(Mutex<Attributes>);

#[derive(Default)]
struct Attributes {
    by_name: BTreeMap<Arc<str>, (Value, Weight)>,
    /// Weight of all of them; the depth is that of the deepest that there has been.
    total: Weight,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<namespace>")
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.attributes().by_name.get(key).map(|(value, _)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.attributes().by_name.keys().cloned().map(Value::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.attributes().by_name.len())
    }
}

impl Namespace {
    fn attributes(&self) -> MutexGuard<'_, Attributes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the weight of all attributes.
    pub(super) fn weight(&self) -> Weight {
        Weight { is_data: true, ..self.attributes().total }
    }

    /// Assigns an attribute, a value of this weight, which is data.
    ///
    /// # Errors
    /// An error where the namespace gets larger than a value may be.
    pub(super) fn set(&self, name: &str, value: Value, weight: Weight) -> Result<(), Error> {
        let mut attributes = self.attributes();
        let old = match attributes.by_name.get(name) {
            Some((_, old)) => *old,
            None => Weight::default(),
        };
        let key = if old.items == 0 { name.len() } else { 0 };
        let total = Weight {
            bytes: attributes.total.bytes + key + weight.bytes - old.bytes,
            items: attributes.total.items + weight.items - old.items,
            depth: attributes.total.depth.max(1 + weight.depth),
            is_data: true,
        };
        attributes.total = total.checked()?;
        match attributes.by_name.get_mut(name) {
            Some(slot) => *slot = (value, weight),
            None => drop(attributes.by_name.insert(name.into(), (value, weight))),
        }
        Ok(())
    }
}
