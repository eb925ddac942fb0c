//! Where a reply ends, the server sees it too: it does not write on, and says why.

use uhlm_law::advance::*;
use uhlm_law::chat::ChatTemplate as _;
use uhlm_law::model::{LanguageModel as _, Vocabulary as _};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_server::Limits;

use crate::device::*;
use crate::support::*;
use crate::synthetic::{END, Pieces, Synthetic, greedily as written};

/// A greedy reply of `count` tokens after `prompt`.
fn limited(prompt: &[TokenId], count: u32, stop: &[&str]) -> Advance {
    let begin = begin(prompt, SamplingParams::greedy(), 1);
    let stop = stop.iter().map(|&stop| stop.to_owned()).collect();
    let begin = Begin { max_tokens: count, stop, ..begin };
    Advance { grants: Grants::UNLIMITED, ..start(prompt, begin) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_ends_where_the_context_ends() {
    let mut config = config();
    config.limits = Limits { context: 12, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::large().0).await;
    assert_eq!(fixture.handle().info().limits.context, 12);
    let session = fixture.open().await;
    let answer = session.advance(&limited(&[1, 2, 3], 100, &[])).await.unwrap();
    assert_eq!((answer.ids().len(), answer.end()), (9, EndReason::Context));
    // By a draft as well.
    let session = fixture.open().await;
    let draft = written(&[1, 2, 3], 20);
    let request = Advance { draft: draft.clone(), grants: Grants::NONE, ..limited(&[1, 2, 3], 100, &[]) };
    let answer = session.advance(&request).await.unwrap();
    assert_eq!((answer.ids(), answer.end()), (draft[..9].to_vec(), EndReason::Context));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_ends_after_as_many_tokens_as_were_asked_for() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let draft = written(&[1, 2, 3], 20);
    for (drafted, grants) in [(0, Grants::UNLIMITED), (5, Grants::NONE), (20, Grants::NONE), (2, passes(9))] {
        let session = fixture.open().await;
        let request = Advance { draft: draft[..drafted].to_vec(), grants, ..limited(&[1, 2, 3], 6, &[]) };
        let answer = session.advance(&request).await.unwrap();
        assert_eq!((answer.ids(), answer.end()), (draft[..6].to_vec(), EndReason::Max), "{drafted} drafted");
        let again = session.advance(&window(1, &[1, 2, 3], &[])).await.unwrap();
        assert_eq!((again.ids(), again.end()), (draft[..6].to_vec(), EndReason::Max), "and stays ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_ends_with_a_stop_string_whoever_wrote_it() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let prompt = [7];
    let reply = written(&prompt, 30);
    let text = |count: usize| reply[..count].iter().flat_map(|&id| Pieces.piece(id).to_vec()).collect::<Vec<u8>>();
    // Three bytes that are complete with a token in the middle, and not before.
    let whole = String::from_utf8_lossy(&text(30)).into_owned();
    let stop = (12..24).find_map(|count| {
        let end = String::from_utf8(text(count)).ok()?;
        let stop = end.get(end.len().checked_sub(3)?..)?;
        (whole.find(stop)? + 3 == end.len()).then(|| (stop.to_owned(), count))
    });
    let (stop, count) = stop.expect("a string that appears once");
    for (drafted, grants) in [(0, Grants::UNLIMITED), (30, Grants::NONE), (count, Grants::NONE)] {
        let session = fixture.open().await;
        let draft = reply[..drafted].to_vec();
        let request = Advance { draft, grants, ..limited(&prompt, 100, &["never", &stop]) };
        let answer = session.advance(&request).await.unwrap();
        assert_eq!((answer.ids(), answer.end()), (reply[..count].to_vec(), EndReason::Stop), "{drafted} drafted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_ends_with_a_token_that_ends_it_and_a_given_one_counts_too() {
    let fixture = Fixture::new(Synthetic::large().0).await;
    let session = fixture.open().await;
    session.advance(&greedily(&[1, 2], &[])).await.unwrap();
    let held = [1, 2, 5, END];
    let (base, check) = (2, PrefixHash::of(&[1, 2]));
    let request = Advance { base, check, stand: vec![5, END], grants: Grants::UNLIMITED, ..window(1, &held, &[]) };
    let answer = session.advance(&request).await.unwrap();
    assert_eq!((answer.ids(), answer.end()), (vec![], EndReason::Eog));
    assert_eq!(fixture.counters().self_made_passes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_target_ends_its_own_replies() {
    let fixture = Fixture::new(llama()).await;
    let session = fixture.open().await;
    let model = model();
    let messages = [uhlm_law::chat::Message::user("What is the capital of France?")];
    let prompt = model.prompt(&messages).unwrap();
    let answer = session.advance(&limited(&prompt, 1000, &[])).await.unwrap();
    assert_eq!(answer.end(), EndReason::Eog);
    let ids = answer.ids();
    let ends = |id: &TokenId| model.vocabulary().is_end(*id);
    assert_eq!(ids.iter().position(ends), Some(ids.len() - 1), "nothing after the end");
}
