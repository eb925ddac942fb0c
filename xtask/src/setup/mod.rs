//! `cargo xtask setup`: what the build needs beside Rust, whether it is here, and how to get it.
//!
//! Decides what to install and when to give up with instructions. What each tool is and how it is found is in `tool`
//! and `libclang`, what each system calls it in `packages`.

mod libclang;
mod os_release;
pub(crate) mod packages;
mod tool;
mod version;
mod wildcard;

use anyhow::{Result, bail};

use crate::cargo;
use packages::{Manager, Privilege};
use tool::Tool;

/// Whether sudo may be used where it asks for a password.
#[derive(Clone, Copy)]
pub(crate) struct Sudo {
    pub(crate) may_ask: bool,
}

/// Prints every tool with what was found; fails if one is missing.
pub(crate) fn report() -> Result<()> {
    let mut missing = Vec::new();
    for tool in Tool::ALL {
        match tool.check() {
            Ok(found) => println!("ok       {:<16} {found}", tool.name()),
            Err(problem) => {
                println!("MISSING  {:<16} {problem}", tool.name());
                missing.push((tool, problem));
            }
        }
    }
    if missing.is_empty() { Ok(()) } else { give_up(&missing, "something is missing") }
}

/// Installs what is missing, says so where nothing was.
pub(crate) fn ensure_and_say(sudo: Sudo) -> Result<()> {
    ensure(sudo)?;
    println!("Everything the build needs is here.");
    Ok(())
}

/// Installs what is missing; silent where nothing is.
pub(crate) fn ensure(sudo: Sudo) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let tools: Vec<Tool> = missing.iter().map(|(tool, _)| *tool).collect();
    eprintln!("missing: {}", tools.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", "));
    if let Err(error) = install(&tools, sudo) {
        return give_up(&missing, &format!("{error:#}"));
    }
    let still = self::missing();
    if still.is_empty() { Ok(()) } else { give_up(&still, "still missing after the installation") }
}

fn missing() -> Vec<(Tool, String)> {
    Tool::ALL.into_iter().filter_map(|tool| tool.check().err().map(|problem| (tool, problem))).collect()
}

fn install(tools: &[Tool], sudo: Sudo) -> Result<()> {
    if tools.contains(&Tool::RustComponents) {
        cargo::run(std::process::Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]))?;
    }
    let Some(manager) = Manager::of_this_system() else {
        if tools.iter().all(|tool| *tool == Tool::RustComponents) {
            return Ok(());
        }
        bail!("no package manager known here (apt-get, dnf, pacman, apk, zypper, brew)");
    };
    let packages = manager.packages(tools);
    if packages.is_empty() { Ok(()) } else { manager.install(&packages, sudo) }
}

/// Fails with what is missing and the exact commands that would bring it.
fn give_up(missing: &[(Tool, String)], reason: &str) -> Result<()> {
    let tools: Vec<Tool> = missing.iter().map(|(tool, _)| *tool).collect();
    let mut text = format!("{reason}\n");
    for (tool, problem) in missing {
        text.push_str(&format!("  {}: {problem}\n", tool.name()));
    }
    text.push_str(&advice(&tools));
    bail!("{}", text.trim_end());
}

fn advice(tools: &[Tool]) -> String {
    let mut text = String::new();
    let packages = Manager::of_this_system().map(|manager| (manager, manager.packages(tools)));
    if let Some((manager, packages)) = packages.filter(|(_, packages)| !packages.is_empty()) {
        let is_root = Privilege::of_this_user(true) == Privilege::NotNeeded;
        let needs_sudo = manager.needs_root() && !is_root;
        let privilege = if needs_sudo { Privilege::Sudo { may_ask: true } } else { Privilege::NotNeeded };
        text.push_str(&format!("On {}:\n", os_release::name_of_this_system()));
        for command in manager.install_commands(&packages, privilege) {
            text.push_str(&format!("  {}\n", cargo::line(&command.to_process())));
        }
    }
    if cfg!(target_os = "macos") && tools.iter().any(|tool| tool.is_in_xcode_tools()) {
        text.push_str("Apple's command line tools (compilers, make, libclang, git):\n  xcode-select --install\n");
    }
    if cfg!(windows) {
        text.push_str("On Windows:\n  winget install Kitware.CMake LLVM.LLVM Git.Git\n");
        text.push_str("  and the C++ workload of the Visual Studio Build Tools\n");
    }
    if tools.contains(&Tool::Rustc) {
        text.push_str("Rust:\n  rustup update stable\n");
    }
    if tools.contains(&Tool::RustComponents) {
        text.push_str("Rust components:\n  rustup component add rustfmt clippy\n");
    }
    if cfg!(unix) && tools.iter().any(|tool| tool.is_in_python_wheels()) {
        text.push_str(WITHOUT_ROOT);
    }
    text
}

/// The wheel of libclang has no headers of its own: those of the C compiler serve.
const WITHOUT_ROOT: &str = r#"Without root, in a Python environment (keep these variables for later builds, too):
  python3 -m venv .venv && . .venv/bin/activate && pip install cmake ninja libclang
  export CMAKE_GENERATOR=Ninja
  export LIBCLANG_PATH="$(python3 -c 'import clang; print(list(clang.__path__)[0])')/native"
  export BINDGEN_EXTRA_CLANG_ARGS="-isystem $(cc -print-file-name=include)"
"#;
