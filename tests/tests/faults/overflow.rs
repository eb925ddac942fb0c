//! Conversations that outgrow the context, and replies that are cut in the middle of a character.

use std::sync::Arc;

use uhlm_core::{
    Event, FinishReason, GenerationError, GenerationOptions, Mode, OfflinePolicy, Overflow, Prompt, RecordOptions,
    Session, SessionOptions, USEFUL_REPLY,
};
use uhlm_law::chat::{Message, Role};
use uhlm_law::model::Vocabulary as _;
use uhlm_law::sampling::TokenId;
use uhlm_testing::synthetic::{FIRST_HALF, SyntheticModel};

use crate::support::{Record, consume, endless, options};

/// Length of the contexts, in tokens.
const CAPACITY: usize = 160;
/// Number of tokens of every reply.
const REPLY: usize = 24;

/// Makes a session whose device and target have contexts of these lengths.
fn session(device: usize, target: usize, mode: Mode, overflow: Overflow) -> Session {
    let draft = endless(SyntheticModel { capacity: device, ..SyntheticModel::draft() });
    let target = endless(SyntheticModel { capacity: target, ..SyntheticModel::target() }).verifier(|config| config);
    let record = RecordOptions { text: true, ..RecordOptions::default() };
    let options = SessionOptions { overflow, record, ..options(mode, OfflinePolicy::Fail) };
    Session::new(Arc::new(draft), Some(Arc::new(target)), options).expect("valid options")
}

fn ask(session: &Session, text: &str, seed: u64) -> Record {
    let options = GenerationOptions { max_tokens: REPLY, seed: Some(seed), ..GenerationOptions::default() };
    consume(session.generate(Prompt::Chat(text.into()), options).expect("idle"))
}

const MODES: [Mode; 4] = [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly, Mode::DeviceOnly];

#[test]
fn a_conversation_that_drops_its_oldest_turns_goes_on_as_one_that_never_had_them() {
    for mode in MODES {
        let overflow = Overflow::DropOldest { reserve: REPLY };
        let session = session(CAPACITY, CAPACITY, mode, overflow);
        let system = Message::system("be kind");
        session.set_messages(vec![system.clone()]).expect("idle");
        let mut forgotten = 0;
        for turn in 0..12 {
            let before = session.messages();
            let reply = ask(&session, "tell me more", turn);
            let statistics = reply.complete(REPLY);
            assert!(statistics.prompt_tokens as usize + REPLY <= CAPACITY, "{mode:?}");
            let dropped = statistics.dropped_messages as usize;
            // Whole turns: what was asked with what was answered.
            assert_eq!(dropped % 2, 0, "{mode:?}");
            forgotten += dropped;
            // Another session that never had those turns writes the same.
            let fresh = self::session(CAPACITY, CAPACITY, mode, Overflow::Stop);
            let left = [vec![system.clone()], before[1 + forgotten..].to_vec()].concat();
            fresh.set_messages(left).expect("idle");
            let again = ask(&fresh, "tell me more", turn);
            if mode != Mode::Opportunistic {
                assert_eq!(again.text, reply.text, "{mode:?}, turn {turn}");
            }
            assert_eq!(again.complete(REPLY).prompt_tokens, statistics.prompt_tokens, "{mode:?}, turn {turn}");
        }
        assert!(forgotten > 4, "{mode:?}: {forgotten}");
        // Nothing of it is lost to the person.
        let messages = session.messages();
        assert_eq!((messages.len(), messages[0].role), (1 + 2 * 12, Role::System));
    }
}

#[test]
fn what_is_dropped_is_more_than_is_needed_so_that_it_is_not_dropped_at_every_turn() {
    let session = session(400, 400, Mode::Exact, Overflow::DropOldest { reserve: REPLY });
    let drops: Vec<bool> = (0..30).map(|turn| ask(&session, "a", turn).complete(REPLY).dropped_messages > 0).collect();
    let times = drops.iter().filter(|&&drops| drops).count();
    assert!(times >= 2 && times <= drops.len() / 2, "{drops:?}");
}

#[test]
fn a_system_message_is_never_dropped_and_the_verifier_hears_no_more_than_what_is_left() {
    let session = session(CAPACITY, CAPACITY, Mode::Exact, Overflow::DropOldest { reserve: REPLY });
    session.set_messages(vec![Message::system("be kind")]).expect("idle");
    // Letters that the models know, another word for each turn.
    let words = ["abcabc", "bcdbcd", "cdecde", "defdef", "efgefg", "fghfgh", "ghighi", "hijhij"];
    for (turn, word) in words.iter().enumerate() {
        session.clear_sent();
        let reply = ask(&session, word, turn as u64);
        if reply.complete(REPLY).dropped_messages > 0 {
            // What is sent anew begins after the system message, which the verifier has, and has no word of what
            // was forgotten.
            let sent = session.sent();
            let text: String = sent.requests.iter().filter_map(|sent| sent.text.clone()).collect();
            assert!(text.contains(word) && !text.contains(words[0]), "{text}");
        }
    }
    let total: u64 = session.sent().total_tokens;
    assert!(total > 0);
}

#[test]
fn a_target_whose_shorter_context_shows_only_when_it_answers_makes_turns_go_too() {
    for mode in [Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly] {
        let session = session(512, 96, mode, Overflow::DropOldest { reserve: REPLY });
        let turns: Vec<_> = (0..6)
            .flat_map(|_| [Message::user("a long question here"), Message::assistant("a long answer here")])
            .collect();
        session.set_messages(turns).expect("idle");
        let reply = ask(&session, "and now", 1);
        let statistics = reply.complete(REPLY);
        assert!(statistics.dropped_messages >= 8, "{mode:?}: {}", statistics.dropped_messages);
        assert!(statistics.prompt_tokens as usize + REPLY <= 96, "{mode:?}");
    }
}

#[test]
fn a_message_that_does_not_fit_by_itself_is_refused_with_what_it_needs_and_nothing_is_forgotten() {
    for mode in MODES {
        let session = session(CAPACITY, CAPACITY, mode, Overflow::DropOldest { reserve: REPLY });
        ask(&session, "abc", 1).complete(REPLY);
        let reply = ask(&session, &"a".repeat(CAPACITY), 2);
        let GenerationError::PromptTooLong { tokens, reply: needed, capacity } = *reply.error() else {
            panic!("{mode:?}: {:?}", reply.outcome);
        };
        assert!(tokens > CAPACITY && (needed, capacity) == (REPLY, CAPACITY), "{mode:?}: {tokens}");
        let reply = ask(&session, "abc", 3);
        assert_eq!(reply.complete(REPLY).dropped_messages, 0, "{mode:?}");
    }
}

#[test]
fn without_dropping_a_prompt_that_leaves_less_than_a_useful_reply_says_so() {
    for mode in MODES {
        let session = session(CAPACITY, CAPACITY, mode, Overflow::Stop);
        let most = CAPACITY - USEFUL_REPLY;
        let write = |tokens: usize, max_tokens| {
            let options = GenerationOptions { max_tokens, ..GenerationOptions::default() };
            consume(session.generate(Prompt::Raw("a".repeat(tokens)), options).expect("idle"))
        };
        assert_eq!(write(most, 1000).finished().0, FinishReason::ContextFull, "{mode:?}");
        let error = GenerationError::PromptTooLong { tokens: most + 1, reply: USEFUL_REPLY, capacity: CAPACITY };
        assert_eq!(*write(most + 1, 1000).error(), error, "{mode:?}");
        let text = error.to_string();
        let expected = "the prompt has 145 tokens and a reply needs 16 at least, but the context holds 160";
        assert_eq!(text, expected);
        // Who asks for less needs less.
        write(CAPACITY - 3, 3).complete(3);
    }
}

#[test]
fn a_limit_that_cuts_a_character_shows_nothing_of_it() {
    // Replies of such models are full of both halves of a character, in any order.
    let (mut cut, mut whole) = (0, 0);
    for mode in MODES {
        let session = session(512, 512, mode, Overflow::Stop);
        for (seed, max_tokens) in (0..40).zip((1..8).cycle()) {
            let options = GenerationOptions { max_tokens, seed: Some(seed), ..GenerationOptions::default() };
            let reply = consume(session.generate(Prompt::Raw("ab".into()), options).expect("idle"));
            let ids = ids(&reply);
            reply.complete(max_tokens);
            // A half that is followed by something else is damage, and shown as such; one at the end is cut.
            let bytes = bytes(&ids);
            let shown = String::from_utf8_lossy(&bytes);
            if ids.last() == Some(&FIRST_HALF) {
                cut += 1;
                assert_eq!(format!("{}\u{fffd}", reply.text), shown, "{mode:?} {ids:?}");
            } else {
                whole += 1;
                assert_eq!(reply.text, shown, "{mode:?} {ids:?}");
            }
        }
    }
    assert!(cut > 3 && whole > 50, "{cut} {whole}");
}

fn ids(reply: &Record) -> Vec<TokenId> {
    let id = |event: &Event| if let Event::Committed { token, .. } = event { Some(token.id) } else { None };
    reply.events.iter().filter_map(id).collect()
}

fn bytes(ids: &[TokenId]) -> Vec<u8> {
    ids.iter().flat_map(|&id| SyntheticModel::draft().piece(id).to_vec()).collect()
}
