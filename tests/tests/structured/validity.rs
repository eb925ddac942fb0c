//! Every reply is of its grammar, in every mode.

use uhlm_core::{FinishReason, Grammar, Mode};

use crate::schemas;
use crate::support::{Said, open, options, prompts, served, temperatures, write};

#[test]
fn every_reply_parses_and_is_of_its_schema_in_every_mode() {
    let (served, prompts) = (served(), prompts());
    let modes = [Mode::Exact, Mode::RemoteOnly, Mode::DeviceOnly, Mode::Opportunistic];
    let (mut tokens, mut forced, mut passes, mut replies) = (0, 0, 0, 0);
    for (m, mode) in modes.into_iter().enumerate() {
        for (t, sampling) in temperatures().iter().enumerate() {
            let session = open(Some(served.verifier()), options(mode, sampling));
            for (i, (name, schema)) in schemas::all().into_iter().enumerate() {
                let grammar = Grammar::JsonSchema(schema.to_string());
                let prompt = &prompts[(10 * (3 * m + t) + i) % prompts.len()];
                let Said { ids, text, reason, statistics } = write(&session, prompt, i as u64, &grammar)
                    .unwrap_or_else(|error| panic!("{mode:?} {name}: {error}"));
                schemas::check(&schema, &text).unwrap_or_else(|wrong| panic!("{mode:?} {name}: {wrong}"));
                assert_eq!((reason, statistics.grammar_complete), (FinishReason::EndOfReply, Some(true)), "{name}");
                replies += 1;
                if mode == Mode::RemoteOnly {
                    (tokens, passes) = (tokens + ids.len() as u64, passes + statistics.target_passes);
                }
                forced += statistics.forced;
                if mode == Mode::DeviceOnly {
                    assert_eq!(statistics.drafted + statistics.forced, ids.len() as u64, "{name}");
                }
            }
        }
    }
    println!(
        "{replies} replies, all valid; remote_only: {tokens} tokens in {passes} passes; forced on the device: {forced}"
    );
    assert!(passes < tokens * 3 / 4, "what is forced takes no pass: {passes} of {tokens}");
    assert!(forced > 0);
}

#[test]
fn expressions_choices_and_grammars_hold_as_well() {
    let served = served();
    let session = open(Some(served.verifier()), options(Mode::Exact, &temperatures()[2]));
    let reply = |grammar: &Grammar, seed| write(&session, "Which one?", seed, grammar).expect("a reply").text;
    for seed in 0..6 {
        let code = reply(&Grammar::Regex("[A-Z]{2}-[0-9]{3}".into()), seed);
        let (letters, digits) = code.split_once('-').expect("a hyphen");
        assert!(letters.len() == 2 && letters.bytes().all(|byte| byte.is_ascii_uppercase()), "{code}");
        assert!(digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        let choices = ["yes", "no", "K\u{f6}ln am Rhein", "\u{1f43a}"];
        let choice = reply(&Grammar::Choices(choices.map(str::to_owned).to_vec()), seed);
        assert!(choices.contains(&choice.as_str()), "{choice}");
        let sum = reply(&Grammar::Lark("start: NUMBER (\"+\" NUMBER){1,3}\nNUMBER: /[1-9][0-9]?/".into()), seed);
        assert!(
            (2..=4).contains(&sum.split('+').count()) && sum.split('+').all(|part| part.parse::<u8>().is_ok()),
            "{sum}"
        );
    }
}

#[test]
fn a_session_goes_on_with_and_without_a_grammar() {
    let served = served();
    let session = open(Some(served.verifier()), options(Mode::Exact, &temperatures()[0]));
    let free = |session: &uhlm_core::Session| {
        session.reset().expect("idle");
        let options = uhlm_core::GenerationOptions { max_tokens: 40, ..Default::default() };
        let generation = session.generate(uhlm_core::Prompt::Chat("What is 17 + 25?".into()), options).expect("idle");
        generation.blocking_finish().expect("a reply").0
    };
    let before = free(&session);
    let yes = write(&session, "Well?", 1, &Grammar::Choices(vec!["certainly".into()])).expect("a reply");
    assert_eq!(yes.text, "certainly");
    assert_eq!(free(&session), before);
}
