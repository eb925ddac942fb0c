use std::sync::mpsc::channel;
use std::time::Duration;

use uhlm_core::verifier::{Verifier, VerifierExt as _};
use uhlm_law::advance::{
    Advance, Begin, Capabilities, EndReason, Frame, Grants, Labelling, Open, PrefixHash, SessionId,
};
use uhlm_law::chat::{ChatTemplate as _, Message};
use uhlm_law::model::{LanguageModel as _, Sequence};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_llama::ContextOptions;

use super::*;
use crate::local::{LocalConfig, LocalVerifier};

const LONG: Duration = Duration::from_secs(60);
const TOKENS: usize = 48;

fn open(verifier: &dyn Verifier) -> SessionId {
    let (send, received) = channel();
    let request = Open { vocabulary: pair::target().vocabulary_hash(), needs: Capabilities::RUNS_AHEAD };
    verifier.open(request, LONG, move |result| drop(send.send(result))).detach();
    received.recv_timeout(LONG).expect("an answer").expect("opened").value.session
}

fn ask(verifier: &dyn Verifier, session: SessionId, request: Advance) -> (Vec<TokenId>, EndReason) {
    let (send, frames) = channel();
    verifier.advance(session, request, LONG, move |frame| drop(send.send(frame))).detach();
    let mut text = Vec::new();
    loop {
        match frames.recv_timeout(LONG).expect("a frame").expect("no failure").value {
            Frame::Text(part) => text.extend(part.ids),
            Frame::End(reason) => return (text, reason),
            Frame::Failed(error) => panic!("{error:?}"),
            Frame::Progress(_) => {}
        }
    }
}

/// Returns the first request of a reply to a question of the bundled pair.
fn first(temperature: f32, draft: &[TokenId], grants: Grants) -> Advance {
    let question = Message::user(pair::questions("prompts_free").swap_remove(1));
    let prompt = pair::target().prompt(&[question]).expect("a chat template");
    let sampling = SamplingParams { temperature, ..SamplingParams::default() };
    let (have, max_tokens) = (prompt.len() as u32, TOKENS as u32);
    Advance {
        generation: 0,
        seq: 0,
        have,
        base: 0,
        check: PrefixHash::EMPTY,
        stand: prompt,
        draft: draft.to_vec(),
        grants,
        labels: Labelling::NONE,
        begin: Some(Begin { seed: 9, sampling, reply_start: have, max_tokens, stop: Vec::new(), grammar: None }),
        deadline_ms: None,
    }
}

/// Both compute one row a pass, so that their logits are equal to the bit.
#[test]
fn the_server_writes_over_https_what_the_same_target_writes_in_this_process() {
    let served = Served::start_with(|config| {
        let engine = EngineOptions { micro_batch: 1, ..config.engine.clone() };
        ServerConfig { engine, ..config }
    });
    let options = ContextOptions { context: 1024, threads: 1, micro_batch: 1, ..ContextOptions::default() };
    let target = pair::target();
    let config = LocalConfig::of(Arc::clone(&target) as _, 1024);
    let factory = Box::new(move || Ok(Box::new(target.new_sequence(&options)?) as Box<dyn Sequence>));
    let local = LocalVerifier::new(config, factory).expect("a thread");
    let remote = served.verifier();
    for temperature in [0.0, 0.7, 1.0] {
        let alone = ask(&local, open(&local), first(temperature, &[], Grants::UNLIMITED));
        assert!(alone.0.len() > 30, "{alone:?}");
        assert_eq!(ask(&*remote, open(&*remote), first(temperature, &[], Grants::UNLIMITED)), alone, "{temperature}");
        // The windows have four tokens, of which the last one is wrong in every third window.
        let session = open(&*remote);
        let (mut held, mut windows): (Vec<TokenId>, u32) = (Vec::new(), 0);
        let reason = loop {
            let mut draft: Vec<TokenId> = alone.0[held.len()..].iter().copied().take(4).collect();
            if windows % 3 == 2 {
                draft.last_mut().into_iter().for_each(|id| *id ^= 1);
            }
            let begins = first(temperature, &draft, Grants::NONE);
            let text = [&begins.stand[..], &held].concat();
            let base = text.len() as u32;
            let goes_on = Advance { seq: windows, have: base, base, check: PrefixHash::of(&text), ..begins.clone() };
            let request = if windows == 0 { begins } else { Advance { stand: Vec::new(), begin: None, ..goes_on } };
            let (brought, reason) = ask(&*remote, session, request);
            held.extend(brought);
            windows += 1;
            if reason != EndReason::Granted {
                break reason;
            }
            assert!(held.len() < TOKENS && windows < 60, "it does not end");
        };
        assert_eq!((held, reason), alone, "{temperature}");
    }
}
