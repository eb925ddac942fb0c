//! Version numbers as programs print them.

use std::fmt;

/// Major, minor and patch level; what a program leaves out is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The first word of `text` that starts like a version: digits, a point, digits.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == '(' || c == ')').find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let mut parts = word[..end].split('.').filter(|part| !part.is_empty());
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        let patch = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_programs_print() {
        let cases = [
            ("cmake version 3.25.1\n\nCMake suite maintained by Kitware", Version::new(3, 25, 1)),
            ("cmake version 3.30.0-rc4", Version::new(3, 30, 0)),
            ("rustc 1.95.0 (59807616e 2026-04-14)", Version::new(1, 95, 0)),
            ("rustc 1.97.0-nightly (abc 2026-05-01)", Version::new(1, 97, 0)),
            ("1.90", Version::new(1, 90, 0)),
            ("git version 2.39.5 (Apple Git-154)", Version::new(2, 39, 5)),
        ];
        for (text, version) in cases {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
    }

    #[test]
    fn text_without_a_version_gives_none() {
        for text in ["", "command not found", "7", "99999999999.1"] {
            assert_eq!(Version::find(text), None, "{text}");
        }
    }

    #[test]
    fn versions_compare_by_number_and_not_by_text() {
        assert!(Version::new(3, 9, 9) < Version::new(3, 14, 0));
        assert!(Version::new(3, 14, 0) < Version::new(4, 0, 0));
    }
}
