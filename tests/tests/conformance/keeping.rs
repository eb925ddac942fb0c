//! Sessions that are saved and restored, and what is read ahead of a message.

use uhlm_ffi::{ErrorKind, Mode, SavedSessionFault, SessionOptions, UhlmError, UhlmSession};
use uhlm_testing::served::Served;

use crate::support::{QUESTION, at_most, chat, drawing, engine, finished, greedy, reply, verifier, wait};

fn fault(error: UhlmError) -> Option<SavedSessionFault> {
    match error.kind() {
        ErrorKind::SavedSession { fault } => Some(fault),
        _ => None,
    }
}

fn text(session: &UhlmSession, message: &str) -> String {
    finished(&reply(session, chat(message), at_most(60))).1
}

#[test]
fn a_saved_session_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.uhlm").display().to_string();
    let options = || SessionOptions { mode: Some(Mode::DeviceOnly), ..drawing() };
    let session = wait(engine().open_session(None, options(), None)).expect("valid");
    let restore = |path: &str| wait(engine().restore_session(path.to_owned(), None, options(), None));
    assert_eq!(restore(&path).err().and_then(fault), Some(SavedSessionFault::Missing));
    text(&session, QUESTION);
    wait(session.save(path.clone())).expect("a writable folder");
    let restored = restore(&path).expect("what was saved");
    assert_eq!(restored.messages().expect("open"), session.messages().expect("open"));
    let next = "Spell the word planet backwards.";
    assert_eq!(text(&restored, next), text(&session, next));
    let mut whole = std::fs::read(&path).expect("the file");
    let middle = whole.len() / 2;
    whole[middle] ^= 1;
    std::fs::write(&path, whole).expect("a writable folder");
    assert_eq!(restore(&path).err().and_then(fault), Some(SavedSessionFault::Damaged));
    session.shut_down();
    assert_eq!(wait(session.save(path)).err().map(|error| error.kind()), Some(ErrorKind::SessionClosed));
}

#[test]
fn what_is_known_is_read_ahead_of_a_message() {
    let served = Served::start();
    let open = || {
        let options = SessionOptions { instructions: Some("Answer in one short sentence. ".repeat(8)), ..greedy() };
        wait(engine().open_session(Some(verifier(&served)), options, None)).expect("valid")
    };
    let (warm, cold) = (open(), open());
    let tokens = wait(warm.prewarm("Please".to_owned())).expect("open");
    assert!(tokens > 30, "{tokens}");
    let [(_, told, statistics), (_, expected, _)] =
        [&warm, &cold].map(|session| finished(&reply(session, chat(QUESTION), at_most(40))));
    assert_eq!(told, expected);
    // The last tokens of a beginning may go on otherwise than was taken to be known.
    assert!(statistics.reused_tokens + 3 >= u64::from(tokens), "{} of {tokens}", statistics.reused_tokens);
    warm.shut_down();
    let closed = wait(warm.prewarm(String::new())).err();
    assert_eq!(closed.map(|error| error.kind()), Some(ErrorKind::SessionClosed));
}
