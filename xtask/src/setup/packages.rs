//! Package managers: which one a system has, what it calls each tool, and the commands that install.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::Sudo;
use super::os_release::OsRelease;
use super::tool::Tool;
use crate::cargo::{self, answer};

/// A package manager this program can drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Apt,
    Dnf,
    Pacman,
    Apk,
    Zypper,
    Brew,
}

/// How a command that needs root gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// This user is root, or the manager wants none.
    NotNeeded,
    Sudo {
        may_ask: bool,
    },
    Lacking,
}

/// A program and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line(Vec<String>);

impl Manager {
    const ALL: [Manager; 6] =
        [Manager::Apt, Manager::Dnf, Manager::Pacman, Manager::Apk, Manager::Zypper, Manager::Brew];

    /// By the system's own name first, then by which program is there.
    pub(crate) fn of_this_system() -> Option<Self> {
        let there = |manager: &Manager| answer(manager.program(), &["--version"]).is_some();
        Self::of(&OsRelease::of_this_system()).filter(there).or_else(|| Self::ALL.into_iter().find(there))
    }

    fn of(system: &OsRelease) -> Option<Self> {
        system.ids.iter().find_map(|id| match id.as_str() {
            "debian" | "ubuntu" => Some(Manager::Apt),
            "fedora" | "rhel" | "centos" => Some(Manager::Dnf),
            "arch" => Some(Manager::Pacman),
            "alpine" => Some(Manager::Apk),
            "suse" | "opensuse" | "opensuse-tumbleweed" | "opensuse-leap" => Some(Manager::Zypper),
            _ => None,
        })
    }

    pub(crate) fn program(self) -> &'static str {
        match self {
            Manager::Apt => "apt-get",
            Manager::Dnf => "dnf",
            Manager::Pacman => "pacman",
            Manager::Apk => "apk",
            Manager::Zypper => "zypper",
            Manager::Brew => "brew",
        }
    }

    pub(crate) fn needs_root(self) -> bool {
        self != Manager::Brew
    }

    /// The packages that bring these tools, each once. Tools that come another way (Rust, Apple's) have none.
    pub(crate) fn packages(self, tools: &[Tool]) -> Vec<&'static str> {
        let mut packages = Vec::new();
        for package in tools.iter().flat_map(|tool| self.packages_of(*tool)) {
            if !packages.contains(package) {
                packages.push(*package);
            }
        }
        packages
    }

    fn packages_of(self, tool: Tool) -> &'static [&'static str] {
        match (tool, self) {
            (Tool::Rustc | Tool::RustComponents, _) => &[],
            (Tool::Cmake, _) => &["cmake"],
            // Apple's command line tools bring the rest.
            (_, Manager::Brew) => &[],
            (Tool::Make, _) => &["make"],
            (Tool::Git, _) => &["git"],
            (Tool::CCompiler, Manager::Apt) => &["gcc", "libc6-dev"],
            (Tool::CCompiler, Manager::Dnf | Manager::Zypper) => &["gcc", "glibc-devel"],
            (Tool::CCompiler, Manager::Apk) => &["gcc", "musl-dev"],
            (Tool::CCompiler | Tool::CxxCompiler, Manager::Pacman) => &["gcc"],
            (Tool::CxxCompiler, Manager::Apt | Manager::Apk) => &["g++"],
            (Tool::CxxCompiler, Manager::Dnf | Manager::Zypper) => &["gcc-c++"],
            // Not `libclang1` alone: it lacks clang's own headers.
            (Tool::Libclang, Manager::Apt) => &["clang", "libclang-dev"],
            (Tool::Libclang, Manager::Dnf | Manager::Zypper) => &["clang", "clang-devel"],
            (Tool::Libclang, Manager::Apk) => &["clang", "clang-dev"],
            (Tool::Libclang, Manager::Pacman) => &["clang"],
        }
    }

    /// The commands that install `packages` without a question, in order.
    pub(crate) fn install_commands(self, packages: &[&str], privilege: Privilege) -> Vec<Line> {
        let install: &[&str] = match self {
            Manager::Apt => &["install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"],
            Manager::Dnf => &["install", "--assumeyes"],
            Manager::Pacman => &["-Sy", "--needed", "--noconfirm"],
            Manager::Apk => &["add", "--no-cache"],
            Manager::Zypper => &["--non-interactive", "install", "--no-recommends"],
            Manager::Brew => &["install"],
        };
        let mut lines = Vec::from_iter(self.refresh_command(privilege));
        lines.push(self.line(install, packages, privilege));
        lines
    }

    /// Installs packages.
    ///
    /// # Errors
    /// Where that needs root and this user is not, or a command fails.
    pub(crate) fn install(self, packages: &[&str], sudo: Sudo) -> Result<()> {
        let privilege = if self.needs_root() { Privilege::of_this_user(sudo.may_ask) } else { Privilege::NotNeeded };
        if privilege == Privilege::Lacking {
            bail!("{} needs root, and sudo is missing or asks for a password", self.program());
        }
        for command in self.install_commands(packages, privilege) {
            cargo::run(&mut command.to_process())?;
        }
        Ok(())
    }

    /// The command that fetches the list of packages, where installing does not do so itself.
    pub(crate) fn refresh_command(self, privilege: Privilege) -> Option<Line> {
        (self == Manager::Apt).then(|| self.line(&["update", "-o", "DPkg::Lock::Timeout=300"], &[], privilege))
    }

    fn line(self, arguments: &[&str], packages: &[&str], privilege: Privilege) -> Line {
        let mut words: Vec<&str> = match privilege {
            Privilege::Sudo { may_ask: true } => vec!["sudo"],
            Privilege::Sudo { may_ask: false } => vec!["sudo", "-n"],
            Privilege::NotNeeded | Privilege::Lacking => vec![],
        };
        if self == Manager::Apt {
            // As an argument of `env`, because sudo passes no variables on.
            words.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
        }
        words.push(self.program());
        words.extend(arguments);
        words.extend(packages);
        Line(words.into_iter().map(str::to_owned).collect())
    }
}

impl Privilege {
    /// Root, sudo without a password, or (if it may ask) sudo at all.
    pub(crate) fn of_this_user(may_ask: bool) -> Self {
        if answer("id", &["-u"]).as_deref() == Some("0") {
            Privilege::NotNeeded
        } else if answer("sudo", &["-n", "true"]).is_some() {
            Privilege::Sudo { may_ask: false }
        } else if may_ask && answer("sudo", &["--version"]).is_some() {
            Privilege::Sudo { may_ask: true }
        } else {
            Privilege::Lacking
        }
    }
}

impl Line {
    /// Asks nothing on standard input (sudo asks for its password on the terminal).
    pub(crate) fn to_process(&self) -> Command {
        let mut words = self.0.iter();
        let mut command = Command::new(words.next().map_or("", String::as_str));
        command.args(words).stdin(Stdio::null());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM_TOOLS: [Tool; 6] =
        [Tool::CCompiler, Tool::CxxCompiler, Tool::Cmake, Tool::Make, Tool::Libclang, Tool::Git];

    #[test]
    fn every_system_tool_has_a_package_on_every_linux() {
        for manager in Manager::ALL.into_iter().filter(|manager| *manager != Manager::Brew) {
            for tool in SYSTEM_TOOLS {
                assert!(!manager.packages(&[tool]).is_empty(), "{manager:?} {tool:?}");
            }
        }
    }

    #[test]
    fn a_package_that_brings_two_tools_is_named_once() {
        assert_eq!(Manager::Pacman.packages(&SYSTEM_TOOLS), ["gcc", "cmake", "make", "clang", "git"]);
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        assert_eq!(Manager::Apt.packages(&[Tool::Cmake, Tool::Libclang]), ["cmake", "clang", "libclang-dev"]);
        assert_eq!(Manager::Brew.packages(&SYSTEM_TOOLS), ["cmake"]);
        assert!(Manager::Apt.packages(&[Tool::Rustc, Tool::RustComponents]).is_empty());
    }

    #[test]
    fn apt_updates_first_and_never_asks() {
        let lines = Manager::Apt.install_commands(&["cmake"], Privilege::Sudo { may_ask: false });
        let texts: Vec<String> = lines.iter().map(|line| line.0.join(" ")).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update"), "{}", texts[0]);
        assert!(texts[1].contains("apt-get install --yes") && texts[1].ends_with(" cmake"), "{}", texts[1]);
    }

    #[test]
    fn root_needs_no_sudo() {
        let lines = Manager::Dnf.install_commands(&["cmake", "clang"], Privilege::NotNeeded);
        assert_eq!(lines, [Line(["dnf", "install", "--assumeyes", "cmake", "clang"].map(Into::into).into())]);
    }

    #[test]
    fn a_derived_system_takes_the_manager_of_what_it_is_like() {
        let system = |ids: &[&str]| OsRelease { ids: ids.iter().map(|id| id.to_string()).collect(), pretty_name: None };
        assert_eq!(Manager::of(&system(&["linuxmint", "ubuntu", "debian"])), Some(Manager::Apt));
        assert_eq!(Manager::of(&system(&["rocky", "rhel", "centos", "fedora"])), Some(Manager::Dnf));
        assert_eq!(Manager::of(&system(&["manjaro", "arch"])), Some(Manager::Pacman));
        assert_eq!(Manager::of(&system(&["alpine"])), Some(Manager::Apk));
        assert_eq!(Manager::of(&system(&["opensuse-tumbleweed", "opensuse", "suse"])), Some(Manager::Zypper));
        assert_eq!(Manager::of(&system(&["nixos"])), None);
    }
}
