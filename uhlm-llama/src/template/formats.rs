//! How long a formatted text can get, before it is made: widths are numbers, and a field can be named many times.

use minijinja::{Error, Value};

use super::limits::{ITEM, fits};
use super::weight::{Content, content, weigh};

/// Bytes that one byte of a text in a list takes where it is printed with escapes.
const ESCAPED: usize = 10;

/// How the fields of a format are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// `%5d`
    Percent,
    /// `{:5}`
    Braces,
}

/// Refuses a format whose text may be longer than any value may be: its own length, all widths, each argument once, and
/// the longest one for each field that names one.
pub(super) fn checked(fields: Fields, format: &str, arguments: &[Value]) -> Result<(), Error> {
    let (mut most, mut widest) = (format.len(), 0);
    for argument in arguments {
        let size = match content(argument) {
            Content::Scalar(bytes) => bytes + ITEM,
            _ => weigh(argument)?.cost().saturating_mul(ESCAPED),
        };
        most = most.saturating_add(size);
        widest = widest.max(size);
    }
    let begin = if fields == Fields::Percent { '%' } else { '{' };
    for (at, _) in format.match_indices(begin) {
        let rest = &format[at + 1..];
        let (is_named, numbers) = match fields {
            Fields::Percent => {
                let named = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
                let rest = named.map_or(rest, |(_, rest)| rest);
                let is_spec = |c: char| c.is_ascii_digit() || "#- +.*".contains(c);
                (named.is_some(), &rest[..rest.find(|c| !is_spec(c)).unwrap_or(rest.len())])
            }
            Fields::Braces => {
                let field = &rest[..rest.find(['{', '}']).unwrap_or(rest.len())];
                let (name, spec) = field.split_once(':').unwrap_or((field, ""));
                (!name.is_empty(), spec)
            }
        };
        most = most.saturating_add(widths(numbers)).saturating_add(if is_named { widest } else { 0 });
    }
    fits(most)
}

/// Returns the sum of the numbers in the part of a field that says how wide it is.
fn widths(spec: &str) -> usize {
    let numbers = spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.fold(0, |sum: usize, digits| sum.saturating_add(digits.parse().unwrap_or(usize::MAX)))
}
