//! The tag with which templates mark the text of an assistant: `{% generation %}…{% endgeneration %}`.
//!
//! `transformers` uses it to mask what a model is trained on; the text is the same without it. minijinja has no tags of
//! one's own, so it becomes a block that changes nothing but keeps its scope and its white space.

/// Returns the template with a `with` block in place of each `generation` block.
pub(super) fn replaced(template: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        rest = &rest[start..];
        let (taken, new) = piece(rest);
        text.push_str(&new);
        rest = &rest[taken..];
    }
    text.push_str(rest);
    text
}

/// Takes what begins with a brace: a comment, raw text, a printed expression or a tag. Returns its length, and its
/// replacement.
fn piece(text: &str) -> (usize, String) {
    let same = |length: usize| (length, text[..length].to_owned());
    let up_to = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    match text.as_bytes().get(1) {
        Some(b'#') => same(up_to("#}")),
        Some(b'{') => same(closing(text, "}}")),
        Some(b'%') => {
            let length = closing(text, "%}");
            match name(&text[..length]) {
                "raw" => same(end_of_raw(text, length)),
                "generation" => (length, text[..length].replacen("generation", "with", 1)),
                "endgeneration" => (length, text[..length].replacen("endgeneration", "endwith", 1)),
                _ => same(length),
            }
        }
        _ => same(1),
    }
}

/// Returns the words of a tag.
fn name(tag: &str) -> &str {
    tag.trim_start_matches("{%")
        .trim_end_matches("%}")
        .trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+')
}

/// Returns the end of an expression or a tag: after `end`, outside of string literals.
fn closing(text: &str, end: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if text[at..].starts_with(end) => return at + end.len(),
            None => {}
        }
    }
    text.len()
}

/// Returns the end of a raw block whose tag is `begin` bytes long.
fn end_of_raw(text: &str, begin: usize) -> usize {
    let marks = |c: char| c.is_whitespace() || c == '-' || c == '+';
    let ends = |(at, _): (usize, &str)| {
        let after = text[at + 2..].trim_start_matches(marks).strip_prefix("endraw")?.trim_start_matches(marks);
        after.strip_prefix("%}").map(|rest| text.len() - rest.len())
    };
    text.match_indices("{%").filter(|(at, _)| *at >= begin).find_map(ends).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_tags_are_replaced_and_they_keep_their_white_space() {
        for (template, expected) in [
            ("{% generation %}a{% endgeneration %}", "{% with %}a{% endwith %}"),
            ("{%- generation -%}a{%+ endgeneration+%}", "{%- with -%}a{%+ endwith+%}"),
            ("{%generation%}", "{%with%}"),
            ("{# {% generation %} #}", "{# {% generation %} #}"),
            ("{{ '{% generation %}' }}", "{{ '{% generation %}' }}"),
            (
                "{% raw %}{% generation %}{% endraw %}{% generation %}",
                "{% raw %}{% generation %}{% endraw %}{% with %}",
            ),
            ("{% if x == '%}{% generation %}' %}", "{% if x == '%}{% generation %}' %}"),
            ("{% set x = 'it\\'s %}' %}{% generation %}", "{% set x = 'it\\'s %}' %}{% with %}"),
            ("{ generation } {% generation", "{ generation } {% with"),
            ("\u{e9}{\u{e9}{{ \u{e9}", "\u{e9}{\u{e9}{{ \u{e9}"),
        ] {
            assert_eq!(replaced(template), expected);
        }
    }
}
