//! Shows a reply while it is written: committed text in the colour of its origin, and behind it provisional text,
//! dimmed, which is taken back where the target disagrees.
//!
//! Only the last word (which may move to the next line as it grows) and the provisional tail can still change on the
//! screen. That region is erased and drawn again with every event; everything before it is settled. If stdout is no
//! terminal, only committed text is written, plain.

use uhlm_core::Event;
use unicode_width::UnicodeWidthStr as _;

use super::border::own;
use super::layout::{Laid, Piece, lay};
use super::style::{self, Style};
use crate::output;

/// The screen's view of one reply.
#[derive(Debug)]
pub(crate) struct ReplyView {
    terminal: bool,
    colours: bool,
    width: usize,
    /// Column at which the region that can change begins.
    column: usize,
    /// Number of lines that the region reaches below the one it begins on.
    drawn: usize,
    /// Committed part of the region: text after the last space.
    word: Vec<Piece>,
    /// Provisional part of the region.
    tail: String,
    /// Whether the text that was shown last is reasoning.
    thinks: bool,
    shown: bool,
}

impl ReplyView {
    /// Makes a view that begins at the left margin.
    pub(crate) fn new() -> Self {
        Self {
            terminal: style::stdout_is_terminal(),
            colours: style::stdout_has_colours(),
            width: style::width(),
            column: 0,
            drawn: 0,
            word: Vec::new(),
            tail: String::new(),
            thinks: false,
            shown: false,
        }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Event) {
        let written = self.draw(event);
        if !written.is_empty() {
            self.shown = true;
            if self.terminal { output::text(&written) } else { output::reply(&written) }
        }
    }

    /// Puts a remark that is no part of the reply behind the committed text.
    pub(crate) fn note(&mut self, text: &str) {
        let mut settled = std::mem::take(&mut self.word);
        settled.push(Piece { style: Style::Warning, text: format!("{text} ") });
        let written = self.redraw(&settled);
        self.shown = true;
        output::text(&written);
    }

    /// Ends the reply's last line.
    pub(crate) fn finish(&mut self) {
        self.tail.clear();
        let mut written = self.redraw(&[]);
        if self.shown {
            written.push('\n');
        }
        output::text(&written);
    }

    /// Returns the text that an event writes to the terminal.
    fn draw(&mut self, event: &Event) -> String {
        match event {
            Event::Committed { token, origin } => {
                let text = &token.text;
                if text.is_empty() {
                    return String::new();
                }
                if !self.terminal {
                    return style::painted(self.colours, Style::From(*origin), text);
                }
                if std::mem::take(&mut self.thinks) {
                    let mut settled = std::mem::take(&mut self.word);
                    settled.push(Piece { style: Style::Dim, text: "\n\n".into() });
                    let written = self.redraw(&settled);
                    return written + &self.draw(event);
                }
                match self.tail.strip_prefix(text.as_str()) {
                    Some(rest) => self.tail = rest.to_owned(),
                    None => self.tail.clear(),
                }
                let settled = self.commit(Piece { style: Style::From(*origin), text: text.clone() });
                self.redraw(&settled)
            }
            // The model's reasoning is no part of the reply: it is dimmed, and nothing of it goes through a pipe.
            Event::Reasoning { token, .. } if self.terminal && !token.text.is_empty() => {
                self.thinks = true;
                let settled = self.commit(Piece { style: Style::Dim, text: token.text.clone() });
                self.redraw(&settled)
            }
            Event::Provisional(token) if self.terminal => {
                self.tail.push_str(&token.text);
                self.redraw(&[])
            }
            Event::Rollback { .. } if self.terminal => {
                self.tail.clear();
                self.redraw(&[])
            }
            _ => String::new(),
        }
    }

    /// Adds committed text; returns the text that is settled by it: everything up to the last space or line break. A
    /// word as long as a line is broken anyhow (and scripts without spaces have no other), so it is settled as it is.
    fn commit(&mut self, piece: Piece) -> Vec<Piece> {
        let Some(at) = piece.text.rfind([' ', '\n']) else {
            self.word.push(piece);
            let columns: usize = self.word.iter().map(|piece| piece.text.width()).sum();
            return if columns < self.width { Vec::new() } else { std::mem::take(&mut self.word) };
        };
        let (before, after) = piece.text.split_at(at + 1);
        let mut settled = std::mem::take(&mut self.word);
        settled.push(Piece { style: piece.style, text: before.to_owned() });
        if !after.is_empty() {
            self.word.push(Piece { style: piece.style, text: after.to_owned() });
        }
        settled
    }

    /// Erases the region, writes the text that is settled now, and draws the region anew behind it.
    fn redraw(&mut self, settled: &[Piece]) -> String {
        if !self.terminal {
            return String::new();
        }
        let mut out = own("\r");
        if self.drawn > 0 {
            out.push_str(&own(&format!("{}A", self.drawn)));
        }
        if self.column > 0 {
            out.push_str(&own(&format!("{}C", self.column)));
        }
        out.push_str(&own("J"));
        let Laid { output, column, .. } = lay(settled, self.column, self.width, self.colours);
        out.push_str(&output);
        self.column = column;
        let mut region = self.word.clone();
        region.push(Piece { style: Style::Provisional, text: self.tail.clone() });
        let laid = lay(&region, self.column, self.width, self.colours);
        out.push_str(&laid.output);
        self.drawn = laid.lines;
        out
    }
}

#[cfg(test)]
mod tests {
    use uhlm_core::Origin;
    use uhlm_core::TokenText;

    use super::*;

    fn view(width: usize) -> ReplyView {
        let word = Vec::new();
        ReplyView {
            terminal: true,
            colours: false,
            width,
            column: 0,
            drawn: 0,
            word,
            tail: String::new(),
            thinks: false,
            shown: false,
        }
    }

    fn token(text: &str) -> TokenText {
        TokenText { id: 0, text: text.into(), ..TokenText::default() }
    }

    /// Runs the written text through a small terminal and returns its lines.
    fn screen(writes: &[String], width: usize) -> Vec<String> {
        let mut lines: Vec<Vec<char>> = vec![Vec::new()];
        let (mut row, mut column) = (0, 0);
        for text in writes.iter().map(|text| super::super::border::shown(text)) {
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\r' => column = 0,
                    '\n' => {
                        row += 1;
                        if row == lines.len() {
                            lines.push(Vec::new());
                        }
                    }
                    '\x1b' => {
                        let sequence: String = chars.by_ref().take_while(|c| !c.is_alphabetic()).collect();
                        let n = sequence.trim_start_matches('[').parse::<usize>();
                        let kind = text[..text.len() - chars.as_str().len()].chars().next_back();
                        match (kind, n) {
                            (Some('A'), Ok(n)) => row -= n,
                            (Some('C'), Ok(n)) => column += n,
                            (Some('J'), _) => {
                                lines.truncate(row + 1);
                                lines[row].truncate(column);
                            }
                            other => panic!("unknown sequence {other:?}"),
                        }
                    }
                    c => {
                        assert!(column < width, "wrote past the edge");
                        let line = &mut lines[row];
                        line.truncate(column);
                        line.resize(column, ' ');
                        line.push(c);
                        column += 1;
                    }
                }
            }
        }
        lines.into_iter().map(|line| line.into_iter().collect()).collect()
    }

    #[test]
    fn provisional_text_over_several_lines_is_taken_back_without_a_trace() {
        let mut view = view(12);
        let mut writes = Vec::new();
        let committed = |text: &str| Event::Committed { token: token(text), origin: Origin::Verified };
        writes.push(view.draw(&committed("The cat ")));
        for text in ["sat on ", "the mat ", "all day ", "long"] {
            writes.push(view.draw(&Event::Provisional(token(text))));
        }
        assert_eq!(screen(&writes, 12).len(), 4);
        writes.push(view.draw(&Event::Rollback { tokens: 4 }));
        assert_eq!(screen(&writes, 12), ["The cat "]);
        writes.push(view.draw(&committed("sleeps")));
        assert_eq!(screen(&writes, 12), ["The cat ", "sleeps"]);
    }

    #[test]
    fn committing_takes_the_text_from_the_front_of_the_tail() {
        let mut view = view(40);
        let mut writes =
            vec![view.draw(&Event::Provisional(token("a b"))), view.draw(&Event::Provisional(token(" c")))];
        writes.push(view.draw(&Event::Committed { token: token("a b"), origin: Origin::Draft }));
        assert_eq!(screen(&writes, 40), ["a b c"]);
        assert_eq!(view.tail, " c");
    }

    #[test]
    fn text_without_spaces_is_settled_line_by_line() {
        let mut view = view(10);
        let writes: Vec<String> =
            (0..30).map(|_| view.draw(&Event::Committed { token: token("\u{4e2d}"), origin: Origin::Draft })).collect();
        let columns: usize = view.word.iter().map(|piece| piece.text.width()).sum();
        assert!(columns < 10 && writes.iter().all(|text| text.len() < 80));
    }

    #[test]
    fn a_committed_word_that_grows_past_the_edge_moves_to_the_next_line() {
        let mut view = view(10);
        let writes: Vec<String> = ["abc ", "def", "ghi", "jkl"]
            .map(|text| view.draw(&Event::Committed { token: token(text), origin: Origin::Draft }))
            .into();
        assert_eq!(screen(&writes, 10), ["abc ", "defghijkl"]);
    }
}
