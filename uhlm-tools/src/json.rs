//! JSON in a text that comes in pieces: where a value ends, and the texts of an object's fields as they were written.

/// What was found of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The value goes on beyond the text.
    More,
    /// The value ends before this offset.
    End(usize),
    /// What stands at this offset is no part of an object or a list.
    Stray,
}

/// A search for the end of an object or a list. It only counts brackets and knows strings: whether the value is valid
/// is for a JSON parser to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    /// Number of bytes that were looked at.
    at: usize,
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Scanner {
    /// Looks at the bytes that came since the last call; those before must be the same.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Scan {
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' if self.in_string || self.depth > 0 => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.at += 1;
                        return Scan::End(self.at);
                    }
                }
                b' ' | b'\n' | b'\r' | b'\t' => {}
                b',' | b':' | b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' if self.depth > 0 => {}
                _ => return Scan::Stray,
            }
            self.at += 1;
        }
        Scan::More
    }
}

/// Returns the fields of a valid JSON object, each with the text of its value as it stands there; `None` for anything
/// else.
pub(crate) fn fields(object: &str) -> Option<Vec<(String, &str)>> {
    let mut rest = object.trim().strip_prefix('{')?.trim_start();
    let mut fields = Vec::new();
    while !rest.starts_with('}') {
        let key = rest.get(..value_end(rest)?)?;
        rest = rest[key.len()..].trim_start().strip_prefix(':')?.trim_start();
        let value = rest.get(..value_end(rest)?)?;
        fields.push((serde_json::from_str(key).ok()?, value));
        rest = rest[value.len()..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(fields)
}

/// Returns the texts of the elements of a valid JSON list; `None` for anything else.
pub(crate) fn elements(list: &str) -> Option<Vec<&str>> {
    let mut rest = list.trim().strip_prefix('[')?.trim_start();
    let mut elements = Vec::new();
    while !rest.starts_with(']') {
        let element = rest.get(..value_end(rest)?)?;
        elements.push(element);
        rest = rest[element.len()..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(elements)
}

/// Returns the length of the value that a valid JSON text begins with.
fn value_end(text: &str) -> Option<usize> {
    match text.as_bytes().first()? {
        b'{' | b'[' => match Scanner::default().scan(text.as_bytes()) {
            Scan::End(end) => Some(end),
            _ => None,
        },
        b'"' => {
            let mut is_escaped = false;
            let end = text.char_indices().skip(1).find(|&(_, c)| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            });
            end.map(|(at, _)| at + 1)
        }
        _ => text.find([',', '}', ']', ' ', '\n', '\r', '\t']).filter(|&end| end > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_value_is_found_wherever_the_pieces_end() {
        let value = r#" {"a": "}]\"\\", "b": [1.5e-3, {"c": null}]}"#;
        for size in 1..=value.len() {
            let (mut scanner, mut text) = (Scanner::default(), Vec::new());
            let mut found = Scan::More;
            for bytes in value.as_bytes().chunks(size) {
                text.extend_from_slice(bytes);
                found = scanner.scan(&text);
            }
            assert_eq!(found, Scan::End(value.len()), "{size}");
        }
        assert_eq!(Scanner::default().scan(b"{\"a\": 1} tail"), Scan::End(8));
        for stray in [&b"x"[..], b"{<", b"\"a\"", b"}", b"{\xc3"] {
            assert_eq!(Scanner::default().scan(stray), Scan::Stray, "{stray:?}");
        }
    }

    #[test]
    fn fields_and_elements_keep_the_text_of_their_values() {
        let object = r#" { "b" : {"y": 1.0, "x": [1,2]}, "a\n": "s\"}", "n":null,"t" : true } "#;
        let expected = [("b", r#"{"y": 1.0, "x": [1,2]}"#), ("a\n", r#""s\"}""#), ("n", "null"), ("t", "true")];
        assert_eq!(fields(object).expect("an object"), expected.map(|(name, text)| (name.to_owned(), text)));
        assert_eq!(elements(r#"[{"a": 1} , [2], 3]"#).expect("a list"), [r#"{"a": 1}"#, "[2]", "3"]);
        assert_eq!((fields("{}"), elements("[]")), (Some(Vec::new()), Some(Vec::new())));
        assert_eq!((fields("[1]"), elements("{}"), fields("{")), (None, None, None));
    }
}
