//! What a library must be so that every phone loads it. Pure functions on [`Library`].

use super::abi::Abi;
use super::library::Library;

/// The file's name, which the Kotlin code asks for.
pub(super) const FILE: &str = "libuhlm_ffi.so";

/// Libraries that Android has for apps, of those that ours may want.
const SYSTEM: [&str; 5] = ["libc.so", "libm.so", "libdl.so", "liblog.so", "libandroid.so"];

/// The C++ library. Android has none for apps: whoever needs it ships it.
pub(super) const CXX: &str = "libc++_shared.so";

/// How the names begin that must be visible: functions of the surface, what the generator reads, and the loader's
/// hooks.
const VISIBLE: [&str; 5] = ["uniffi_", "ffi_", "UNIFFI_META_", "JNI_OnLoad", "Java_"];

/// What is wrong with the library; nothing where a phone can load it.
pub(super) fn problems(library: &Library, abi: Abi, shipped: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    if Abi::of_machine(library.machine) != Some(abi) {
        problems.push(format!("built for machine {}, not for {}", library.machine, abi.name()));
    }
    if library.alignment < abi.page() {
        let (is, must) = (library.alignment, abi.page());
        problems.push(format!("segments are aligned to {is} bytes, pages of {must} are to be expected"));
    }
    if library.text_relocations {
        problems.push("the loader would have to write to its code, which Android refuses".to_owned());
    }
    let foreign =
        library.needed.iter().filter(|name| !SYSTEM.contains(&name.as_str()) && !shipped.contains(&name.as_str()));
    problems.extend(foreign.map(|name| format!("needs {name}, which Android does not have and we do not ship")));
    problems
}

/// What is wrong with our own library beside that.
pub(super) fn problems_of_ours(library: &Library) -> Vec<String> {
    let mut problems = Vec::new();
    if library.soname.as_deref().is_some_and(|name| name != FILE) {
        problems.push(format!("calls itself {}", library.soname.as_deref().unwrap_or_default()));
    }
    if !library.exports.iter().any(|name| name.starts_with("uniffi_")) {
        problems.push("has none of the functions that Kotlin calls".to_owned());
    }
    let others = strangers(library);
    if let Some(first) = others.first() {
        problems.push(format!("exports {} symbols that could clash with an app's, such as {first}", others.len()));
    }
    if library.has_symbols {
        problems.push("is not stripped".to_owned());
    }
    problems
}

fn strangers(library: &Library) -> Vec<&str> {
    let visible = |name: &&str| !VISIBLE.iter().any(|prefix| name.starts_with(prefix));
    library.exports.iter().map(String::as_str).filter(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Library {
        Library {
            machine: 183,
            alignment: 16384,
            exports: vec!["UNIFFI_META_1".into(), "ffi_uhlm_ffi_rustbuffer_alloc".into(), "uniffi_uhlm_ffi_fn".into()],
            needed: vec!["libc.so".into(), "liblog.so".into()],
            soname: Some(FILE.into()),
            ..Library::default()
        }
    }

    fn all(library: &Library) -> Vec<String> {
        let mut all = problems(library, Abi::Arm64, &[]);
        all.extend(problems_of_ours(library));
        all
    }

    #[test]
    fn a_good_library_has_no_problem() {
        assert_eq!(all(&good()), Vec::<String>::new());
        assert_eq!(all(&Library { soname: None, ..good() }), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_named() {
        let faults = [
            (Library { machine: 40, ..good() }, "machine 40"),
            (Library { alignment: 4096, ..good() }, "4096 bytes"),
            (Library { text_relocations: true, ..good() }, "write to its code"),
            (Library { needed: vec!["libstdc++.so.6".into()], ..good() }, "libstdc++.so.6"),
            (Library { needed: vec![CXX.into()], ..good() }, CXX),
            (Library { soname: Some("libother.so".into()), ..good() }, "libother.so"),
            (Library { exports: Vec::new(), ..good() }, "functions that Kotlin calls"),
            (Library { exports: vec!["uniffi_a".into(), "llama_decode".into()], ..good() }, "llama_decode"),
            (Library { has_symbols: true, ..good() }, "not stripped"),
        ];
        for (library, words) in faults {
            let problems = all(&library);
            assert!(problems.len() == 1 && problems[0].contains(words), "{words}: {problems:?}");
        }
    }

    #[test]
    fn what_is_shipped_may_be_needed() {
        let library = Library { needed: vec![CXX.into()], ..good() };
        assert_eq!(problems(&library, Abi::Arm64, &[CXX]), Vec::<String>::new());
    }

    #[test]
    fn pages_of_32_bit_phones_are_small() {
        let library = Library { machine: 40, alignment: 4096, ..good() };
        assert_eq!(problems(&library, Abi::Arm32, &[]), Vec::<String>::new());
    }
}
