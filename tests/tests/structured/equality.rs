//! With the same seed and grammar `exact` writes what `remote_only` writes, and what the target alone writes when every
//! token is drawn under the mask: what is forced changes nothing. One row a pass, so the logits are equal to the bit.

use uhlm_core::{CloseRule, DraftAhead, Grammar, Mode, SessionOptions};

use crate::schemas;
use crate::support::{Plain, number, open, options, prompts, served, temperatures, write};

/// Number of prompts; `UHLM_STRUCTURED_PROMPTS=200` for the figure of the documentation.
const PROMPTS: usize = 40;

#[test]
fn exact_and_remote_only_write_what_the_target_writes_under_the_mask() {
    let (served, wanted) = (served(), number("UHLM_STRUCTURED_PROMPTS", PROMPTS));
    let ways = [
        (CloseRule::Fixed(1), DraftAhead::Off),
        (CloseRule::Fixed(4), DraftAhead::WhileWaiting),
        (CloseRule::Fixed(16), DraftAhead::Pipelined(3)),
        (CloseRule::CostModel, DraftAhead::Pipelined(2)),
    ];
    let (schemas, prompts) = (schemas::all(), prompts());
    let (mut tokens, mut drafted, mut forced) = (0, 0, 0);
    for (t, sampling) in temperatures().iter().enumerate() {
        let streamed = open(Some(served.verifier()), options(Mode::RemoteOnly, sampling));
        let exact = ways.map(|(close, draft_ahead)| {
            let options = SessionOptions { close, draft_ahead, ..options(Mode::Exact, sampling) };
            open(Some(served.verifier()), options)
        });
        let mut plain = Plain::new(sampling);
        for i in (0..wanted).filter(|i| i % 3 == t) {
            let (name, schema) = &schemas[i % schemas.len()];
            let grammar = Grammar::JsonSchema(schema.to_string());
            let (prompt, seed, way) = (&prompts[i % prompts.len()], i as u64, i / 3 % ways.len());
            let expected = plain.write(prompt, seed, &grammar);
            let target = write(&streamed, prompt, seed, &grammar).expect("a reply");
            assert_eq!(target.ids, expected, "remote_only, {name}, reply {i}");
            let said = write(&exact[way], prompt, seed, &grammar).expect("a reply");
            assert_eq!(said.ids, expected, "exact, {name}, reply {i}, {:?}", ways[way]);
            tokens += expected.len() as u64;
            drafted += said.statistics.drafted;
            forced += said.statistics.forced;
        }
    }
    println!("{wanted} prompts, {tokens} tokens equal; of the device's {drafted} drawn and {forced} forced");
}
