//! A saved session under the right SHA-256 value, which whoever may write to an app's folder can give any file. It
//! becomes a session that tells its messages, answers, and is saved and restored as the same; or an error says why not.
//!
//! Inputs are small: what they change, and at times all that they change, is the file of a short conversation with the
//! bundled draft model.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use uhlm_core::{
    ContextSize, Engine, Generation, GenerationError, GenerationOptions, LoadOptions, Mode, Prompt, SamplingParams,
    SavedSessionError, Session, SessionOptions,
};

use crate::Target;
use crate::choices::Choices;

pub(crate) const TARGET: Target = Target { name: "session", run, seeds, words: WORDS };

const WORDS: &[&str] = &[
    "null",
    "-1",
    "18446744073709551615",
    "\"seed\":",
    "\"generations\":",
    "\"context\":",
    "\"dropped\":",
    "\"summary\":{\"entry\":",
    "\"messages\":",
    "\"role\":\"tool\"",
    "\"role\":\"system\"",
    "\"tool_calls\":[{\"id\":\"\",\"name\":\"\",\"arguments\":\"\"}]",
    "\"reasoning\":\"\"",
    "<|im_end|>",
    "\u{0}\u{0}\u{0}\u{0}",
    "\u{7f}",
];
/// Number of bytes before those that an input changes: the magic ones, the version, and the model's fingerprint.
const BEGINNING: usize = 8 + 4 + 32;
/// Size of the SHA-256 value, in bytes.
const DIGEST: usize = 32;
/// Numbers at which ranges of lengths, places and types end.
const EDGES: [u32; 10] = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff_ffff, 0x8000_0000, u32::MAX];

/// The file that inputs change, made once in a process.
static SAVED: LazyLock<Saved> = LazyLock::new(Saved::new);

thread_local! {
    /// The folder of the files, which are written one after the other.
    static FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder");
}

fn options() -> SessionOptions {
    SessionOptions {
        mode: Mode::DeviceOnly,
        sampling: SamplingParams::greedy(),
        ngrams: false,
        context: ContextSize::of(256),
        threads: 1,
        seed: Some(1),
        ..SessionOptions::default()
    }
}

fn few_tokens() -> GenerationOptions {
    GenerationOptions { max_tokens: 3, ..GenerationOptions::default() }
}

/// The parts of a saved session that its file names the lengths of.
#[derive(Clone)]
struct Parts {
    head: Vec<u8>,
    tokens: Vec<u8>,
    cached: u32,
    cache: Vec<u8>,
}

impl Parts {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = take(bytes, 1)?;
        let (tokens, rest) = take(rest, 4)?;
        let (cached, rest) = rest.split_first_chunk()?;
        let cache = rest.get(8..)?.to_vec();
        Some(Self { head, tokens, cached: u32::from_le_bytes(*cached), cache })
    }

    fn bytes(&self) -> Vec<u8> {
        let count = self.tokens.len() / 4;
        let mut bytes = (self.head.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.head);
        bytes.extend((count as u32).to_le_bytes());
        bytes.extend_from_slice(&self.tokens[..count * 4]);
        bytes.extend(self.cached.to_le_bytes());
        bytes.extend((self.cache.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.cache);
        bytes
    }
}

/// Takes a part off the front, before which its number of things stands, each of `size` bytes.
fn take(bytes: &[u8], size: usize) -> Option<(Vec<u8>, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*number) as usize * size)?;
    Some((part.to_vec(), rest))
}

/// A session that was saved, with the model that it is of.
struct Saved {
    engine: Engine,
    beginning: Vec<u8>,
    parts: Parts,
}

impl Saved {
    fn new() -> Self {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo-draft.gguf");
        let engine = Engine::load(model, &LoadOptions::default()).expect("the bundled draft model");
        let session = engine.session(None, options()).expect("options in their ranges");
        let generation = session.generate(Prompt::Chat("Please add 7 to 9.".into()), few_tokens()).expect("idle");
        generation.blocking_finish().expect("a reply");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("chat");
        session.blocking_save(&path).expect("a temporary folder can be written to");
        let file = fs::read(&path).expect("what was saved");
        let (beginning, rest) = file.split_at(BEGINNING);
        let parts = Parts::read(&rest[..rest.len() - DIGEST]).expect("the parts of a saved session");
        assert!(parts.cached > 0 && !parts.cache.is_empty(), "there is a cache to change");
        Self { engine, beginning: beginning.to_vec(), parts }
    }

    /// Makes a file of an input: another head, other parts with the right lengths, or other bytes of any kind.
    fn file(&self, data: &[u8]) -> Vec<u8> {
        let (kind, rest) = data.split_first().map_or((1, data), |(&kind, rest)| (kind, rest));
        let (mut parts, mut choices) = (self.parts.clone(), Choices::new(rest));
        let body = match kind % 4 {
            0 => Parts { head: rest.to_vec(), ..parts }.bytes(),
            1 => {
                while !choices.is_over() {
                    match choices.below(4) {
                        0 => change(&mut parts.head, &mut choices),
                        1 => change(&mut parts.tokens, &mut choices),
                        2 => parts.cached = parts.cached.wrapping_add(choices.byte().into()).wrapping_sub(128),
                        _ => change(&mut parts.cache, &mut choices),
                    }
                }
                parts.bytes()
            }
            2 => rest.to_vec(),
            _ => {
                let mut body = parts.bytes();
                while !choices.is_over() {
                    change(&mut body, &mut choices);
                }
                body
            }
        };
        let mut file = [&self.beginning[..], &body].concat();
        let digest = Sha256::digest(&file);
        file.extend(digest);
        file
    }

    fn restore(&self, path: &Path) -> Option<Session> {
        match self.engine.restore_session(path, None, options()) {
            Ok(session) => Some(session),
            // A machine may have no memory for a context just now.
            Err(
                SavedSessionError::Damaged { .. }
                | SavedSessionError::TooLong { .. }
                | SavedSessionError::Cache { .. }
                | SavedSessionError::Model(_),
            ) => None,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Changes bytes at one place, which is near the front, where lengths stand, as often as anywhere.
fn change(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let is_near = choices.yes();
    let far = if is_near { 0 } else { usize::from(choices.byte()) << 8 };
    let at = (far | usize::from(choices.byte())) % (bytes.len() + 1);
    match choices.below(5) {
        0 => {
            let bit = choices.below(8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        1 => {
            let edge = EDGES[choices.below(EDGES.len())].to_le_bytes();
            bytes[at..].iter_mut().zip(edge).for_each(|(byte, new)| *byte = new);
        }
        2 => bytes.truncate(at),
        3 => {
            let end = (at + 1 + choices.below(64)).min(bytes.len());
            drop(bytes.drain(at.min(end)..end));
        }
        _ => drop(bytes.splice(at..at, choices.take(16).to_vec())),
    }
}

fn run(data: &[u8]) {
    let saved = &*SAVED;
    FOLDER.with(|folder| {
        let (path, again) = (folder.path().join("chat"), folder.path().join("again"));
        fs::write(&path, saved.file(data)).expect("a temporary folder can be written to");
        let Some(session) = saved.restore(&path) else { return };
        let messages = session.messages();
        match session.blocking_save(&again) {
            // A cache whose places leave gaps cannot be cut to any length, and then is not taken up again.
            Ok(()) => {
                let restored = saved.restore(&again);
                assert!(restored.is_none_or(|restored| restored.messages() == messages), "other messages");
            }
            Err(SavedSessionError::Model(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
        let generation = session.generate(Prompt::Chat("And now?".into()), few_tokens());
        let outcome = generation.and_then(Generation::blocking_finish);
        assert!(!matches!(outcome, Err(GenerationError::SessionClosed)), "the session's thread ended");
    });
}

/// Makes heads, changes of parts, a file without a cache, and changes of the whole.
fn seeds() -> Vec<Vec<u8>> {
    let entry = |message: &str| {
        format!("{{\"message\":{{{message}}},\"shared\":null,\"shared_reasoning\":false,\"covered\":false}}")
    };
    let head = |entries: &[String], numbers: [u64; 2], dropped: u64, summary: &str| {
        let ([generations, context], entries) = (numbers, entries.join(","));
        format!(
            "{{\"seed\":1,\"generations\":{generations},\"context\":{context},\"conversation\":\
             {{\"entries\":[{entries}],\"dropped\":{dropped},\"summary\":{summary}}}}}"
        )
    };
    let user = entry("\"role\":\"user\",\"content\":\"Please add 7 to 9.\"");
    let assistant = entry("\"role\":\"assistant\",\"content\":\"16\",\"reasoning\":\"<|im_end|>\"");
    let system = entry("\"role\":\"system\",\"content\":\"Be brief.\"");
    let calls = entry(
        "\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"abcdefghi\",\"name\":\"add\",\
         \"arguments\":\"{}\"}]",
    );
    let result = entry("\"role\":\"tool\",\"content\":\"16\",\"tool_call_id\":\"abcdefghi\",\"tool_name\":\"add\"");
    let turn = [user.clone(), assistant.clone()];
    let summary = format!("{{\"entry\":{user},\"messages\":2}}");
    let heads = [
        head(&turn, [1, 18], 0, "null"),
        head(&turn, [u64::MAX, u64::MAX], 0, "null"),
        head(&[system, user.clone(), assistant], [2, 9], 2, &summary),
        head(&turn, [1, 18], u64::MAX, "null"),
        head(&[user.clone(), calls.clone(), result], [2, 30], 1, "null"),
        head(&[user, calls], [1, 30], 0, "null"),
    ];
    let mut seeds: Vec<Vec<u8>> = heads.iter().map(|head| [&[0][..], head.as_bytes()].concat()).collect();
    // One token fewer in the cache; then numbers near the cache's front, where those of its cells and places stand; a
    // cache that is cut, and one that has lost bytes in its middle; an unknown token.
    seeds.push(vec![1, 2, 127]);
    seeds.extend((4..40).step_by(4).map(|at| vec![1, 3, 1, at, 1, 8]));
    seeds.push(vec![1, 3, 0, 8, 0, 2]);
    seeds.push(vec![1, 3, 0, 8, 0, 3, 63]);
    seeds.push(vec![1, 1, 1, 0, 1, 9]);
    let without = Parts { head: heads[0].clone().into_bytes(), tokens: Vec::new(), cached: 0, cache: Vec::new() };
    seeds.push([&[2][..], &without.bytes()].concat());
    seeds.push(vec![3, 1, 0, 1, 7]);
    seeds.push(vec![3, 0, 4, 0, 2]);
    seeds
}
