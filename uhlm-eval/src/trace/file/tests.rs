use std::fs::OpenOptions;
use std::path::PathBuf;

use super::super::tests::small;
use super::*;

/// A file that belongs to one test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("uhlm-trace-{name}-{}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn write(path: &Path, trace: &Trace) {
    let mut file = TraceFile::open(path, &trace.header, &trace.vocabulary).expect("a file");
    trace.replies.iter().for_each(|reply| file.append(reply).expect("written"));
}

fn bytes_of(name: &str, trace: &Trace) -> Vec<u8> {
    let scratch = Scratch::new(name);
    write(&scratch.0, trace);
    std::fs::read(&scratch.0).expect("a file")
}

#[test]
fn what_was_written_is_read() {
    let trace = small();
    assert_eq!(decode(&bytes_of("written", &trace)).expect("sound"), trace);
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_as_cut_or_holds_fewer_replies() {
    let trace = small();
    let bytes = bytes_of("cut", &trace);
    let mut shorter = 0;
    for len in 0..bytes.len() {
        match decode(&bytes[..len]) {
            Err(TraceError::Truncated { whole }) => assert!(whole <= len as u64),
            Ok(part) => {
                assert!(part.replies.len() < 2);
                shorter += 1;
            }
            Err(error) => panic!("{error} at {len}"),
        }
    }
    assert_eq!(shorter, 2, "where a section ends after none and after one reply");
}

#[test]
fn a_changed_byte_is_noticed() {
    let bytes = bytes_of("changed", &small());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(decode(&changed).is_err(), "at {at}");
    }
}

#[test]
fn strange_files_and_later_versions_are_told_apart() {
    assert!(matches!(decode(b"GGUF and more bytes"), Err(TraceError::Strange)));
    assert!(matches!(decode(b"no"), Err(TraceError::Strange)));
    let mut later = bytes_of("later", &small());
    later[8] = 2;
    assert!(matches!(decode(&later), Err(TraceError::Version { found: 2 })));
}

#[test]
fn an_interrupted_recording_goes_on_where_it_stopped() {
    let trace = small();
    let scratch = Scratch::new("resumed");
    write(&scratch.0, &trace);
    let len = std::fs::metadata(&scratch.0).expect("a file").len();
    OpenOptions::new().write(true).open(&scratch.0).and_then(|file| file.set_len(len - 3)).expect("cut");
    let mut file = TraceFile::open(&scratch.0, &trace.header, &trace.vocabulary).expect("a recording");
    assert_eq!(file.replies(), &trace.replies[..1]);
    file.append(&trace.replies[1]).expect("written");
    assert_eq!(read(&scratch.0).expect("sound"), trace);
}

#[test]
fn another_recording_is_not_gone_on_with() {
    let trace = small();
    let scratch = Scratch::new("other");
    write(&scratch.0, &trace);
    let other = Header { seed: 5, ..trace.header.clone() };
    assert!(matches!(TraceFile::open(&scratch.0, &other, &trace.vocabulary), Err(TraceError::Other { .. })));
    std::fs::write(&scratch.0, "a letter to a friend").expect("written");
    assert!(matches!(TraceFile::open(&scratch.0, &trace.header, &trace.vocabulary), Err(TraceError::Strange)));
    assert_eq!(std::fs::read(&scratch.0).expect("a file"), b"a letter to a friend", "nothing is overwritten");
}
