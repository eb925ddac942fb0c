//! Breaks styled text into lines of a terminal's width, at words where it can.

use unicode_width::UnicodeWidthChar as _;

use super::border::{is_obeyed, own};
use super::style::{self, Style, painted};

/// A piece of text in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) style: Style,
    pub(crate) text: String,
}

/// Text ready for the terminal, and the position of the cursor after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Laid {
    pub(crate) output: String,
    /// Column of the cursor after the text.
    pub(crate) column: usize,
    /// Number of lines below the one that the text began on.
    pub(crate) lines: usize,
}

/// Lays pieces out from `column` on. The last column stays free, because a character there would leave the cursor in a
/// state that terminals disagree about.
pub(crate) fn lay(pieces: &[Piece], column: usize, width: usize, colours: bool) -> Laid {
    let usable = width.max(2) - 1;
    let chars: Vec<(char, Style)> =
        pieces.iter().flat_map(|piece| printable(&piece.text).map(|c| (c, piece.style))).collect();
    let mut line = Line { output: String::new(), run: String::new(), style: Style::Plain, colours };
    let (mut at, mut lines) = (column, 0);
    let mut i = 0;
    while i < chars.len() {
        let (c, _) = chars[i];
        if c == '\n' {
            line.newline();
            (at, lines) = (0, lines + 1);
            i += 1;
            continue;
        }
        let end = if c == ' ' { i + 1 } else { word_end(&chars, i) };
        let columns = |chars: &[(char, Style)]| chars.iter().map(|(c, _)| c.width().unwrap_or(0)).sum::<usize>();
        // A word longer than a line is broken where the line ends; any other word moves to the next line whole.
        let step = if columns(&chars[i..end]) > usable { 1 } else { end - i };
        for part in chars[i..end].chunks(step) {
            if at + columns(part) > usable && at > 0 {
                line.newline();
                (at, lines) = (0, lines + 1);
                if c == ' ' {
                    continue;
                }
            }
            part.iter().for_each(|&(c, style)| line.push(c, style));
            at += columns(part);
        }
        i = end;
    }
    line.flush();
    Laid { output: line.output, column: at, lines }
}

/// Returns a remark in one style, broken into lines of the terminal's width if stdout is a terminal.
pub(crate) fn wrapped(style: Style, text: &str) -> String {
    if !style::stdout_is_terminal() {
        return style::paint(style, text);
    }
    let pieces = [Piece { style, text: text.to_owned() }];
    lay(&pieces, 0, style::width(), style::stdout_has_colours()).output.replace(&own("\r"), "")
}

/// Returns the characters to lay out. Those that the terminal would obey have no known width, so they are replaced
/// first.
fn printable(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| match c {
        '\n' => c,
        '\t' => ' ',
        c if is_obeyed(c) => '\u{fffd}',
        c => c,
    })
}

fn word_end(chars: &[(char, Style)], start: usize) -> usize {
    let length = chars[start..].iter().take_while(|(c, _)| !matches!(c, ' ' | '\n')).count();
    start + length
}

struct Line {
    output: String,
    run: String,
    style: Style,
    colours: bool,
}

impl Line {
    fn push(&mut self, c: char, style: Style) {
        if style != self.style {
            self.flush();
            self.style = style;
        }
        self.run.push(c);
    }

    fn flush(&mut self) {
        self.output.push_str(&painted(self.colours, self.style, &self.run));
        self.run.clear();
    }

    fn newline(&mut self) {
        self.flush();
        self.output.push_str(&own("\r"));
        self.output.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the laid out text as the terminal gets it.
    fn laid(pieces: &[Piece], column: usize, width: usize, colours: bool) -> Laid {
        let laid = lay(pieces, column, width, colours);
        Laid { output: super::super::border::shown(&laid.output), ..laid }
    }

    fn plain(text: &str, column: usize, width: usize) -> Laid {
        laid(&[Piece { style: Style::Plain, text: text.into() }], column, width, false)
    }

    #[test]
    fn words_move_to_the_next_line_whole() {
        let laid = plain("one two three", 0, 9);
        assert_eq!(laid, Laid { output: "one two \r\nthree".into(), column: 5, lines: 1 });
    }

    #[test]
    fn a_space_at_the_edge_does_not_begin_the_next_line() {
        assert_eq!(plain("12345678 x", 0, 9).output, "12345678\r\nx");
    }

    #[test]
    fn a_word_longer_than_the_line_is_broken_and_the_last_column_stays_free() {
        let laid = plain("abcdefgh", 0, 5);
        assert_eq!(laid, Laid { output: "abcd\r\nefgh".into(), column: 4, lines: 1 });
    }

    #[test]
    fn wide_characters_count_two_columns() {
        assert_eq!(
            plain("\u{4e2d}\u{6587}", 0, 4),
            Laid { output: "\u{4e2d}\r\n\u{6587}".into(), column: 2, lines: 1 }
        );
    }

    #[test]
    fn a_word_of_two_styles_stays_together() {
        let pieces = [("go ", Style::Good), ("hal", Style::Good), ("ves", Style::Bad)]
            .map(|(text, style)| Piece { style, text: text.into() });
        let laid = laid(&pieces, 0, 9, true);
        assert_eq!(laid.output, "\x1b[32mgo \x1b[0m\r\n\x1b[32mhal\x1b[0m\x1b[1;31mves\x1b[0m");
        assert_eq!((laid.column, laid.lines), (6, 1));
    }

    #[test]
    fn escape_sequences_that_a_model_writes_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb", 0, 40).output, "a\u{fffd}[2Jb");
    }
}
