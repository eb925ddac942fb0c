//! Where the Android NDK and the other tools of a build for phones are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::abi::Abi;
use super::check::CXX;
use crate::cargo::answer;

/// An installed NDK.
#[derive(Debug)]
pub(super) struct Ndk {
    pub(super) root: PathBuf,
    /// `toolchains/llvm/prebuilt/HOST`.
    toolchain: PathBuf,
}

/// Variables that name the NDK, in the order in which they count.
const VARIABLES: [&str; 4] = ["ANDROID_NDK_HOME", "ANDROID_NDK_ROOT", "ANDROID_NDK", "NDK_HOME"];

impl Ndk {
    /// The NDK that the environment names, or else the newest one of the Android SDK.
    pub(super) fn find() -> Result<Self> {
        let named = VARIABLES.iter().find_map(|name| Some((*name, PathBuf::from(env::var_os(name)?))));
        if let Some((name, root)) = named {
            return Self::at(root.clone())
                .ok_or_else(|| anyhow::anyhow!("{name} names {}, which is no NDK", root.display()));
        }
        let sdk = ["ANDROID_HOME", "ANDROID_SDK_ROOT"].iter().find_map(|name| Some(PathBuf::from(env::var_os(name)?)));
        match sdk.as_deref().and_then(newest_in).and_then(Self::at) {
            Some(ndk) => Ok(ndk),
            None => bail!(
                "no Android NDK. Install r28 or newer (`sdkmanager 'ndk;28.2.13676358'`, or Android Studio's SDK manager) and set \
                 ANDROID_NDK_HOME, or ANDROID_HOME to the SDK it is part of"
            ),
        }
    }

    fn at(root: PathBuf) -> Option<Self> {
        let mut hosts = root.join("toolchains/llvm/prebuilt").read_dir().ok()?.flatten();
        let toolchain = hosts.find(|host| host.path().join("sysroot").is_dir())?.path();
        Some(Self { root, toolchain })
    }

    /// The program that takes a debugger's symbols out of a library.
    pub(super) fn strip(&self) -> PathBuf {
        self.toolchain.join("bin/llvm-strip")
    }

    /// The C++ library for an ABI.
    pub(super) fn cxx(&self, abi: Abi) -> PathBuf {
        self.toolchain.join("sysroot/usr/lib").join(abi.sysroot()).join(CXX)
    }
}

/// The folder with the highest version in an SDK's `ndk`.
fn newest_in(sdk: &Path) -> Option<PathBuf> {
    let folders = sdk.join("ndk").read_dir().ok()?.flatten();
    folders.max_by_key(|folder| version(&folder.file_name().to_string_lossy())).map(|folder| folder.path())
}

fn version(name: &str) -> Vec<u64> {
    name.split('.').map_while(|part| part.parse().ok()).collect()
}

/// Fails with the command that brings what is missing beside the NDK.
pub(super) fn require_tools(abis: &[Abi]) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    if answer(cargo, &["ndk", "--version"]).is_none() {
        bail!("cargo-ndk is missing: cargo install --locked cargo-ndk");
    }
    // Without rustup, whoever installed Rust takes care of its targets.
    let Some(installed) = answer("rustup", &["target", "list", "--installed"]) else { return Ok(()) };
    let missing: Vec<&str> =
        abis.iter().map(|abi| abi.target()).filter(|target| !installed.lines().any(|line| line == *target)).collect();
    if missing.is_empty() { Ok(()) } else { bail!("Rust targets are missing: rustup target add {}", missing.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts_and_not_the_longest_name() {
        let sdk = tempfile::tempdir().expect("a temporary folder");
        for name in ["9.0.1", "28.2.13676358", "27.3.99999999", "not-a-version"] {
            std::fs::create_dir_all(sdk.path().join("ndk").join(name)).expect("a folder");
        }
        assert_eq!(newest_in(sdk.path()), Some(sdk.path().join("ndk/28.2.13676358")));
        assert_eq!(newest_in(&sdk.path().join("elsewhere")), None);
    }

    #[test]
    fn a_folder_without_a_toolchain_is_no_ndk() {
        let root = tempfile::tempdir().expect("a temporary folder");
        assert!(Ndk::at(root.path().to_path_buf()).is_none());
        let host = root.path().join("toolchains/llvm/prebuilt/linux-x86_64");
        std::fs::create_dir_all(host.join("sysroot")).expect("a folder");
        let ndk = Ndk::at(root.path().to_path_buf()).expect("an NDK");
        assert_eq!(ndk.strip(), host.join("bin/llvm-strip"));
        assert_eq!(ndk.cxx(Abi::Arm32), host.join("sysroot/usr/lib/arm-linux-androideabi/libc++_shared.so"));
    }
}
