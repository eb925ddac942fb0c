//! A Debian with Swift in `target/swift-root`: made once, entered for each command.
//!
//! The mounts a chroot needs are made in a mount namespace of the command's own. So no other process sees them, they
//! end with the command however it ends, and nothing that deletes the target folder can reach through them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::{self, answer};
use crate::setup::Sudo;
use crate::setup::packages::{Manager, Privilege};

/// Changed when `make-root.sh` changes what a root holds: an older one is then made anew.
const RECIPE: &str = "2";

const MAKE: &str = include_str!("make-root.sh");
const REMOVE: &str = include_str!("remove-root.sh");
const ENTER: &str = include_str!("enter-root.sh");

/// A complete root, and how this user becomes root to enter it.
pub(crate) struct Root {
    path: PathBuf,
    privilege: Privilege,
}

/// The root of this checkout, made where it is not there.
pub(super) fn find_or_make() -> Result<Root> {
    let privilege = Privilege::of_this_user(false);
    if let Some(problem) = problem(privilege) {
        bail!("{problem}\n{ADVICE}");
    }
    let target = cargo::root().join("target");
    fs::create_dir_all(&target).context("creating the target folder")?;
    let root = Root { path: target.join("swift-root"), privilege };
    // Two commands at once must not both make it. The lock ends with this process.
    let lock = File::create(target.join("swift-root.lock")).context("creating a lock file in the target folder")?;
    lock.lock().context("waiting for another command that makes the Swift toolchain")?;
    if !root.is_complete() {
        root.make().with_context(|| format!("making a Swift toolchain in {}\n{ADVICE}", root.path.display()))?;
    }
    Ok(root)
}

const ADVICE: &str = "The Swift suite needs Swift 6.0 or newer. Either install it so that `swift --version` runs (macOS: \
    Xcode; Linux: your distribution's package or the archive from swift.org), or run this as root, or with sudo that asks \
    for no password, on a Debian or Ubuntu: then a toolchain is made in target/swift-root.";

/// Why no root can be made here.
fn problem(privilege: Privilege) -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("`swift` does not run here.");
    }
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return Some("`swift` does not run here, and Debian has none for this processor.");
    }
    match privilege {
        Privilege::NotNeeded | Privilege::Sudo { may_ask: false } => None,
        Privilege::Sudo { may_ask: true } | Privilege::Lacking => {
            Some("`swift` does not run here, and making a toolchain needs root.")
        }
    }
}

impl Root {
    fn is_complete(&self) -> bool {
        fs::read_to_string(self.path.join(".complete")).is_ok_and(|recipe| recipe.trim() == RECIPE)
    }

    fn make(&self) -> Result<()> {
        eprintln!("making a Swift toolchain in {} (about three minutes and 2 GB, once)", self.path.display());
        if answer("unshare", &["--version"]).is_none() {
            bail!("`unshare` (util-linux) does not run");
        }
        if self.path.symlink_metadata().is_ok() {
            run_briefly(self.as_root().args(["sh", "-c", REMOVE, "remove-root"]).arg(&self.path), "remove-root.sh")?;
        }
        if !has_debootstrap() {
            self.install_debootstrap()?;
        }
        let mut command = self.in_namespace();
        command.args(["sh", "-c", MAKE, "make-root"]).arg(&self.path).arg(RECIPE).stdin(Stdio::null());
        run_briefly(&mut command, "make-root.sh")
    }

    fn install_debootstrap(&self) -> Result<()> {
        if answer(Manager::Apt.program(), &["--version"]).is_none() {
            bail!("`debootstrap` does not run, and there is no apt-get to install it with");
        }
        // The keyring is what Ubuntu lacks to verify Debian's packages.
        let packages = ["debootstrap", "debian-archive-keyring"];
        Manager::Apt.install(&packages, Sudo { may_ask: false })
    }

    pub(super) fn command<'a>(
        &self,
        variables: &[(&str, &OsStr)],
        words: impl IntoIterator<Item = &'a OsStr>,
    ) -> Command {
        let mut command = self.in_namespace();
        command.args(["sh", "-c", ENTER, "enter-root"]).arg(&self.path).arg(cargo::root()).arg(user());
        for (name, value) in variables {
            let mut assignment = OsString::from(name);
            assignment.push("=");
            assignment.push(value);
            command.arg(assignment);
        }
        command.args(words).current_dir(cargo::root());
        command
    }

    fn in_namespace(&self) -> Command {
        let mut command = self.as_root();
        command.args(["unshare", "--mount", "--propagation", "private", "--"]);
        command
    }

    /// A command to which words are added.
    fn as_root(&self) -> Command {
        match self.privilege {
            Privilege::Sudo { .. } => {
                let mut command = Command::new("sudo");
                command.args(["-n", "--"]);
                command
            }
            Privilege::NotNeeded | Privilege::Lacking => Command::new("env"),
        }
    }
}

/// As `cargo::run`, without the script's text in what is printed.
fn run_briefly(command: &mut Command, name: &str) -> Result<()> {
    eprintln!("$ {name}");
    let status = command.status().with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}

/// In a folder that is often only on root's PATH.
fn has_debootstrap() -> bool {
    ["/usr/sbin", "/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join("debootstrap").exists())
}

/// `UID:GID`: commands in the root run as this user, so that what they write belongs to them.
fn user() -> String {
    let id = |what: &str| answer("id", &[what]).unwrap_or_else(|| "0".to_owned());
    format!("{}:{}", id("-u"), id("-g"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_root_the_message_says_what_to_do() {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert!(problem(Privilege::Lacking).is_some_and(|text| text.contains("needs root")));
            assert!(problem(Privilege::Sudo { may_ask: true }).is_some());
            assert_eq!(problem(Privilege::NotNeeded), None);
        }
    }

    #[test]
    fn a_command_enters_a_namespace_of_its_own_before_anything_is_mounted() {
        let root = Root { path: "/r".into(), privilege: Privilege::NotNeeded };
        let command = root.command(&[("A", OsStr::new("b c"))], ["swift", "test"].map(OsStr::new));
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        let at = |word: &str| words.iter().position(|other| other == word);
        assert!(at("--mount") < at("sh") && at("private") < at("sh"), "{words:?}");
        assert!(words.ends_with(&["A=b c".into(), "swift".into(), "test".into()]), "{words:?}");
    }

    #[test]
    fn sudo_is_never_asked_for_a_password() {
        let root = Root { path: "/r".into(), privilege: Privilege::Sudo { may_ask: false } };
        let command = root.command(&[], ["swift"].map(OsStr::new));
        assert_eq!(command.get_program(), "sudo");
        assert_eq!(command.get_args().next(), Some(OsStr::new("-n")));
    }

    #[test]
    fn a_root_without_its_stamp_or_with_an_older_one_is_not_complete() {
        let folder = std::env::temp_dir().join(format!("uhlm-swift-root-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for a test");
        let root = Root { path: folder.clone(), privilege: Privilege::NotNeeded };
        assert!(!root.is_complete());
        fs::write(folder.join(".complete"), "0\n").expect("a stamp");
        assert!(!root.is_complete());
        fs::write(folder.join(".complete"), format!("{RECIPE}\n")).expect("a stamp");
        assert!(root.is_complete());
        fs::remove_dir_all(folder).expect("removing what the test made");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_half_made_root_is_removed_but_never_through_a_mount() {
        // /proc is mounted, so its parent has something below it; the script must refuse and delete nothing.
        let refused = Command::new("sh").args(["-c", REMOVE, "remove-root", ""]).output().expect("sh starts");
        assert!(!refused.status.success());
        let folder = std::env::temp_dir().join(format!("uhlm-swift-half-{}", std::process::id()));
        fs::create_dir_all(folder.join("usr/bin")).expect("a folder for a test");
        let removed = Command::new("sh").args(["-c", REMOVE, "remove-root"]).arg(&folder).status().expect("sh starts");
        assert!(removed.success() && !folder.exists());
    }
}
