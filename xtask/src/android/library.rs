//! What an ELF library says of itself. Facts only; what they must be is in `check`.

use anyhow::{Context, Result, bail};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::{Endianness, FileKind, elf};

/// The facts that decide whether a phone can load a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Library {
    /// `e_machine`.
    pub(super) machine: u16,
    /// The smallest alignment of a segment that is loaded.
    pub(super) alignment: u64,
    /// Symbols that others can link to.
    pub(super) exports: Vec<String>,
    /// Libraries that the loader must find.
    pub(super) needed: Vec<String>,
    /// Its own name, for those that link to it.
    pub(super) soname: Option<String>,
    /// Whether the loader must write to code, which Android refuses.
    pub(super) text_relocations: bool,
    /// Whether symbols for a debugger are still in it.
    pub(super) has_symbols: bool,
}

impl Library {
    /// Reads the bytes of a file.
    pub(super) fn read(data: &[u8]) -> Result<Self> {
        match FileKind::parse(data).context("neither ELF nor another object file")? {
            FileKind::Elf32 => parse::<elf::FileHeader32<Endianness>>(data),
            FileKind::Elf64 => parse::<elf::FileHeader64<Endianness>>(data),
            kind => bail!("{kind:?} is not ELF"),
        }
    }
}

fn parse<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<Library> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let segments = header.program_headers(endian, data)?;
    let loaded = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD);
    let alignment = loaded.map(|segment| segment.p_align(endian).into()).min().context("nothing in it is loaded")?;
    let mut library = Library { machine: header.e_machine(endian).0, alignment, ..Library::default() };

    let (entries, link) = sections.dynamic(endian, data)?.context("not a shared library")?;
    let strings = sections.strings(endian, data, link)?;
    for entry in entries {
        let text = || entry.string(endian, strings).map(|text| String::from_utf8_lossy(text).into_owned());
        match entry.d_tag(endian) {
            elf::DT_NEEDED => library.needed.push(text()?),
            elf::DT_SONAME => library.soname = Some(text()?),
            elf::DT_TEXTREL => library.text_relocations = true,
            elf::DT_FLAGS => library.text_relocations |= entry.d_val(endian).into() & elf::DF_TEXTREL.0 != 0,
            _ => {}
        }
    }

    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined(endian) && !symbol.is_local()) {
        let name = symbols.symbol_name(endian, symbol)?;
        library.exports.push(String::from_utf8_lossy(name).into_owned());
    }
    library.exports.sort();
    library.has_symbols = !sections.symbols(endian, data, elf::SHT_SYMTAB)?.is_empty();
    Ok(library)
}
