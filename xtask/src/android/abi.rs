//! The processors of the phones that are built for, and what each tool calls them.

use clap::ValueEnum;
use object::elf;

/// An Android ABI, under the NDK's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Abi {
    #[value(name = "arm64-v8a")]
    Arm64,
    #[value(name = "armeabi-v7a")]
    Arm32,
    #[value(name = "x86_64")]
    X86_64,
}

impl Abi {
    pub(super) const ALL: [Self; 3] = [Self::Arm64, Self::Arm32, Self::X86_64];

    /// The folder in an APK; also what cargo-ndk calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64-v8a",
            Self::Arm32 => "armeabi-v7a",
            Self::X86_64 => "x86_64",
        }
    }

    /// Rust's target.
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-android",
            Self::Arm32 => "armv7-linux-androideabi",
            Self::X86_64 => "x86_64-linux-android",
        }
    }

    /// The folder of its libraries in the NDK's sysroot.
    pub(super) fn sysroot(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-android",
            Self::Arm32 => "arm-linux-androideabi",
            Self::X86_64 => "x86_64-linux-android",
        }
    }

    /// The ABI of a library by `e_machine` of its ELF header.
    pub(super) fn of_machine(machine: u16) -> Option<Self> {
        match object::elf::Machine(machine) {
            elf::EM_AARCH64 => Some(Self::Arm64),
            elf::EM_ARM => Some(Self::Arm32),
            elf::EM_X86_64 => Some(Self::X86_64),
            _ => None,
        }
    }

    /// Pages of 64-bit phones may be of 16 KB; 32-bit ones have 4 KB.
    pub(super) fn page(self) -> u64 {
        match self {
            Self::Arm64 | Self::X86_64 => 16 * 1024,
            Self::Arm32 => 4 * 1024,
        }
    }
}
