//! The slices of the XCFramework and what is run for them, as data: the dry run prints the same steps that a Mac takes.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;

/// What the library is compiled for. A simulator's library differs from a device's of the same processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Device,
    SimulatorArm,
    SimulatorIntel,
    MacArm,
    MacIntel,
}

impl Target {
    pub(super) const ALL: [Target; 5] =
        [Target::Device, Target::SimulatorArm, Target::SimulatorIntel, Target::MacArm, Target::MacIntel];

    pub(super) fn triple(self) -> &'static str {
        match self {
            Target::Device => "aarch64-apple-ios",
            Target::SimulatorArm => "aarch64-apple-ios-sim",
            Target::SimulatorIntel => "x86_64-apple-ios",
            Target::MacArm => "aarch64-apple-darwin",
            Target::MacIntel => "x86_64-apple-darwin",
        }
    }

    /// The oldest system it runs on, as Package.swift has it, and the variable that tells the compilers.
    pub(super) fn oldest_system(self) -> (&'static str, (u32, u32)) {
        match self {
            Target::Device | Target::SimulatorArm | Target::SimulatorIntel => ("IPHONEOS_DEPLOYMENT_TARGET", (15, 0)),
            Target::MacArm | Target::MacIntel => ("MACOSX_DEPLOYMENT_TARGET", (12, 0)),
        }
    }

    fn library(self) -> PathBuf {
        cargo::root().join("target").join(self.triple()).join("release/libuhlm_ffi.a")
    }
}

/// One library of the XCFramework: a system, with all its processors in one file.
struct Slice {
    name: &'static str,
    targets: &'static [Target],
}

const SLICES: [Slice; 3] = [
    Slice { name: "ios", targets: &[Target::Device] },
    Slice { name: "ios-simulator", targets: &[Target::SimulatorArm, Target::SimulatorIntel] },
    Slice { name: "macos", targets: &[Target::MacArm, Target::MacIntel] },
];

impl Slice {
    fn library(&self) -> PathBuf {
        folder().join(self.name).join("libuhlm_ffi.a")
    }
}

/// A program with its arguments and what is added to its environment.
#[derive(Debug)]
pub(super) struct Line {
    variables: Vec<(&'static str, String)>,
    words: Vec<OsString>,
}

/// A file that is copied.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
}

/// One thing to do.
#[derive(Debug)]
pub(super) enum Step {
    Run(Line),
    /// The library holds these targets, and all functions of the header.
    Check {
        library: PathBuf,
        targets: Vec<Target>,
    },
    Place(Place),
    Write {
        to: PathBuf,
        text: &'static str,
    },
    Remove(PathBuf),
}

pub(super) fn folder() -> PathBuf {
    cargo::root().join("target/ios")
}

pub(super) fn zip() -> PathBuf {
    folder().join("uhlmFFI.xcframework.zip")
}

/// As the generator writes it.
pub(super) fn header() -> PathBuf {
    folder().join("generated/uhlmFFI.h")
}

fn framework() -> PathBuf {
    folder().join("uhlmFFI.xcframework")
}

/// A folder of the module's own below it: Xcode copies the headers of all static XCFrameworks into one folder, where
/// module maps of one name would collide.
fn headers() -> PathBuf {
    folder().join("headers")
}

const MODULE_MAP: &str = "module uhlmFFI {\n    header \"uhlmFFI.h\"\n    export *\n}\n";

/// All steps, in order. The Swift package takes the XCFramework from where it lies at the end.
pub(super) fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Target::ALL.into_iter().map(build).collect();
    let generated = header().with_file_name("Uhlm.swift");
    let sources = cargo::root().join("bindings/swift/Sources/Uhlm/Generated/Uhlm.swift");
    steps.push(generate(&Target::Device.library()));
    steps.push(Step::Place(Place { from: generated, to: sources }));
    steps.push(Step::Place(Place { from: header(), to: headers().join("uhlmFFI/uhlmFFI.h") }));
    steps.push(Step::Write { to: headers().join("uhlmFFI/module.modulemap"), text: MODULE_MAP });
    for slice in &SLICES {
        let libraries: Vec<PathBuf> = slice.targets.iter().map(|target| target.library()).collect();
        match libraries.as_slice() {
            [only] => steps.push(Step::Place(Place { from: only.clone(), to: slice.library() })),
            several => {
                steps.push(run("mkdir", ["-p".into(), folder().join(slice.name).into()]));
                let words = ["-create".into()].into_iter().chain(several.iter().map(Into::into));
                steps.push(run("lipo", words.chain(["-output".into(), slice.library().into()])));
            }
        }
        steps.push(Step::Check { library: slice.library(), targets: slice.targets.to_vec() });
    }
    // xcodebuild does not write over an older one.
    steps.push(Step::Remove(framework()));
    let libraries = SLICES
        .iter()
        .flat_map(|slice| ["-library".into(), slice.library().into(), "-headers".into(), headers().into()]);
    let words = ["-create-xcframework".into()].into_iter().chain(libraries);
    steps.push(run("xcodebuild", words.chain(["-output".into(), framework().into()])));
    let words = ["-c", "-k", "--keepParent"].map(OsString::from).into_iter();
    steps.push(run("ditto", words.chain([framework().into(), zip().into()])));
    steps
}

fn build(target: Target) -> Step {
    let (variable, (major, minor)) = target.oldest_system();
    let words = ["build", "--release", "--package", "uhlm-ffi", "--target", target.triple()];
    Step::Run(Line {
        variables: vec![(variable, format!("{major}.{minor}"))],
        words: ["cargo"].into_iter().chain(words).map(OsString::from).collect(),
    })
}

/// From the library itself: it holds the description of its own surface, as long as it is not stripped.
fn generate(library: &Path) -> Step {
    let words =
        ["run", "--package", "uniffi-bindgen", "--", "generate", "--language", "swift", "--no-format", "--out-dir"];
    let words = words.map(OsString::from).into_iter().chain([folder().join("generated").into(), library.into()]);
    run("cargo", words)
}

fn run(program: &str, words: impl IntoIterator<Item = OsString>) -> Step {
    Step::Run(Line { variables: Vec::new(), words: [OsString::from(program)].into_iter().chain(words).collect() })
}

impl Line {
    pub(super) fn to_process(&self) -> Command {
        let mut words = self.words.iter();
        let program = words.next().map(OsString::as_os_str).unwrap_or_default();
        let mut command = match program.to_str() {
            Some("cargo") => cargo::cargo(&[]),
            _ => Command::new(program),
        };
        command.args(words).envs(self.variables.iter().map(|(name, value)| (*name, value))).current_dir(cargo::root());
        command
    }
}

impl Step {
    pub(super) fn title(&self) -> &'static str {
        match self {
            Step::Run(_) => "run",
            Step::Check { .. } => "check",
            Step::Place(_) => "copy",
            Step::Write { .. } => "write",
            Step::Remove(_) => "remove",
        }
    }
}

/// As one would type it in the repository's root; what this program does itself is a comment.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |path: &Path| path.strip_prefix(cargo::root()).unwrap_or(path).display().to_string();
        match self {
            Step::Run(line) => {
                for (name, value) in &line.variables {
                    write!(f, "{name}={value} ")?;
                }
                f.write_str(&cargo::line(&line.to_process()).replace(&format!("{}/", cargo::root().display()), ""))
            }
            Step::Check { library, targets } => {
                let triples: Vec<&str> = targets.iter().map(|target| target.triple()).collect();
                write!(f, "# check {}: {}, all functions of the header", short(library), triples.join(", "))
            }
            Step::Place(Place { from, to }) => write!(f, "cp {} {}", short(from), short(to)),
            Step::Write { to, .. } => write!(f, "# write {}", short(to)),
            Step::Remove(path) => write!(f, "rm -rf {}", short(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<String> {
        steps().iter().map(Step::to_string).collect()
    }

    #[test]
    fn every_target_is_built_for_its_oldest_system() {
        let lines = lines();
        for target in Target::ALL {
            let end = format!("--target {}", target.triple());
            let line = lines.iter().find(|line| line.ends_with(&end)).expect("each target is built");
            let ios = target.triple().contains("ios");
            let variable = if ios { "IPHONEOS_DEPLOYMENT_TARGET=15.0 " } else { "MACOSX_DEPLOYMENT_TARGET=12.0 " };
            assert!(line.starts_with(variable), "{line}");
        }
    }

    #[test]
    fn each_library_is_checked_before_it_is_packed() {
        let lines = lines();
        let packed = lines.iter().position(|line| line.starts_with("xcodebuild")).expect("it is packed");
        for slice in &SLICES {
            let name = format!("target/ios/{}/libuhlm_ffi.a", slice.name);
            let checked = lines.iter().position(|line| line.starts_with("# check") && line.contains(&name));
            assert!(checked.is_some_and(|at| at < packed), "{name}");
            assert!(
                lines[packed].contains(&format!("-library {name} -headers target/ios/headers")),
                "{}",
                lines[packed]
            );
        }
    }

    #[test]
    fn a_system_with_two_processors_gets_them_in_one_file() {
        let lipo: Vec<String> = lines().into_iter().filter(|line| line.starts_with("lipo")).collect();
        assert_eq!(lipo.len(), 2);
        assert!(lipo[0].contains("aarch64-apple-ios-sim") && lipo[0].contains("x86_64-apple-ios/"), "{}", lipo[0]);
    }

    #[test]
    fn the_manifest_takes_the_framework_from_where_it_lies() {
        let manifest = std::fs::read_to_string(cargo::root().join("Package.swift")).expect("the root's manifest");
        assert!(manifest.contains("path: \"target/ios/uhlmFFI.xcframework\""));
        assert!(manifest.contains(".iOS(.v15), .macOS(.v12)"), "as old as the library");
    }
}
