//! Libraries made in memory, as compilers for the systems would write them.

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
    let error = check(&library, &[Target::MacArm, Target::MacIntel], &functions_of(HEADER)).expect_err("half of it");
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
