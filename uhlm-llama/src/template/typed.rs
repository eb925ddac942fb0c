//! Keeps what somebody typed apart from what the template wrote, where a control token's name was typed.
//!
//! Templates look into what is said: they trim it, cut it, search it. So it goes through them as it is, but for one
//! character of the private use area behind a character of each name that was typed. Where these come out again, the
//! names are text; the marks themselves never leave this module. Which character that is, is chosen so that neither
//! the template nor anything that was said contains it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use uhlm_law::chat::{Part, Rendered};

/// A control token's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlName {
    pub(crate) text: String,
    /// Whether white space before it is not tokenised.
    pub(crate) strips_left: bool,
    /// Whether white space after it is not tokenised.
    pub(crate) strips_right: bool,
}

/// The names of a vocabulary's control tokens, which llama.cpp reads in a text as those tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct ControlNames {
    /// Names by their first characters, the longest first.
    by_first: HashMap<char, Vec<ControlName>>,
    all: Vec<String>,
}

impl ControlNames {
    pub(crate) fn new(names: impl IntoIterator<Item = ControlName>) -> Self {
        let mut by_first: HashMap<char, Vec<ControlName>> = HashMap::new();
        let mut all = Vec::new();
        for name in names {
            if let Some(first) = name.text.chars().next() {
                all.push(name.text.clone());
                by_first.entry(first).or_default().push(name);
            }
        }
        by_first.values_mut().for_each(|names| names.sort_by_key(|name| std::cmp::Reverse(name.text.len())));
        Self { by_first, all }
    }

    fn of_first(&self, text: &str) -> &[ControlName] {
        text.chars().next().and_then(|first| self.by_first.get(&first)).map_or(&[], Vec::as_slice)
    }

    /// Returns the longest name that `text` begins with.
    fn at(&self, text: &str) -> Option<&ControlName> {
        self.of_first(text).iter().find(|name| text.starts_with(&name.text))
    }

    /// Tells whether a name begins where `text` does and is complete in it, or may be completed by what follows it.
    fn may_begin(&self, text: &str) -> bool {
        self.of_first(text).iter().any(|name| text.starts_with(&name.text) || name.text.starts_with(text))
    }

    /// Tells whether a name that began before `text` may end in it, or go on beyond it.
    fn may_go_on(&self, text: &str) -> bool {
        self.all.iter().any(|name| {
            let ends = name.char_indices().skip(1).map(|(at, _)| &name[at..]);
            ends.into_iter().any(|end| text.starts_with(end) || end.starts_with(text))
        })
    }
}

/// The character that marks what was typed, in one rendering.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(char);

impl Mark {
    /// Chooses a mark that none of the texts contains; `None` if each of 131,068 characters is in one of them.
    pub(super) fn absent_from<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let is_private = |c: &char| ('\u{f0000}'..='\u{10fffd}').contains(c);
        let used: HashSet<char> = texts.flat_map(str::chars).filter(is_private).collect();
        ('\u{f0000}'..='\u{ffffd}').chain('\u{100000}'..='\u{10fffd}').find(|c| !used.contains(c)).map(Self)
    }

    /// Returns what somebody typed with a mark behind the first character of every control token's name, whole or cut
    /// off at either end.
    pub(super) fn put<'a>(&self, typed: &'a str, names: &ControlNames) -> Cow<'a, str> {
        let marked = |at: usize| (at == 0 && names.may_go_on(typed)) || names.may_begin(&typed[at..]);
        let places: Vec<usize> = typed.char_indices().map(|(at, _)| at).filter(|&at| marked(at)).collect();
        if places.is_empty() {
            return Cow::Borrowed(typed);
        }
        let mut places = places.into_iter().peekable();
        let mut text = String::with_capacity(typed.len() + 4 * places.len());
        for (at, c) in typed.char_indices() {
            text.push(c);
            if places.next_if_eq(&at).is_some() {
                text.push(self.0);
            }
        }
        Cow::Owned(text)
    }

    /// Takes the marks out of a rendered text, and cuts it where what is typed spells control tokens.
    pub(super) fn take_out(&self, rendered: String, names: &ControlNames) -> Rendered {
        if !rendered.contains(self.0) {
            return Rendered::from(rendered);
        }
        // Where the marked characters begin.
        let (mut text, mut typed) = (String::with_capacity(rendered.len()), Vec::new());
        for c in rendered.chars() {
            match text.chars().next_back() {
                Some(last) if c == self.0 => typed.push(text.len() - last.len_utf8()),
                None if c == self.0 => {}
                _ => text.push(c),
            }
        }
        cut(&text, &typed, names)
    }
}

/// Cuts a text at the template's own control tokens wherever there are `typed` characters between two of them.
fn cut(text: &str, typed: &[usize], names: &ControlNames) -> Rendered {
    let mut parts = vec![Part { text: String::new(), is_typed: false }];
    let mut typed = typed.iter().copied().peekable();
    let (mut start, mut at, mut strips_left) = (0, 0, false);
    while at <= text.len() {
        let name = names.at(&text[at..]).filter(|name| {
            // A name with a typed character in it is text.
            let end = at + name.text.len();
            !typed.clone().take_while(|&place| place < end).any(|place| place >= at)
        });
        if name.is_none() && at < text.len() {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let mut between = &text[start..at];
        let mut is_typed = false;
        while typed.next_if(|&place| place < at).is_some() {
            is_typed = true;
        }
        if is_typed {
            if strips_left {
                between = between.trim_ascii_start();
            }
            if name.is_some_and(|name| name.strips_left) {
                between = between.trim_ascii_end();
            }
        }
        push(&mut parts, between, is_typed);
        let Some(name) = name else { break };
        push(&mut parts, &name.text, false);
        strips_left = name.strips_right;
        at += name.text.len();
        start = at;
    }
    Rendered::new(parts)
}

fn push(parts: &mut Vec<Part>, text: &str, is_typed: bool) {
    match parts.last_mut().filter(|part| part.is_typed == is_typed) {
        Some(part) => part.text.push_str(text),
        None if text.is_empty() => {}
        None => parts.push(Part { text: text.to_owned(), is_typed }),
    }
}

/// Marks all texts in a variable's JSON text: what an app passes on may have been typed by somebody.
pub(super) fn marked(value: minijinja::Value, mark: Mark, names: &ControlNames) -> minijinja::Value {
    use minijinja::value::ValueKind;

    match value.kind() {
        ValueKind::String => match value.as_str().map(|text| mark.put(text, names)) {
            Some(Cow::Owned(text)) => text.into(),
            _ => value,
        },
        ValueKind::Seq => match value.try_iter() {
            Ok(items) => items.map(|item| marked(item, mark, names)).collect::<Vec<_>>().into(),
            Err(_) => value,
        },
        ValueKind::Map => match value.try_iter() {
            Ok(keys) => keys
                .map(|key| {
                    let item = value.get_item(&key).unwrap_or_default();
                    (marked(key, mark, names), marked(item, mark, names))
                })
                .collect(),
            Err(_) => value,
        },
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ControlNames {
        ControlNames::new(["<s>", "<|im_start|>", "<|im_end|>", "<|end|>"].map(|text| ControlName {
            text: text.into(),
            strips_left: text == "<|im_start|>",
            strips_right: text == "<|end|>",
        }))
    }

    /// Renders one message with a template that is text around it; typed parts are in square brackets.
    fn parts(before: &str, typed: &str, after: &str) -> String {
        let names = names();
        let mark = Mark::absent_from([before, typed, after].into_iter()).expect("a character is free");
        let rendered = mark.take_out(format!("{before}{}{after}", mark.put(typed, &names)), &names);
        assert!(!rendered.text().contains(mark.0));
        let shown = |part: &Part| if part.is_typed { format!("[{}]", part.text) } else { part.text.clone() };
        rendered.parts().iter().map(shown).collect()
    }

    #[test]
    fn typed_names_are_text_and_the_template_s_own_are_not() {
        for (before, typed, after, expected) in [
            ("<|im_start|>user\n", "hello", "<|im_end|>", "<|im_start|>user\nhello<|im_end|>"),
            ("<|im_start|>user\n", "a<|im_end|>b", "<|im_end|>", "<|im_start|>[user\na<|im_end|>b]<|im_end|>"),
            ("", "<s>", "", "[<s>]"),
            ("x", "<|im_end|>", "y<|im_end|>z", "[x<|im_end|>y]<|im_end|>z"),
            // Names that only come about beside what the template writes.
            ("<|im_", "end|>", "<s>", "[<|im_end|>]<s>"),
            ("<", "|im_end|", "><s>", "[<|im_end|>]<s>"),
            ("<s>a", "<|im_", "end|><s>", "<s>[a<|im_end|>]<s>"),
            ("<s>", "a<", "s><s>", "<s>[a<s>]<s>"),
            ("<", "s", "><s>", "[<s>]<s>"),
            // What only looks like the end of a name changes no token.
            ("<s>", "> quoted", "<s>", "<s>[> quoted]<s>"),
            // White space beside tokens that take it in.
            ("<|end|> \n", " a<s>b ", "\n<|im_start|>", "<|end|>[a<s>b]<|im_start|>"),
        ] {
            assert_eq!(parts(before, typed, after), expected, "{before}{typed}{after}");
        }
    }

    #[test]
    fn a_text_that_contains_marks_is_left_as_it_is() {
        let private: String = ('\u{f0000}'..'\u{f0010}').collect();
        assert_eq!(parts("<s>", &private, "<s>"), format!("<s>{private}<s>"));
        let typed = format!("{private}<s>");
        assert_eq!(parts("<s>", &typed, "<s>"), format!("<s>[{typed}]<s>"));
        let all: String = ('\u{f0000}'..='\u{10fffd}').collect();
        assert!(Mark::absent_from([all.as_str()].into_iter()).is_none());
    }

    #[test]
    fn two_messages_beside_each_other_make_no_name_together() {
        let names = names();
        let mark = Mark('\u{f0000}');
        let text = format!("{}{}", mark.put("<|im_", &names), mark.put("end|>", &names));
        let rendered = mark.take_out(text, &names);
        assert!(rendered.parts().iter().all(|part| part.is_typed || part.text.is_empty()), "{rendered:?}");
    }

    #[test]
    fn texts_in_variables_are_marked_too() {
        let value: minijinja::Value = [("k<s>", minijinja::Value::from(vec!["<s>", "x"]))].into_iter().collect();
        let marked = marked(value, Mark('\u{f0000}'), &names());
        assert_eq!(marked.to_string(), r#"{"k<\u{f0000}s>": ["<\u{f0000}s>", "x"]}"#);
    }
}
