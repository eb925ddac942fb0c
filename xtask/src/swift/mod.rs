//! A Swift toolchain for this repository's package: the machine's own, or one made in the checkout.
//!
//! Decides which of the two, and how a command gets into it. How the second one is made is in `root`, what it is
//! asked to build in `package`.

mod package;
mod root;

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;

use crate::cargo;
use crate::cargo::answer;

pub(crate) use package::{bench_driver, lint, tests};

/// The oldest compiler that reads our manifest.
const OLDEST: (u32, u32) = (6, 0);

/// Something that runs `swift`.
pub(crate) enum Toolchain {
    /// The one on the PATH: Xcode's, or a Linux with Swift.
    Machine,
    /// A Debian with Swift in the checkout's target folder, entered with `chroot`.
    Root(root::Root),
}

impl Toolchain {
    /// The machine's own where it has one, else one that is made now (about three minutes and 2 GB, once a checkout).
    ///
    /// # Errors
    /// A message that says what is missing, where neither is to be had.
    pub(crate) fn find_or_make() -> Result<Self> {
        if machine_has_swift() {
            return Ok(Self::Machine);
        }
        root::find_or_make().map(Self::Root)
    }

    /// A command in the repository's root, with these variables added to its environment.
    pub(crate) fn command<'a>(
        &self,
        variables: &[(&str, &OsStr)],
        words: impl IntoIterator<Item = &'a OsStr>,
    ) -> Command {
        match self {
            Self::Machine => {
                let mut words = words.into_iter();
                let mut command = Command::new(words.next().unwrap_or(OsStr::new("swift")));
                command.args(words).envs(variables.iter().copied()).current_dir(cargo::root());
                command
            }
            Self::Root(root) => root.command(variables, words),
        }
    }
}

/// OpenStack has a program of the same name.
fn machine_has_swift() -> bool {
    answer("swift", &["--version"]).is_some_and(|text| swift_version(&text).is_some_and(|version| version >= OLDEST))
}

/// `Swift version 6.0.3 (swift-6.0.3-RELEASE)`, on a Mac after `Apple `.
fn swift_version(text: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once("Swift version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_says_its_version() {
        assert_eq!(swift_version("Swift version 6.0.3 (swift-6.0.3-RELEASE)\nTarget: x86_64"), Some((6, 0)));
        assert_eq!(
            swift_version("swift-driver version: 1.115\nApple Swift version 6.1 (swiftlang-6.1.0.110.21)"),
            Some((6, 1))
        );
        assert!(swift_version("Swift version 5.10.1 (swift-5.10.1-RELEASE)").is_some_and(|version| version < OLDEST));
    }

    #[test]
    fn another_program_of_that_name_is_no_compiler() {
        assert_eq!(swift_version("python-swiftclient 4.1.0"), None);
        assert_eq!(swift_version(""), None);
    }
}
