//! Makes messages of lines that are typed, pasted or piped.
//!
//! A line is a message. A line that ends in a backslash goes on in the next one, and the text between two `"""` is one
//! message whatever lines it has. Text that is pasted into the terminal arrives whole.

/// Mark that begins and ends a message of several lines.
const QUOTES: &str = "\"\"\"";

/// The meaning of the lines so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// More lines are to come.
    Open,
    /// A message that is taken as it stands.
    Quoted(String),
    /// A message that may be a command.
    Typed(String),
}

/// Reads the lines so far.
pub(super) fn read(text: &str) -> Lines {
    let trimmed = text.trim();
    if let Some(inside) = trimmed.strip_prefix(QUOTES) {
        return match inside.strip_suffix(QUOTES) {
            Some(inside) => Lines::Quoted(inside.trim_matches(['\r', '\n']).to_owned()),
            None => Lines::Open,
        };
    }
    // Two backslashes at the end do not continue a line.
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    if backslashes % 2 == 1 { Lines::Open } else { Lines::Typed(joined(trimmed)) }
}

/// Reads the lines so far if no more can come.
pub(super) fn read_last(text: &str) -> Lines {
    match read(text) {
        Lines::Open => match text.trim().strip_prefix(QUOTES) {
            Some(inside) => Lines::Quoted(inside.trim_matches(['\r', '\n']).to_owned()),
            None => Lines::Typed(joined(text.trim().trim_end_matches('\\').trim_end())),
        },
        closed => closed,
    }
}

/// Returns the text without the backslashes at the ends of its lines.
fn joined(text: &str) -> String {
    text.replace("\\\r\n", "\n").replace("\\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Lines {
        Lines::Typed(text.into())
    }

    fn quoted(text: &str) -> Lines {
        Lines::Quoted(text.into())
    }

    #[test]
    fn a_line_is_a_message_without_the_space_around_it() {
        assert_eq!(read("  What is 2 + 2? "), typed("What is 2 + 2?"));
        assert_eq!(read(""), typed(""));
        assert_eq!(read("C:\\temp\\ is a folder"), typed("C:\\temp\\ is a folder"));
    }

    #[test]
    fn a_backslash_at_the_end_asks_for_another_line() {
        assert_eq!(read("one\\"), Lines::Open);
        assert_eq!(read("one\\\ntwo\\\nthree"), typed("one\ntwo\nthree"));
        assert_eq!(read("one\\\r\ntwo"), typed("one\ntwo"));
        assert_eq!(read("ends in two\\\\"), typed("ends in two\\\\"));
        assert_eq!(read_last("one\\\ntwo\\"), typed("one\ntwo"));
    }

    #[test]
    fn quotes_keep_their_lines_as_they_are() {
        assert_eq!(read("\"\"\""), Lines::Open);
        assert_eq!(read("\"\"\"fn main() {\n    a \\"), Lines::Open);
        assert_eq!(read("\"\"\"\nfn main() {\n    a \\\n\n}\n\"\"\""), quoted("fn main() {\n    a \\\n\n}"));
        assert_eq!(read("\"\"\"/reset\"\"\""), quoted("/reset"));
        assert_eq!(read_last("\"\"\"half\nof it"), quoted("half\nof it"));
        assert_eq!(read("say \"\"\" to me"), typed("say \"\"\" to me"));
    }

    #[test]
    fn lines_that_are_pasted_together_are_one_message() {
        assert_eq!(read("first\nsecond\n"), typed("first\nsecond"));
    }
}
