//! What stands in a static library: for which systems and processors, and which functions. Pure: bytes in, findings
//! out.

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
mod tests;
