//! Many rows a pass and many sessions in one cache, as servers run: llama.cpp's logits depend a little on the shape of
//! a pass and on which cells of the cache a session has, so near ties can fall either way.
//!
//! What must hold for every token is that it won the row from which it was drawn, with the noise of its place. Where
//! another row for the same tokens, computed alone, has another winner, the two best scores must lie within what the
//! arithmetic does.

use uhlm_core::{DraftAhead, Mode, SessionOptions};
use uhlm_law::model::LanguageModel as _;
use uhlm_law::noise::{Place, Tape};
use uhlm_law::sampling::{ChainInput, SamplingChain, SamplingParams, Scratch, TokenId};
use uhlm_law::window::CloseRule;
use uhlm_testing::served::Served;

use crate::recording::Recording;
use crate::support::{Plain, options, prompts, session, target, temperatures, tokens_to_compare, winner, write};

/// Number of tokens at each temperature.
const TOKENS: usize = 1000;
/// Number of sessions that share the cache at the same time.
const TOGETHER: usize = 3;

/// A reply with the prompt and the seed from which it was written.
struct Written {
    prompt: String,
    seed: u64,
    ids: Vec<TokenId>,
}

/// A place at which another row than the one that decided has another winner.
struct Parting {
    place: (usize, usize),
    margin: f64,
    /// Whether the chain keeps both winners in both rows; at the edge of what it keeps, the scores say nothing.
    is_kept: bool,
}

/// The results of following some replies token by token.
#[derive(Default)]
struct Followed {
    tokens: usize,
    /// Largest difference of a logit between the row that decided and one computed alone.
    noise: f32,
    partings: Vec<Parting>,
}

/// Lets sessions write at the same time on one server, until there are enough tokens; returns what they wrote, in the
/// order of the prompts.
fn write_together(served: &Served, mode: Mode, sampling: &SamplingParams, wanted: usize) -> Vec<Written> {
    let all = prompts();
    let share = |worker: usize| {
        let ways = [
            (CloseRule::CostModel, DraftAhead::Pipelined(2)),
            (CloseRule::Fixed(4), DraftAhead::Pipelined(8)),
            (CloseRule::Fixed(16), DraftAhead::WhileWaiting),
        ];
        let (close, draft_ahead) = ways[worker % ways.len()];
        let options = SessionOptions { close, draft_ahead, ..options(mode, sampling, worker as u64) };
        let session = session(served.verifier(), options);
        let (mut written, mut tokens) = (Vec::new(), 0);
        for (i, prompt) in all.iter().cycle().enumerate().skip(worker).step_by(TOGETHER) {
            if tokens >= wanted / TOGETHER {
                break;
            }
            let (seed, prompt) = (i as u64, prompt.clone());
            let ids = write(&session, &prompt, seed);
            tokens += ids.len();
            written.push((i, Written { prompt, seed, ids }));
        }
        written
    };
    let mut written: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..TOGETHER).map(|worker| scope.spawn(move || share(worker))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    written.sort_by_key(|(i, _)| *i);
    written.into_iter().map(|(_, written)| written).collect()
}

/// Follows replies with rows computed alone, and with those that decided.
fn follow(written: &[Written], recording: &Recording, sampling: &SamplingParams) -> Followed {
    let (mut plain, mut followed) = (Plain::new(sampling), Followed::default());
    let chain = SamplingChain::new(sampling.clone()).expect("valid");
    let vocabulary = target();
    let mut scratch = Scratch::default();
    let mut keeps = |logits: &[f32], history: &[TokenId], id: TokenId| {
        let distribution = chain.distribution(ChainInput { logits, history, mask: None }, &mut scratch);
        sampling.is_greedy() || distribution.expect("finite logits").prob(id) > 0.0
    };
    for (reply, Written { prompt, seed, ids }) in written.iter().enumerate() {
        plain.start(prompt);
        let (tape, mut place) = (Tape::new(*seed, 0), Place::START);
        for (i, &id) in ids.iter().enumerate() {
            let rows = recording.take(plain.history(), tape.at(place));
            let decided = |row: &&Vec<f32>| winner(&chain, row, plain.history(), tape.at(place)).id == id;
            let Some(row) = rows.iter().find(decided) else {
                panic!("token {i} of reply {reply} won none of the {} rows that were drawn for it", rows.len());
            };
            let apart = row.iter().zip(plain.logits()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            followed.noise = followed.noise.max(apart);
            followed.tokens += 1;
            let alone = plain.winner(*seed, place);
            if alone.id != id {
                let both = [row.as_slice(), plain.logits()];
                let is_kept = both.iter().all(|row| [id, alone.id].iter().all(|&id| keeps(row, plain.history(), id)));
                followed.partings.push(Parting { place: (reply, i), margin: alone.margin, is_kept });
            }
            place = place.after(vocabulary.vocabulary().piece(id).len());
            plain.feed(&[id]);
        }
    }
    followed
}

#[test]
fn every_token_won_the_row_that_decided_it_and_texts_part_only_where_the_arithmetic_decides() {
    for sampling in temperatures() {
        let wanted = tokens_to_compare(TOKENS);
        let texts = [Mode::RemoteOnly, Mode::Exact].map(|mode| {
            // A server each: a row tells the tokens before it, and not who asked for it.
            let (served, recording) = Recording::served();
            let written = write_together(&served, mode, &sampling, wanted);
            let followed = follow(&written, &recording, &sampling);
            (written, followed)
        });
        let [(streamed, of_streamed), (exact, of_exact)] = &texts;
        let noise = of_streamed.noise.max(of_exact.noise);
        let temperature = if sampling.is_greedy() { 1.0 } else { sampling.temperature };
        let bound = f64::from(4.0 * noise / temperature);
        for (mode, followed) in [("remote_only", of_streamed), ("exact", of_exact)] {
            for Parting { place: (reply, token), margin, is_kept } in &followed.partings {
                assert!(
                    *margin < bound || !is_kept,
                    "{mode}: token {token} of reply {reply} lost by {margin} in a row computed alone, \
                     allowed is {bound}"
                );
            }
            let rate = followed.partings.len() as f64 * 1e5 / followed.tokens as f64;
            println!(
                "temperature {}, {mode}: {} tokens won their rows; computed alone, {} rows have another winner, \
                 {rate:.1} in 100,000 (largest difference of a logit {:.2e})",
                sampling.temperature,
                followed.tokens,
                followed.partings.len(),
                followed.noise
            );
            // Every second reply would be a defect.
            assert!(followed.partings.len() * 100 < followed.tokens);
        }
        let (mut compared, mut partings) = (0, 0);
        for (target, exact) in streamed.iter().zip(exact).take_while(|(a, b)| a.seed == b.seed) {
            let agreed = target.ids.iter().zip(&exact.ids).take_while(|(a, b)| a == b).count();
            compared += agreed;
            partings += usize::from(agreed < target.ids.len().max(exact.ids.len()));
        }
        // Both were followed: where they part, at least one lost in a row computed alone.
        let rate = partings as f64 * 1e5 / compared as f64;
        println!(
            "temperature {}: {compared} tokens alike, {partings} partings, {rate:.1} in 100,000",
            sampling.temperature
        );
        assert!(partings <= of_streamed.partings.len() + of_exact.partings.len());
        assert!(compared > wanted / 2, "{compared} tokens were compared");
    }
}
