//! The search of what the suites print for what their fixtures keep secret.

/// Words of the tokens, the keys and the text of `uhlm-testing/src/secrets.rs`.
const MARKS: [&str; 2] = ["quillfeather", "zyxquorlem"];

/// What was searched so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    /// Number of lines of the suite's output so far.
    lines: usize,
    /// The first place of a marked word, in words that do not repeat it.
    found: Option<String>,
}

impl Search {
    /// Takes the next line of the output.
    pub(super) fn line(&mut self, line: &str) {
        self.lines += 1;
        if self.found.is_none() && is_marked(line) {
            self.found = Some(format!("line {} of its output", self.lines));
        }
    }

    /// Takes a file that a suite has written.
    pub(super) fn file(&mut self, name: &str, text: &str) {
        if let Some(at) = text.lines().position(is_marked).filter(|_| self.found.is_none()) {
            self.found = Some(format!("line {} of {name}", at + 1));
        }
    }

    /// Returns what is wrong with the output, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        Some(format!("{} has what a fixture keeps secret", self.found.as_ref()?))
    }
}

fn is_marked(line: &str) -> bool {
    MARKS.iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo;

    #[test]
    fn the_first_marked_word_is_told_by_its_line_and_not_repeated() {
        let mut search = Search::default();
        search.line("nothing");
        assert_eq!(search.problem(), None);
        search.file("TEST-a.xml", "<a>\n</a>\n");
        search.line(&format!("Authorization: Bearer {}", MARKS[0]));
        search.line(MARKS[1]);
        search.file("TEST-b.xml", MARKS[1]);
        assert_eq!(search.problem().as_deref(), Some("line 2 of its output has what a fixture keeps secret"));
        let mut search = Search::default();
        search.file("TEST-b.xml", &format!("<a>\n{}</a>\n", MARKS[1]));
        assert_eq!(search.problem().as_deref(), Some("line 2 of TEST-b.xml has what a fixture keeps secret"));
    }

    #[test]
    fn all_that_fixtures_keep_secret_is_marked_and_every_mark_is_used() {
        let path = cargo::root().join("uhlm-testing/src/secrets.rs");
        let text = std::fs::read_to_string(path).expect("the fixtures' secrets");
        let secrets: Vec<&str> = text.lines().filter(|line| line.starts_with("pub const")).collect();
        // Not `assert_eq`: its message would have them.
        assert!(secrets.len() >= MARKS.len() && secrets.iter().all(|secret| is_marked(secret)));
        assert!(MARKS.iter().all(|mark| secrets.iter().any(|secret| secret.contains(mark))));
    }
}
