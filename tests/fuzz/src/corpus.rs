//! The committed inputs: `tests/fuzz/corpus/TARGET/`, one file each, small enough to be read in a review.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use uhlm_law::digest::Digest;

use crate::Target;
use crate::mutation::Mutator;

/// Returns the folder of a target's inputs.
#[must_use]
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Reads a target's inputs, in the order of their names.
///
/// # Errors
/// Those of the file system; a target without inputs has no folder.
pub fn read(target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder(target))?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), fs::read(path)?))).collect()
}

/// Reads a target's inputs, and adds as many changed ones, the same each time.
///
/// # Errors
/// Those of [`read`].
pub fn with_changed(target: &Target, changed: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut inputs: Vec<Vec<u8>> = read(target)?.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(1, target.words);
    let more: Vec<_> = (0..changed).map(|_| mutator.input(&inputs)).collect();
    inputs.extend(more);
    Ok(inputs)
}

/// Writes an input into a folder under a name that follows from its bytes, and returns the path.
///
/// # Errors
/// Those of the file system.
pub fn write(folder: &Path, input: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = Digest(Sha256::digest(input).into()).to_string();
    let path = folder.join(&name[..16]);
    fs::write(&path, input)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TARGETS;

    /// Largest input that is committed, in bytes.
    const MAX_COMMITTED: usize = 4096;
    /// Number of changed inputs of each target that the ordinary tests run.
    const CHANGED: usize = 300;

    #[test]
    fn every_committed_input_keeps_its_promises() {
        for target in TARGETS {
            let inputs = read(target).expect("`cargo run -p uhlm-fuzz --bin fuzz -- --write-seeds` writes them");
            for (path, input) in inputs {
                assert!(input.len() <= MAX_COMMITTED, "{}", path.display());
                eprintln!("{}", path.display());
                (target.run)(&input);
            }
        }
    }

    #[test]
    fn what_the_corpus_begins_with_is_committed() {
        for target in TARGETS {
            let committed: Vec<Vec<u8>> = read(target).expect("a corpus").into_iter().map(|(_, input)| input).collect();
            for (i, seed) in (target.seeds)().iter().enumerate() {
                assert!(committed.contains(seed), "seed {i} of {} is not: run `fuzz --write-seeds`", target.name);
            }
        }
    }

    #[test]
    fn some_changed_inputs_keep_their_promises_too() {
        for target in TARGETS {
            let inputs = with_changed(target, CHANGED).expect("a corpus");
            inputs[inputs.len() - CHANGED..].iter().for_each(|input| (target.run)(input));
        }
    }
}
