//! Which system this is: the `os-release` file of Linux distributions.

use std::fs;

/// The fields of `os-release` that choose a package manager.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OsRelease {
    /// Its own identifier first, then those it says it is like.
    pub(crate) ids: Vec<String>,
    /// The name for people.
    pub(crate) pretty_name: Option<String>,
}

impl OsRelease {
    /// That of this machine; empty where there is none.
    pub(crate) fn of_this_system() -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        read("/etc/os-release")
            .or_else(|| read("/usr/lib/os-release"))
            .map_or_else(Self::default, |text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            text.lines().find_map(|line| {
                let value = line.trim().strip_prefix(key)?.strip_prefix('=')?;
                Some(value.trim_matches(['"', '\'']).to_owned())
            })
        };
        let mut ids: Vec<String> = value("ID").into_iter().collect();
        ids.extend(value("ID_LIKE").unwrap_or_default().split_whitespace().map(str::to_owned));
        Self { ids, pretty_name: value("PRETTY_NAME") }
    }
}

/// A name for messages.
pub(crate) fn name_of_this_system() -> String {
    OsRelease::of_this_system().pretty_name.unwrap_or_else(|| std::env::consts::OS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_relatives_are_understood() {
        let text =
            "# comment\nPRETTY_NAME=\"Linux Mint 22\"\nVERSION_ID='22'\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        let expected = OsRelease {
            ids: ["linuxmint", "ubuntu", "debian"].map(Into::into).into(),
            pretty_name: Some("Linux Mint 22".into()),
        };
        assert_eq!(OsRelease::parse(text), expected);
    }

    #[test]
    fn a_key_is_not_mistaken_for_another_that_starts_alike() {
        assert_eq!(OsRelease::parse("ID_LIKE=arch\nIDENTITY=x\n").ids, ["arch"]);
        assert_eq!(OsRelease::parse(""), OsRelease::default());
    }
}
