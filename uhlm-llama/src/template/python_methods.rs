//! Methods of Python's strings, lists and mappings, as far as minijinja-contrib has them otherwise or not at all.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, State, Value};

use super::formats::{self, Fields};
use super::limits::{Account, ITEM, MAX_ITEMS, fits, fits_items, refused};
use super::objects::{read, read_items};
use super::python_text::str_of;

/// Bytes that a key and a value in a list of their own count for.
const PAIR: usize = 6 * ITEM;

/// Calls a method that the engine does not know.
pub(super) fn call(state: &State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let account = Account::of(state);
    match value.kind() {
        // The value of `get` that stands in for a missing one is only handed on.
        ValueKind::Map => args.first().map_or(Ok(0), |key| read(&account, key)).map(drop)?,
        ValueKind::Seq if args.is_empty() => {}
        _ => {
            read(&account, value)?;
            args.iter().try_for_each(|argument| read(&account, argument).map(drop))?;
        }
    }
    match method {
        "keys" | "values" => read_items(&account, value)?,
        "items" => account.make(PAIR * value.len().unwrap_or(0))?,
        // Each part is a copy.
        "split" | "rsplit" | "splitlines" | "partition" | "rpartition" => {
            account.make(value.as_str().map_or(0, str::len))?;
        }
        _ => {}
    }
    let own = match value.kind() {
        ValueKind::String => of_string(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Map => of_map(value, method, args)?,
        ValueKind::Seq => of_list(value, method, args)?,
        _ => None,
    };
    match own {
        Some(value) => Ok(value),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// Tells whether Python takes a character for white space.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Returns `text.strip()`.
pub(super) fn stripped(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Returns `text.capitalize()`.
pub(super) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars.as_str().to_lowercase().chars()).collect())
}

/// Returns `text.replace(from, to, count)`.
pub(super) fn replaced(text: &str, from: &str, to: &str, count: i64) -> Result<String, Error> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let growth = to.len().saturating_sub(from.len());
    if growth > 0 {
        fits(text.matches(from).take(count).count().saturating_mul(growth).saturating_add(text.len()))?;
    }
    Ok(text.replacen(from, to, count))
}

/// Returns `separator.join(parts)`.
pub(super) fn joined(parts: &[String], separator: &str) -> Result<String, Error> {
    let between = separator.len().saturating_mul(parts.len().saturating_sub(1));
    fits(parts.iter().map(String::len).fold(between, usize::saturating_add))?;
    Ok(parts.join(separator))
}

/// Returns the characters that are to be cut off, unless there are more than anybody writes: each is looked for at each
/// place.
pub(super) fn few(chars: &str) -> Result<&str, Error> {
    if chars.len() > 256 { Err(refused("more characters than can be cut off")) } else { Ok(chars) }
}

/// Returns `text.center(width, fill)`.
pub(super) fn centered(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    // Python puts the odd one to the left where the width is odd.
    let left = missing / 2 + (missing & width & 1);
    padded(text, left, missing - left, fill)
}

fn padded(text: &str, left: usize, right: usize, fill: char) -> String {
    let fill = |count: usize| std::iter::repeat_n(fill, count);
    fill(left).chain(text.chars()).chain(fill(right)).collect()
}

fn of_string(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let has_cased = || text.chars().any(|c| c.is_uppercase() || c.is_lowercase());
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    Ok(Some(match method {
        "strip" => trimmed(text, args, true, true)?,
        "lstrip" => trimmed(text, args, true, false)?,
        "rstrip" => trimmed(text, args, false, true)?,
        "split" => split(text, args, false)?,
        "rsplit" => split(text, args, true)?,
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(args)?;
            let found = if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
            match found {
                Some((before, after)) => list([before, separator, after]),
                None if method == "partition" => list([text, "", ""]),
                None => list(["", "", text]),
            }
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            text.strip_prefix(prefix).unwrap_or(text).into()
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            text.strip_suffix(suffix).unwrap_or(text).into()
        }
        "find" | "index" => found(text, method == "index", args, |text, what| text.find(what))?,
        "rfind" | "rindex" => found(text, method == "rindex", args, |text, what| text.rfind(what))?,
        "join" => {
            let (items,): (&Value,) = from_args(args)?;
            let text_of = |item: Value| {
                let text = item.as_str().map(str::to_owned);
                text.ok_or_else(|| refused(format!("join expects strings, not {}", item.kind())))
            };
            joined(&items.try_iter()?.map(text_of).collect::<Result<Vec<_>, Error>>()?, text)?.into()
        }
        "startswith" | "endswith" if args.len() > 1 => {
            let (part, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
            let within = within(text, start, end);
            if method == "startswith" { within.starts_with(part) } else { within.ends_with(part) }.into()
        }
        "count" => {
            let (what,): (&str,) = from_args(args)?;
            text.matches(what).count().into()
        }
        "format" => {
            formats::checked(Fields::Braces, text, args)?;
            return Ok(None);
        }
        "capitalize" => capitalized(text).into(),
        "casefold" => text.to_lowercase().replace('\u{df}', "ss").into(),
        "swapcase" => swapped(text).into(),
        "title" => titled(text).into(),
        "replace" => {
            let (from, to, count): (&str, &str, Option<i64>) = from_args(args)?;
            replaced(text, from, to, count.unwrap_or(-1))?.into()
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let missing = bounded(width)?.saturating_sub(text.chars().count());
            format!("{sign}{}{digits}", "0".repeat(missing)).into()
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<char>) = from_args(args)?;
            let (width, fill) = (bounded(width)?, fill.unwrap_or(' '));
            let missing = width.saturating_sub(text.chars().count());
            match method {
                "ljust" => padded(text, 0, missing, fill),
                "rjust" => padded(text, missing, 0, fill),
                _ => centered(text, width, fill),
            }
            .into()
        }
        "expandtabs" => {
            let (size,): (Option<usize>,) = from_args(args)?;
            let size = bounded(size.unwrap_or(8))?;
            fits(text.matches('\t').count().saturating_mul(size).saturating_add(text.len()))?;
            expanded(text, size).into()
        }
        "splitlines" => {
            let (keep, kwargs): (Option<bool>, Kwargs) = from_args(args)?;
            let named: Option<bool> = kwargs.get("keepends")?;
            listed(lines(text, keep.or(named).unwrap_or(false)))?
        }
        "isdigit" | "isdecimal" => all(|c| c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric())).into(),
        "isnumeric" => all(char::is_numeric).into(),
        "isalnum" => all(char::is_alphanumeric).into(),
        "isalpha" => all(char::is_alphabetic).into(),
        "isspace" => all(is_space).into(),
        "isupper" => (has_cased() && !text.chars().any(char::is_lowercase)).into(),
        "islower" => (has_cased() && !text.chars().any(char::is_uppercase)).into(),
        "istitle" => (has_cased() && titled(text) == text).into(),
        "isidentifier" => {
            let starts = text.starts_with(|c: char| c == '_' || c.is_alphabetic());
            (starts && text.chars().all(|c| c == '_' || c.is_alphanumeric())).into()
        }
        _ => return Ok(None),
    }))
}

/// Returns a width, unless it is beyond anything that a text is padded to.
pub(super) fn bounded(width: usize) -> Result<usize, Error> {
    if width > 1 << 20 { Err(refused("a width beyond all reason")) } else { Ok(width) }
}

fn trimmed(text: &str, args: &[Value], left: bool, right: bool) -> Result<Value, Error> {
    let (chars,): (Option<&str>,) = from_args(args)?;
    let chars = chars.map(few).transpose()?;
    let is_cut = |c: char| chars.map_or_else(|| is_space(c), |chars| chars.contains(c));
    let text = if left { text.trim_start_matches(is_cut) } else { text };
    Ok(if right { text.trim_end_matches(is_cut) } else { text }.into())
}

/// Returns `text.split` or `text.rsplit` of the arguments.
fn split(text: &str, args: &[Value], from_the_right: bool) -> Result<Value, Error> {
    let (separator, most, kwargs): (Option<Value>, Option<i64>, Kwargs) = from_args(args)?;
    let (named, named_most): (Option<Value>, Option<i64>) = (kwargs.get("sep")?, kwargs.get("maxsplit")?);
    kwargs.assert_all_used()?;
    let separator = separator.or(named).filter(|separator| !separator.is_none() && !separator.is_undefined());
    let most = most.or(named_most).and_then(|most| usize::try_from(most).ok());
    let parts: Vec<&str> = match &separator {
        Some(separator) => {
            let separator = separator.as_str().filter(|separator| !separator.is_empty());
            let separator = separator.ok_or_else(|| refused("split expects a separator that is a string"))?;
            match (most, from_the_right) {
                (None, _) => text.split(separator).take(MAX_ITEMS + 1).collect(),
                (Some(most), false) => text.splitn(most.saturating_add(1), separator).take(MAX_ITEMS + 1).collect(),
                (Some(most), true) => {
                    reversed(text.rsplitn(most.saturating_add(1), separator).take(MAX_ITEMS + 1).collect())
                }
            }
        }
        None => words(text, most.unwrap_or(usize::MAX), from_the_right),
    };
    listed(parts)
}

/// Makes a list, unless it has more items than any may have.
fn listed(parts: Vec<&str>) -> Result<Value, Error> {
    fits_items(parts.len())?;
    Ok(list(parts))
}

fn reversed<T>(mut items: Vec<T>) -> Vec<T> {
    items.reverse();
    items
}

/// Splits at white space, at most `most` times; the rest keeps its own.
fn words(text: &str, most: usize, from_the_right: bool) -> Vec<&str> {
    let (mut rest, mut words) = (text.trim_start_matches(is_space), Vec::new());
    if from_the_right || most == usize::MAX {
        rest = if from_the_right { text.trim_end_matches(is_space) } else { stripped(text) };
    }
    while !rest.is_empty() {
        let space = if from_the_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(space) = space.filter(|_| words.len() < most && words.len() <= MAX_ITEMS) else {
            words.push(rest);
            break;
        };
        if from_the_right {
            let after = space + rest[space..].chars().next().map_or(1, char::len_utf8);
            words.push(&rest[after..]);
            rest = rest[..space].trim_end_matches(is_space);
        } else {
            words.push(&rest[..space]);
            rest = rest[space..].trim_start_matches(is_space);
        }
    }
    if from_the_right { reversed(words) } else { words }
}

/// Returns the place of a part, counted in characters, as Python does; -1 or an error where nothing is found.
fn found(text: &str, fails: bool, args: &[Value], find: fn(&str, &str) -> Option<usize>) -> Result<Value, Error> {
    let (what, start, end): (&str, Option<i64>, Option<i64>) = from_args(args)?;
    let part = within(text, start, end);
    let before = text[..part.as_ptr() as usize - text.as_ptr() as usize].chars().count();
    match find(part, what) {
        Some(at) => Ok((before + part[..at].chars().count()).into()),
        None if fails => Err(refused("substring not found")),
        None => Ok((-1).into()),
    }
}

/// Returns `text[start:end]`.
fn within(text: &str, start: Option<i64>, end: Option<i64>) -> &str {
    let length = text.chars().count() as i64;
    let place = |at: i64| if at < 0 { (length + at).max(0) } else { at.min(length) };
    let byte = |at: i64| text.char_indices().nth(at as usize).map_or(text.len(), |(byte, _)| byte);
    let (start, end) = (byte(place(start.unwrap_or(0))), byte(place(end.unwrap_or(length))));
    text.get(start..end).unwrap_or_else(|| &text[start..start])
}

fn swapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_uppercase() { out.extend(c.to_lowercase()) } else { out.extend(c.to_uppercase()) }
    }
    out
}

fn titled(text: &str) -> String {
    let mut in_word = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if in_word {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        in_word = c.is_alphabetic();
    }
    out
}

fn expanded(text: &str, size: usize) -> String {
    let (mut out, mut column) = (String::with_capacity(text.len()), 0);
    for c in text.chars() {
        match c {
            '\t' if size == 0 => {}
            '\t' => {
                let missing = size - column % size;
                out.extend(std::iter::repeat_n(' ', missing));
                column += missing;
            }
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            _ => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// Splits a text into lines where Python ends them.
fn lines(text: &str, keep: bool) -> Vec<&str> {
    const ENDS: [char; 10] =
        ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let (mut rest, mut lines) = (text, Vec::new());
    while !rest.is_empty() && lines.len() <= MAX_ITEMS {
        let end = rest.find(ENDS).unwrap_or(rest.len());
        let mark =
            if rest[end..].starts_with("\r\n") { 2 } else { rest[end..].chars().next().map_or(0, char::len_utf8) };
        lines.push(if keep { &rest[..end + mark] } else { &rest[..end] });
        rest = &rest[end + mark..];
    }
    lines
}

fn of_map(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match method {
        "copy" => {
            let () = from_args(args)?;
            Some(value.clone())
        }
        // Views can be printed and counted there, which an iterator cannot.
        "keys" => {
            let () = from_args(args)?;
            Some(list(value.try_iter()?))
        }
        "values" | "items" => {
            let () = from_args(args)?;
            let pair = |key: Value| {
                let item = value.get_item(&key).unwrap_or_default();
                if method == "values" { item } else { list([key, item]) }
            };
            Some(list(value.try_iter()?.map(pair)))
        }
        _ => None,
    })
}

fn of_list(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match method {
        "copy" => {
            let () = from_args(args)?;
            Some(value.clone())
        }
        "index" => {
            let (what,): (&Value,) = from_args(args)?;
            let place = value.try_iter()?.position(|item| item == *what);
            Some(place.ok_or_else(|| refused(format!("{} is not in the list", str_of(what))))?.into())
        }
        _ => None,
    })
}

/// Makes a list.
fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::from(items.into_iter().map(Into::into).collect::<Vec<Value>>())
}
