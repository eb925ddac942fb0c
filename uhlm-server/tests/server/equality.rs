//! One seed, one text: whatever windows, company, evictions and replicas do, it is what the target writes alone.

use std::time::Duration;

use uhlm_law::advance::*;
use uhlm_law::model::{LanguageModel as _, Sequence as _};
use uhlm_law::noise::{Place, Tape};
use uhlm_law::rng::{Rng, Stream as Dice};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_llama::ContextOptions;
use uhlm_server::{EngineOptions, Limits};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{self, Synthetic};

/// Greedy; cut, with penalties, at 0.7; everything at 1.
fn chains() -> [SamplingParams; 3] {
    let cut = SamplingParams { temperature: 0.7, top_k: 20, top_p: 0.95, penalty_repeat: 1.2, ..Default::default() };
    [SamplingParams::greedy(), cut, SamplingParams { temperature: 1.0, ..SamplingParams::default() }]
}

/// Drafts of 0 to 5 tokens of which about four in five are `text`'s own.
struct Drafter(Rng);

impl Drafter {
    fn new(seed: u64) -> Self {
        Self(Rng::new(seed, Dice::Simulation))
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn draft(&mut self, text: &[TokenId]) -> Vec<TokenId> {
        let count = self.below(6) as usize;
        let wrong = |id: TokenId| (id + 1) % 30;
        text.iter().take(count).map(|&id| if self.below(5) == 0 { wrong(id) } else { id }).collect()
    }
}

/// A session, as soon as there is a place for one.
async fn open(fixture: &Fixture) -> Session<'_> {
    loop {
        match fixture.try_open(&fixture.open_request()).await {
            Ok(session) => return session,
            Err(refused) => assert_eq!(refused.status, 429),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The reply of a device that drafts as `drafter` does, with a grant now and then, up to `whole`.
async fn reply(
    fixture: &Fixture,
    session: &mut Session<'_>,
    begin: &Begin,
    prompt: &[TokenId],
    whole: &[TokenId],
    drafter: &mut Drafter,
) -> Vec<TokenId> {
    let mut device = Device::new(fixture, begin.clone(), prompt);
    while device.reply().len() < whole.len() {
        let draft = drafter.draft(&whole[device.reply().len()..]);
        let grants = passes(if draft.is_empty() { 1 } else { drafter.below(3) as u8 });
        match device.ask(session, &draft, grants).await {
            Ok(true) => break,
            Ok(false) => {}
            // Evicted: open another session, which is told everything.
            Err(refused) if refused.status == 410 => {
                session.id = open(fixture).await.id;
                device.peer.reopened();
            }
            Err(refused) if refused.status == 503 => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(refused) => panic!("{refused:?}"),
        }
    }
    device.reply().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_different_seeds_in_one_batch_write_what_a_plain_loop_writes() {
    const TOKENS: usize = 120;
    let fixture = Fixture::new(Synthetic::sized(16, 8192, 64).0).await;
    let replies = all(12, |i| {
        let fixture = &fixture;
        async move {
            let prompt: Vec<TokenId> = (0..2 + i as u32).map(|t| (t * 7 + i as u32) % 30).collect();
            let begin = Begin {
                max_tokens: TOKENS as u32,
                ..begin(&prompt, chains()[i % 3].clone(), if i < 6 { i as u64 } else { u64::MAX - i as u64 })
            };
            let whole = synthetic::alone(&prompt, &begin, TOKENS);
            let (mut session, mut drafter) = (fixture.open().await, Drafter::new(i as u64));
            (reply(fixture, &mut session, &begin, &prompt, &whole, &mut drafter).await, whole)
        }
    })
    .await;
    for (i, (reply, whole)) in replies.iter().enumerate() {
        assert_eq!(reply, whole, "session {i}");
    }
    let counters = fixture.counters();
    assert!(counters.passes < counters.judged_passes + counters.self_made_passes, "passes were shared: {counters:?}");
    assert!(counters.matched_tokens > 300 && counters.judged_tokens > counters.matched_tokens, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_a_judged_pass_is_the_plain_loop_s() {
    // Labels tell of each row whether its winner is the drafted token; the drafts are the loop's with one other.
    const COUNT: usize = 24;
    let fixture = Fixture::new(Synthetic::large().0).await;
    for (i, sampling) in chains().into_iter().enumerate() {
        let begin = begin(&[1, 2, 3], sampling, i as u64);
        let whole = synthetic::alone(&[1, 2, 3], &begin, COUNT);
        for other in 0..COUNT {
            let session = fixture.open().await;
            let mut draft = whole.clone();
            draft[other] = (draft[other] + 1) % 30;
            let labels = Labelling { matched: true, probabilities: false };
            let request = Advance { draft, labels, ..start(&[1, 2, 3], begin.clone()) };
            let answer = session.advance(&request).await.unwrap();
            assert_eq!(answer.ids(), whole[..=other]);
            assert_eq!(answer.labels().matched, (0..=other).map(|row| row != other).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evictions_and_lost_caches_between_passes_change_nothing() {
    const TOKENS: usize = 60;
    let mut config = config();
    // Room for two of three sessions, and in the cache for less.
    config.limits = Limits { sessions: 2, keep: Duration::ZERO, ..Limits::default() };
    let fixture = Fixture::with(config, Synthetic::sized(2, 110, 16).0).await;
    let replies = all(3, |i| {
        let fixture = &fixture;
        async move {
            let prompt: Vec<TokenId> = (0..20).map(|t| (t * 3 + i as u32) % 30).collect();
            let begin = Begin { max_tokens: TOKENS as u32, ..begin(&prompt, chains()[i].clone(), i as u64) };
            let whole = synthetic::alone(&prompt, &begin, TOKENS);
            let mut session = open(fixture).await;
            (reply(fixture, &mut session, &begin, &prompt, &whole, &mut Drafter::new(i as u64)).await, whole)
        }
    });
    let replies = tokio::time::timeout(Duration::from_secs(60), replies).await.expect("they all end");
    for (reply, whole) in &replies {
        assert_eq!(reply, whole);
    }
    let counters = fixture.counters();
    assert!(counters.sessions_evicted > 0 && counters.sessions_unloaded > 0, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_answer_one_generation() {
    const TOKENS: usize = 100;
    let fixtures = [Fixture::new(Synthetic::large().0).await, Fixture::new(Synthetic::large().0).await];
    for (i, sampling) in chains().into_iter().enumerate() {
        let prompt = [5, 6, 7];
        let begin = Begin { max_tokens: TOKENS as u32, ..begin(&prompt, sampling, i as u64) };
        let whole = synthetic::alone(&prompt, &begin, TOKENS);
        // Each generation in fresh sessions, whose peers know nothing yet.
        let sessions = [fixtures[0].open().await, fixtures[1].open().await];
        let mut device = Device::new(&fixtures[0], begin, &prompt);
        let mut peers = [Peer::new(), Peer::new()];
        let mut drafter = Drafter::new(i as u64);
        let mut ended = false;
        while !ended {
            let drafted = drafter.draft(&whole[device.reply().len()..]);
            drafted.iter().for_each(|&id| device.conversation.draft(id));
            // One of the two, or both at once, heard in either order.
            let asked = drafter.below(3);
            let mut answers = Vec::new();
            for who in [0, 1].into_iter().filter(|&who| asked == 2 || asked == who) {
                std::mem::swap(&mut device.peer, &mut peers[who as usize]);
                let (request, asked) = device.next(passes(1));
                std::mem::swap(&mut device.peer, &mut peers[who as usize]);
                answers.push((who as usize, asked, sessions[who as usize].advance(&request).await));
            }
            if drafter.below(2) == 0 {
                answers.reverse();
            }
            for (who, asked, answer) in answers {
                std::mem::swap(&mut device.peer, &mut peers[who]);
                ended |= device.hear(asked, answer).unwrap();
                std::mem::swap(&mut device.peer, &mut peers[who]);
            }
            device.conversation.take_back(0);
        }
        assert_eq!(device.reply(), whole);
    }
    assert!(fixtures.iter().all(|fixture| fixture.counters().matched_tokens > 20));
}

/// What the demo target writes alone, one token a pass, in a context of its own.
fn llama_alone(prompt: &[TokenId], begin: &Begin, count: usize) -> Vec<TokenId> {
    let options = ContextOptions { context: 1024, threads: 1, micro_batch: 1, ..ContextOptions::default() };
    let model = model();
    let mut sequence = model.new_sequence(&options).unwrap();
    let chain = SamplingChain::new(begin.sampling.clone()).unwrap();
    let (tape, mut scratch) = (Tape::new(begin.seed, 0), Scratch::default());
    let (mut text, mut place) = (prompt.to_vec(), Place::START);
    sequence.decode(prompt, &|| false).unwrap();
    while text.len() < prompt.len() + count {
        let input = ChainInput { logits: sequence.logits(), history: &text, mask: None };
        let id = chain.winner(input, &mut scratch, model.token_keys(), tape.at(place)).unwrap().id;
        text.push(id);
        if model.vocabulary().is_end(id) {
            break;
        }
        place = place.after(model.vocabulary().piece(id).len());
        sequence.decode(&[id], &|| false).unwrap();
    }
    text.split_off(prompt.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_itself_writes_the_same_to_the_bit_with_one_row_computed_at_a_time() {
    const TOKENS: usize = 80;
    let fixture = Fixture::new(llama_with(EngineOptions { micro_batch: 1, ..small() })).await;
    let replies = all(9, |i| {
        let fixture = &fixture;
        async move {
            let prompt = prompt(20 + i, i as u32);
            let begin = Begin { max_tokens: TOKENS as u32, ..begin(&prompt, chains()[i % 3].clone(), i as u64) };
            let whole = llama_alone(&prompt, &begin, TOKENS);
            let mut session = fixture.open().await;
            (reply(fixture, &mut session, &begin, &prompt, &whole, &mut Drafter::new(i as u64)).await, whole)
        }
    })
    .await;
    for (i, (reply, whole)) in replies.iter().enumerate() {
        assert_eq!(reply, whole, "session {i}");
    }
    let counters = fixture.counters();
    assert!(counters.passes < counters.judged_passes + counters.self_made_passes, "passes were shared: {counters:?}");
}
