//! Guards the border of the terminal. This program's own control sequences pass it; those in any other text do not.
//!
//! Names come out of model files, errors from servers, replies out of models, and each may hold control characters. So
//! no code writes an escape sequence into a text: [`own`] puts it between two marks, which are chosen anew for each
//! run, and [`shown`], the last step before stdout and stderr, turns the text between marks into sequences and replaces
//! every other control character.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::OnceLock;

/// Character in the place of one that a terminal would obey.
const REPLACEMENT: char = '\u{fffd}';

/// Returns two characters of Unicode's private planes, chosen anew for each run, which no text can know.
fn marks() -> (char, char) {
    static MARKS: OnceLock<(char, char)> = OnceLock::new();
    *MARKS.get_or_init(|| {
        let random = RandomState::new().build_hasher().finish();
        let of = |plane: u32, bits: u64| char::from_u32(plane + (bits % 0xfff0) as u32).unwrap_or('\u{f0000}');
        (of(0xf_0000, random), of(0x10_0000, random >> 32))
    })
}

/// Returns a control sequence of this program's own, given as the text after `ESC [`, such as `32m` or `2A`, or as a
/// carriage return.
pub(crate) fn own(sequence: &str) -> String {
    let (open, close) = marks();
    format!("{open}{sequence}{close}")
}

/// Tells whether a terminal obeys this character, or reverses the direction of writing for it. Line breaks and tabs are
/// harmless.
pub(crate) fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    (c.is_control() && !matches!(c, '\n' | '\t')) || turns || breaks
}

/// Returns the text as the terminal gets it.
pub(crate) fn shown(text: &str) -> String {
    translated(text, |c| if is_obeyed(c) { REPLACEMENT } else { c })
}

/// Returns a line of the log as the terminal gets it. The log colours its lines with escape sequences of its own, and
/// has replaced those in the text that it logs.
pub(crate) fn logged(line: &str) -> String {
    translated(line, |c| if is_obeyed(c) && c != '\x1b' { REPLACEMENT } else { c })
}

/// Returns the text as a file or another program gets it: its own characters untouched.
pub(crate) fn piped(text: &str) -> String {
    translated(text, |c| c)
}

fn translated(text: &str, foreign: impl Fn(char) -> char) -> String {
    let (open, close) = marks();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(open) {
        out.extend(rest[..at].chars().map(&foreign));
        rest = &rest[at + open.len_utf8()..];
        let end = rest.find(close).unwrap_or(rest.len());
        match &rest[..end] {
            "\r" => out.push('\r'),
            sequence => {
                out.push_str("\x1b[");
                out.push_str(sequence);
            }
        }
        rest = rest.get(end + close.len_utf8()..).unwrap_or_default();
    }
    out.extend(rest.chars().map(&foreign));
    out
}

/// Returns a JSON document with every such character as `\uXXXX`, which means the same: outside of strings there are
/// none.
pub(crate) fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if is_obeyed(c) {
            // All of them lie in the basic plane.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_of_a_text_reaches_the_terminal() {
        let c0 = (0..0x20).filter(|c| !matches!(c, 0x0a | 0x09));
        let c1 = 0x7f..0xa0;
        let bidi = [0x61c, 0x200e, 0x200f].into_iter().chain(0x202a..=0x202e).chain(0x2066..=0x2069);
        for code in c0.chain(c1).chain(bidi).chain([0x2028, 0x2029]) {
            let c = char::from_u32(code).expect("a character");
            assert_eq!(shown(&format!("a{c}b")), "a\u{fffd}b", "U+{code:04X}");
            let text = serde_json::to_string(&format!("a{c}b")).expect("a string");
            let escaped = json(&text);
            assert!(!escaped.chars().any(is_obeyed), "U+{code:04X} in {escaped:?}");
            assert_eq!(serde_json::from_str::<String>(&escaped).expect("JSON"), format!("a{c}b"));
        }
    }

    #[test]
    fn whole_sequences_lose_what_makes_them_sequences() {
        // The sequences clear the screen, set the title (OSC, ended by BEL and by ST), begin with an 8-bit CSI, and
        // query the device.
        let hostile = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x1b\\\u{9b}31m\x1bP$q\x1b\\ok";
        let text = shown(hostile);
        assert!(!text.chars().any(is_obeyed), "{text:?}");
        assert!(text.ends_with("ok"));
    }

    #[test]
    fn ordinary_text_and_our_own_sequences_pass() {
        let text = "línea 1\n\tdos \u{4e2d} \u{1f469}\u{200d}\u{1f4bb} \u{5d0}\u{5d1}";
        assert_eq!(shown(text), text);
        assert_eq!(shown(&format!("{}x{}{}", own("1;31m"), own("0m"), own("\r"))), "\x1b[1;31mx\x1b[0m\r");
        assert_eq!(piped(&format!("{}a\x1bb{}", own("2m"), own("0m"))), "\x1b[2ma\x1bb\x1b[0m");
    }

    #[test]
    fn a_log_keeps_its_own_colours_and_nothing_else() {
        assert_eq!(logged("\x1b[32m INFO\x1b[0m a\u{202e}b\u{9b}c\n"), "\x1b[32m INFO\x1b[0m a\u{fffd}b\u{fffd}c\n");
    }

    #[test]
    fn the_marks_cannot_be_told_from_outside() {
        let (open, close) = marks();
        assert!(open != close && !is_obeyed(open) && !is_obeyed(close));
        // A text that is cut between two marks does no harm either.
        assert_eq!(shown(&format!("{open}32m")), "\x1b[32m");
        assert_eq!(shown("\u{f0000}[2J\u{100000}").contains('\x1b'), (open, close) == ('\u{f0000}', '\u{100000}'));
    }
}
