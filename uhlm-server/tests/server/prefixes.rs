//! What sessions have in common is decoded once: within an owner, and across owners what the operator has declared.

use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_server::Tokens;
use uhlm_server::target::LlamaTarget;

use crate::device::*;
use crate::support::*;

const OWNERS: [&str; 2] = ["the first owner's token", "the second owner's token"];
const SYSTEM: &str =
    "You are a calculator. You answer with a number and the unit, and never with a word more than that.";

/// A conversation under the common system prompt.
fn conversation(question: &str) -> Vec<TokenId> {
    model().prompt(&[Message::system(SYSTEM), Message::user(question)]).expect("a template")
}

/// Has a server with two owners write a reply for each of these, and returns the replies with the number of tokens that
/// were not decoded for them.
async fn replies(system_prompts: &[String], asked: &[(usize, &str)]) -> (Vec<Vec<TokenId>>, u64) {
    let target = LlamaTarget::new(model(), &small()).expect("a context").declaring(system_prompts).expect("a template");
    let mut config = config();
    config.tokens = Tokens::new(OWNERS.map(|owner| owner.replace(' ', "-")).iter().map(String::as_str)).expect("valid");
    let mut fixture = Fixture::with(config, Box::new(target)).await;
    let mut replies = Vec::new();
    for &(owner, question) in asked {
        let mut headers = reqwest::header::HeaderMap::new();
        let token = format!("Bearer {}", OWNERS[owner].replace(' ', "-"));
        headers.insert("authorization", token.parse().expect("a header"));
        fixture.client = client_for(fixture.handle()).default_headers(headers).build().expect("a client");
        let session = fixture.open().await;
        let prompt = conversation(question);
        let mut device = Device::new(&fixture, begin(&prompt, SamplingParams::greedy(), 1), &prompt);
        while device.reply().len() < 12 && !device.ask(&session, &[], passes(4)).await.expect("an answer") {}
        replies.push(device.reply().to_vec());
    }
    let shared = fixture.counters().shared_tokens;
    (replies, shared)
}

const QUESTION: &str = "What is 12 plus 30?";
const OTHER: &str = "How many legs have five dogs?";

/// The tokens that two conversations have in common from their beginning.
fn common() -> u64 {
    let (one, other) = (conversation(QUESTION), conversation(OTHER));
    one.iter().zip(&other).take_while(|(one, other)| one == other).count() as u64
}

#[tokio::test]
async fn what_sessions_of_one_owner_have_in_common_is_decoded_once_and_their_replies_are_the_same() {
    let (alone, nothing) = replies(&[], &[(0, OTHER)]).await;
    let (both, shared) = replies(&[], &[(0, QUESTION), (0, OTHER)]).await;
    assert_eq!((nothing, shared), (0, common()));
    assert_eq!(both[1], alone[0]);
}

#[tokio::test]
async fn another_owner_shares_what_was_declared_and_nothing_more() {
    let (_, shared) = replies(&[], &[(0, QUESTION), (1, QUESTION)]).await;
    assert_eq!(shared, 0, "how soon an answer comes would tell that the question was asked before");
    let (replies, shared) = replies(&[SYSTEM.to_owned()], &[(0, QUESTION), (1, QUESTION)]).await;
    assert!((30..conversation(QUESTION).len() as u64).contains(&shared), "{shared}");
    assert!(shared <= common(), "the question itself is nobody else's business");
    assert_eq!(replies[0], replies[1]);
}
