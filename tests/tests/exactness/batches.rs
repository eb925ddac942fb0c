//! Many rows a pass, as servers run: llama.cpp's logits depend a little on how many there are, so near ties can fall
//! either way.

use uhlm_core::mode::Mode;
use uhlm_core::options::{DraftAhead, SessionOptions};
use uhlm_law::chat::DraftModel as _;
use uhlm_law::model::Sequence as _;
use uhlm_law::noise::Place;
use uhlm_llama::ContextOptions;
use uhlm_testing::pair;

use crate::support::{Plain, options, prompts, served, session, temperatures, tokens_to_compare, write};

const TOKENS: usize = 2500;
/// Rows of the shapes whose logits are compared.
const ROWS: usize = 16;

/// The largest difference of a logit between a pass of one row and one of [`ROWS`], over some prompts.
fn largest_difference() -> f32 {
    let sequence = |micro_batch| {
        let options = ContextOptions { threads: 1, micro_batch, ..ContextOptions::default() };
        pair::target().new_sequence(&options).expect("a context")
    };
    let (mut one, mut many) = (sequence(1), sequence(0));
    let draft = pair::draft();
    let mut largest: f32 = 0.0;
    for prompt in prompts().iter().take(24) {
        let tokens = draft.model().tokenize(prompt, uhlm_law::chat::Special::ParseWithBos);
        let (head, tail) = tokens.split_at(tokens.len().saturating_sub(ROWS).max(1));
        for sequence in [&mut one, &mut many] {
            sequence.truncate(0).expect("rolls back");
            sequence.decode(head, &|| false).expect("fits");
            sequence.decode(tail, &|| false).expect("fits");
        }
        let apart = one.logits().iter().zip(many.logits()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        largest = largest.max(apart);
    }
    largest
}

#[test]
fn where_texts_part_the_two_best_scores_differ_by_less_than_four_times_the_noise_of_the_arithmetic() {
    let noise = largest_difference();
    let served = served(0);
    for sampling in temperatures() {
        let temperature = if sampling.temperature > 0.0 { sampling.temperature } else { 1.0 };
        let bound = f64::from(4.0 * noise / temperature);
        let streamed = session(served.verifier(), options(Mode::RemoteOnly, &sampling, 1));
        let pipelined = SessionOptions { draft_ahead: DraftAhead::Pipelined(2), ..options(Mode::Exact, &sampling, 2) };
        let exact = session(served.verifier(), pipelined);
        let mut plain = Plain::new(&sampling);
        let (mut compared, mut partings) = (0, 0);
        for (i, prompt) in prompts().iter().cycle().enumerate() {
            if compared >= tokens_to_compare(TOKENS) {
                break;
            }
            let seed = i as u64;
            let (target, exact) = (write(&streamed, prompt, seed), write(&exact, prompt, seed));
            let agreed = target.iter().zip(&exact).take_while(|(a, b)| a == b).count();
            compared += agreed;
            if agreed < target.len().max(exact.len()) {
                partings += 1;
                plain.start(prompt);
                let vocabulary = pair::target();
                let place = target[..agreed]
                    .iter()
                    .fold(Place::START, |place, &id| place.after(vocabulary.vocabulary().piece(id).len()));
                plain.feed(&target[..agreed]);
                let margin = plain.winner(seed, place).margin;
                assert!(margin < bound, "reply {i} parts at {agreed} with a margin of {margin}, allowed is {bound}");
            }
        }
        let rate = partings as f64 * 1e5 / compared as f64;
        println!(
            "temperature {}: {compared} tokens, {partings} partings, {rate:.1} in 100,000 (noise of a logit {noise:.2e})",
            sampling.temperature
        );
        // Noise of 1e-4 in a logit parts texts about once in ten thousand tokens; every second reply would be a defect.
        assert!(partings * 100 < compared, "{partings} partings in {compared} tokens");
    }
}
