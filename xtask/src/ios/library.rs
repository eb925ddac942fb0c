//! What stands in a static library: for which systems and processors, and which functions. Pure: bytes in, findings out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, bail};
use object::macho;
use object::read::archive::ArchiveFile;
use object::read::macho::{FatArch as _, LoadCommandVariant, MachHeader, MachOFatFile32, MachOFatFile64, MachOFile};
use object::{Architecture, Endianness, FileKind, Object as _, ObjectSymbol as _};

use super::plan::Target;

/// What one object file is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Platform {
    Ios,
    IosSimulator,
    Mac,
    /// Named by its number.
    OtherApple(u32),
    /// Not Apple's, or an object that does not say.
    Unnamed,
}

/// A processor on a system.
pub(super) type Kind = (String, Platform);

/// The object files of a library, all slices together.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// How many object files there are of each kind.
    objects: BTreeMap<Kind, usize>,
    /// The oldest system that all object files of a kind run on.
    oldest: BTreeMap<Kind, (u32, u32)>,
    /// For each processor, the functions defined for others to call.
    functions: BTreeMap<String, BTreeSet<String>>,
}

/// The functions that a generated header declares.
pub(super) fn functions_of(header: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut functions = BTreeSet::new();
    for (at, _) in header.match_indices('(') {
        let before = header[..at].trim_end();
        let name = &before[before.rfind(|c| !is_name(c)).map_or(0, |end| end + 1)..];
        if name.starts_with("uniffi_uhlm_ffi_") || name.starts_with("ffi_uhlm_ffi_") {
            functions.insert(name.to_owned());
        }
    }
    functions
}

/// Fails unless the library is for exactly these targets, each with all functions.
pub(super) fn check(bytes: &[u8], targets: &[Target], functions: &BTreeSet<String>) -> Result<Contents> {
    if functions.is_empty() {
        bail!("the header declares no function");
    }
    let contents = Contents::read(bytes)?;
    let expected: BTreeSet<Kind> = targets.iter().map(|target| kind_of(*target)).collect();
    let found: BTreeSet<Kind> = contents.objects.keys().cloned().collect();
    // Assembled code may be without a platform; the linker takes it for any, as long as the processor is right.
    let (unnamed, named): (BTreeSet<Kind>, BTreeSet<Kind>) =
        found.iter().cloned().partition(|(_, platform)| *platform == Platform::Unnamed);
    let is_expected = |processor: &str| expected.iter().any(|(other, _)| other == processor);
    if named != expected || !unnamed.iter().all(|(processor, _)| is_expected(processor)) {
        bail!("it is for {}, and must be for {}", in_words(&found), in_words(&expected));
    }
    for target in targets {
        let (_, oldest) = target.oldest_system();
        if let Some(found) = contents.oldest.get(&kind_of(*target)).filter(|found| **found > oldest) {
            bail!(
                "an object file wants system {}.{}, the package promises {}.{}",
                found.0,
                found.1,
                oldest.0,
                oldest.1
            );
        }
    }
    if let Some(function) = contents.missing(functions).first() {
        bail!("`{function}` is not in it");
    }
    Ok(contents)
}

fn kind_of(target: Target) -> Kind {
    let (processor, platform) = match target {
        Target::Device => ("arm64", Platform::Ios),
        Target::SimulatorArm => ("arm64", Platform::IosSimulator),
        Target::SimulatorIntel => ("x86_64", Platform::IosSimulator),
        Target::MacArm => ("arm64", Platform::Mac),
        Target::MacIntel => ("x86_64", Platform::Mac),
    };
    (processor.to_owned(), platform)
}

impl Contents {
    /// Reads an archive of object files, or several in one file as `lipo` makes it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut contents = Self::default();
        match FileKind::parse(bytes).context("no file of a known kind")? {
            FileKind::Archive => contents.add_archive(bytes)?,
            FileKind::MachOFat32 => {
                for slice in MachOFatFile32::parse(bytes).context("a fat file that is damaged")?.arches() {
                    contents.add_archive(slice.data(bytes).context("a fat file that is cut short")?)?;
                }
            }
            FileKind::MachOFat64 => {
                for slice in MachOFatFile64::parse(bytes).context("a fat file that is damaged")?.arches() {
                    contents.add_archive(slice.data(bytes).context("a fat file that is cut short")?)?;
                }
            }
            kind => bail!("no archive: {kind:?}"),
        }
        if contents.objects.is_empty() {
            bail!("there is no object file in it");
        }
        Ok(contents)
    }

    /// The functions that are not defined for every processor.
    pub(super) fn missing<'a>(&self, functions: &'a BTreeSet<String>) -> Vec<&'a str> {
        let there = |function: &String| self.functions.values().all(|defined| defined.contains(function));
        functions.iter().filter(|function| !there(function)).map(String::as_str).collect()
    }

    fn add_archive(&mut self, bytes: &[u8]) -> Result<()> {
        let archive = ArchiveFile::parse(bytes).context("an archive that is damaged")?;
        for member in archive.members() {
            let member = member.context("an archive that is cut short")?;
            let data = member.data(bytes).context("an archive that is cut short")?;
            // Rust also packs files that are no object files.
            if FileKind::parse(data).is_ok() {
                let name = String::from_utf8_lossy(member.name()).into_owned();
                self.add_object(data).with_context(|| format!("its member {name}"))?;
            }
        }
        Ok(())
    }

    fn add_object(&mut self, data: &[u8]) -> Result<()> {
        let file = object::File::parse(data).context("an object file that is damaged")?;
        let processor = match file.architecture() {
            Architecture::Aarch64 => "arm64".to_owned(),
            Architecture::X86_64 => "x86_64".to_owned(),
            other => format!("{other:?}"),
        };
        let (platform, oldest) = match &file {
            object::File::MachO64(file) => platform_of(file, &processor)?,
            _ => (Platform::Unnamed, None),
        };
        let kind = (processor.clone(), platform);
        *self.objects.entry(kind.clone()).or_default() += 1;
        if let Some(oldest) = oldest {
            let newest = self.oldest.entry(kind).or_insert(oldest);
            *newest = (*newest).max(oldest);
        }
        // The name in a Mach-O file has a leading underscore more than in C.
        let apple = matches!(file, object::File::MachO64(_));
        let defined = file.symbols().filter(|symbol| symbol.is_definition() && symbol.is_global());
        let names = defined.filter_map(|symbol| {
            let name = symbol.name().ok()?;
            Some(if apple { name.strip_prefix('_')? } else { name }.to_owned())
        });
        self.functions.entry(processor).or_default().extend(names);
        Ok(())
    }
}

/// From `LC_BUILD_VERSION`, or the older command for a single platform.
fn platform_of<Mach: MachHeader<Endian = Endianness>>(
    file: &MachOFile<'_, Mach>,
    processor: &str,
) -> Result<(Platform, Option<(u32, u32)>)> {
    let endian = file.endian();
    let version = |packed: macho::Version| Some((packed.0 >> 16, (packed.0 >> 8) & 0xff));
    let mut commands = file.macho_load_commands().context("no load commands")?;
    while let Some(command) = commands.next().context("a load command that is damaged")? {
        match command.variant().context("a load command that is damaged")? {
            LoadCommandVariant::BuildVersion(build, _) => {
                let platform = match build.platform.get(endian) {
                    macho::PLATFORM_IOS => Platform::Ios,
                    macho::PLATFORM_IOSSIMULATOR => Platform::IosSimulator,
                    macho::PLATFORM_MACOS => Platform::Mac,
                    other => Platform::OtherApple(other.0),
                };
                return Ok((platform, version(build.minos.get(endian))));
            }
            LoadCommandVariant::VersionMin(least) => {
                let platform = match least.cmd.get(endian) {
                    // No device has this processor.
                    macho::LC_VERSION_MIN_IPHONEOS if processor == "x86_64" => Platform::IosSimulator,
                    macho::LC_VERSION_MIN_IPHONEOS => Platform::Ios,
                    macho::LC_VERSION_MIN_MACOSX => Platform::Mac,
                    other => Platform::OtherApple(other.0),
                };
                return Ok((platform, version(least.version.get(endian))));
            }
            _ => {}
        }
    }
    Ok((Platform::Unnamed, None))
}

fn in_words(kinds: &BTreeSet<Kind>) -> String {
    kinds.iter().map(|(processor, platform)| format!("{platform} {processor}")).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Platform::Ios => f.write_str("iOS"),
            Platform::IosSimulator => f.write_str("iOS simulator"),
            Platform::Mac => f.write_str("macOS"),
            Platform::OtherApple(number) => write!(f, "platform {number}"),
            Platform::Unnamed => f.write_str("no named platform"),
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.objects.iter();
        let parts =
            kinds.map(|((processor, platform), count)| format!("{count} object files for {platform} {processor}"));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use object::write::{MachOBuildVersion, Object, StandardSection, Symbol, SymbolSection};
    use object::{BinaryFormat, SymbolFlags, SymbolKind, SymbolScope};

    use super::*;

    const HEADER: &str = "void ffi_uhlm_ffi_rustbuffer_free(RustBuffer buf, RustCallStatus *_Nonnull out_status\n);\n\
        uint64_t uniffi_uhlm_ffi_fn_method_uhlmsession_start(uint64_t ptr, RustBuffer prompt\n);\n\
        typedef void (*UniffiRustFutureContinuationCallback)(uint64_t, int8_t);\n";

    /// An object file that defines the functions, as a compiler for the system would write it.
    fn object(target: Option<Target>, oldest: (u32, u32), functions: &[&str]) -> Vec<u8> {
        let (format, kind) = match target {
            Some(target) => (BinaryFormat::MachO, kind_of(target)),
            None => (BinaryFormat::Elf, ("x86_64".to_owned(), Platform::Unnamed)),
        };
        let architecture = if kind.0 == "arm64" { Architecture::Aarch64 } else { Architecture::X86_64 };
        let mut object = Object::new(format, architecture, Endianness::Little);
        let platform = match kind.1 {
            Platform::Ios => Some(macho::PLATFORM_IOS),
            Platform::IosSimulator => Some(macho::PLATFORM_IOSSIMULATOR),
            Platform::Mac => Some(macho::PLATFORM_MACOS),
            _ => None,
        };
        if let Some(platform) = platform {
            let mut version = MachOBuildVersion::default();
            version.platform = platform;
            version.minos = macho::Version(oldest.0 << 16 | oldest.1 << 8);
            object.set_macho_build_version(version);
        }
        let text = object.section_id(StandardSection::Text);
        for function in functions {
            let value = object.append_section_data(text, &[0xc3; 4], 4);
            object.add_symbol(Symbol {
                name: function.as_bytes().to_vec(),
                value,
                size: 4,
                kind: SymbolKind::Text,
                scope: SymbolScope::Linkage,
                weak: false,
                section: SymbolSection::Section(text),
                flags: SymbolFlags::None,
            });
        }
        object.write().expect("an object file in memory")
    }

    fn archive(members: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (index, member) in members.iter().enumerate() {
            let name = format!("{index}.o/");
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, member.len());
            bytes.extend(header.as_bytes());
            bytes.extend(member);
            if member.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        bytes
    }

    /// As lipo writes it.
    fn fat(slices: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut bytes: Vec<u8> = [0xcafe_babe_u32, slices.len() as u32].iter().flat_map(|n| n.to_be_bytes()).collect();
        let mut offset = 4096;
        for (processor, slice) in slices {
            for number in [*processor, 0, offset as u32, slice.len() as u32, 12] {
                bytes.extend(number.to_be_bytes());
            }
            offset += slice.len().next_multiple_of(4096);
        }
        for (_, slice) in slices {
            bytes.resize(bytes.len().next_multiple_of(4096), 0);
            bytes.extend(slice);
        }
        bytes
    }

    const ALL: [&str; 2] = ["ffi_uhlm_ffi_rustbuffer_free", "uniffi_uhlm_ffi_fn_method_uhlmsession_start"];
    const ARM: u32 = 0x0100_000c;
    const INTEL: u32 = 0x0100_0007;

    #[test]
    fn a_header_names_its_functions_and_nothing_else() {
        assert!(functions_of(HEADER).iter().eq(ALL));
        assert!(functions_of("").is_empty());
    }

    #[test]
    fn a_library_for_a_device_passes() {
        let library = archive(&[
            object(Some(Target::Device), (10, 0), &ALL[..1]),
            object(Some(Target::Device), (15, 0), &ALL[1..]),
            b"no object file".to_vec(),
        ]);
        let contents = check(&library, &[Target::Device], &functions_of(HEADER)).expect("all is there");
        assert_eq!(contents.to_string(), "2 object files for iOS arm64");
    }

    #[test]
    fn a_simulator_is_no_device_although_the_processor_is_the_same() {
        let library = archive(&[object(Some(Target::SimulatorArm), (15, 0), &ALL)]);
        let error = check(&library, &[Target::Device], &functions_of(HEADER)).expect_err("the wrong platform");
        assert_eq!(error.to_string(), "it is for iOS simulator arm64, and must be for iOS arm64");
    }

    #[test]
    fn both_processors_of_a_simulator_are_found_in_one_file() {
        let slice = |target| archive(&[object(Some(target), (15, 0), &ALL)]);
        let library = fat(&[(ARM, slice(Target::SimulatorArm)), (INTEL, slice(Target::SimulatorIntel))]);
        let both = [Target::SimulatorArm, Target::SimulatorIntel];
        check(&library, &both, &functions_of(HEADER)).expect("both are there");
        let one = fat(&[(ARM, slice(Target::SimulatorArm))]);
        assert!(check(&one, &both, &functions_of(HEADER)).is_err());
    }

    #[test]
    fn a_function_that_one_processor_lacks_is_missed() {
        let slice = |target, functions: &[&str]| archive(&[object(Some(target), (12, 0), functions)]);
        let library = fat(&[(ARM, slice(Target::MacArm, &ALL)), (INTEL, slice(Target::MacIntel, &ALL[..1]))]);
        let error =
            check(&library, &[Target::MacArm, Target::MacIntel], &functions_of(HEADER)).expect_err("half of it");
        assert_eq!(error.to_string(), format!("`{}` is not in it", ALL[1]));
    }

    #[test]
    fn an_object_file_for_a_newer_system_than_promised_is_refused() {
        let library = archive(&[object(Some(Target::Device), (17, 2), &ALL)]);
        let error = check(&library, &[Target::Device], &functions_of(HEADER)).expect_err("too new");
        assert_eq!(error.to_string(), "an object file wants system 17.2, the package promises 15.0");
    }

    #[test]
    fn a_linux_archive_has_its_functions_but_is_for_no_phone() {
        let library = archive(&[object(None, (0, 0), &ALL)]);
        let contents = Contents::read(&library).expect("an archive");
        assert!(contents.missing(&functions_of(HEADER)).is_empty());
        assert_eq!(contents.to_string(), "1 object files for no named platform x86_64");
        assert!(check(&library, &[Target::Device], &functions_of(HEADER)).is_err());
    }

    #[test]
    fn damaged_files_are_errors() {
        let library = archive(&[object(Some(Target::Device), (15, 0), &ALL)]);
        for length in [0, 7, 8, 40, library.len() / 2] {
            assert!(Contents::read(&library[..length]).is_err(), "{length} bytes");
        }
        assert!(Contents::read(b"MZ no archive").is_err());
    }
}
