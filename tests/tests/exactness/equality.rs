//! One row a pass, on the server and in the plain loop: llama.cpp's logits are then equal to the bit, and so are the
//! texts. `UHLM_EQUAL_DRAFT` and `UHLM_EQUAL_TARGET` name another pair of models than the bundled one.

use uhlm_core::{DraftAhead, Mode, SessionOptions};
use uhlm_law::gate::Goal;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;

use crate::support::{Plain, options, prompts, served, session, temperatures, tokens_to_compare, write};

/// Number of tokens at each temperature; `UHLM_EQUAL_TOKENS=100000` for the figure of the README.
const TOKENS: usize = 1500;

/// Returns the ways to close windows and to draft ahead that are compared, the default last.
fn ways() -> Vec<(CloseRule, DraftAhead)> {
    vec![
        (CloseRule::Fixed(1), DraftAhead::Off),
        (CloseRule::Fixed(4), DraftAhead::WhileWaiting),
        (CloseRule::Fixed(16), DraftAhead::Pipelined(3)),
        (CloseRule::Risk(0.3), DraftAhead::Pipelined(8)),
        (CloseRule::CostModel, DraftAhead::Pipelined(2)),
    ]
}

/// Compares `exact` with `remote_only` and with the target in a plain loop, until there are enough tokens.
fn compare(sampling: &SamplingParams, wanted: usize) -> usize {
    let served = served(1);
    let streamed = session(served.verifier(), options(Mode::RemoteOnly, sampling, 1));
    let sessions: Vec<_> = ways()
        .into_iter()
        .map(|(close, draft_ahead)| {
            let options = SessionOptions { close, draft_ahead, ..options(Mode::Exact, sampling, 2) };
            session(served.verifier(), options)
        })
        .collect();
    let mut plain = Plain::new(sampling);
    let mut compared = 0;
    for (i, prompt) in prompts().iter().cycle().enumerate() {
        if compared >= wanted {
            break;
        }
        // Seeds as an app would give them.
        let seed = i as u64;
        let expected = plain.write(prompt, seed);
        let target = write(&streamed, prompt, seed);
        assert_eq!(target, expected, "remote_only, reply {i} at temperature {}", sampling.temperature);
        let way = i % sessions.len();
        let exact = write(&sessions[way], prompt, seed);
        assert_eq!(exact, expected, "exact, reply {i} at temperature {}, {:?}", sampling.temperature, ways()[way]);
        compared += expected.len();
    }
    compared
}

#[test]
fn exact_and_remote_only_write_what_the_target_writes_in_a_plain_loop_at_temperature_0() {
    println!("{} tokens equal", compare(&temperatures()[0], tokens_to_compare(TOKENS)));
}

#[test]
fn exact_and_remote_only_write_what_the_target_writes_in_a_plain_loop_at_temperature_07_with_top_k_and_top_p() {
    println!("{} tokens equal", compare(&temperatures()[1], tokens_to_compare(TOKENS)));
}

#[test]
fn exact_and_remote_only_write_what_the_target_writes_in_a_plain_loop_at_temperature_1() {
    println!("{} tokens equal", compare(&temperatures()[2], tokens_to_compare(TOKENS)));
}

#[test]
fn another_seed_writes_another_text_and_the_same_one_the_same_again() {
    let served = served(1);
    let session = session(served.verifier(), options(Mode::Exact, &SamplingParams::default(), 1));
    let texts: Vec<_> = [5, 6, 5].map(|seed| write(&session, "Tell me a short story about a wolf.", seed)).into();
    assert_eq!(texts[0], texts[2]);
    assert_ne!(texts[0], texts[1]);
}

#[test]
fn with_a_fixed_threshold_a_seed_replays_opportunistic_and_device_only_replies() {
    let served = served(1);
    for mode in [Mode::Opportunistic, Mode::DeviceOnly] {
        let text = |draft_ahead| {
            let goal = Goal::Threshold(0.3);
            let options = SessionOptions { goal, draft_ahead, ..options(mode, &SamplingParams::default(), 1) };
            let session = session(served.verifier(), options);
            prompts().iter().take(12).enumerate().map(|(i, p)| write(&session, p, i as u64)).collect::<Vec<_>>()
        };
        let first = text(DraftAhead::Off);
        assert_eq!(first, text(DraftAhead::Off), "{mode:?}");
        assert!(first.iter().map(Vec::len).sum::<usize>() > 300);
    }
}
