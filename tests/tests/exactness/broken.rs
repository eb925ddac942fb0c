//! The rule broken on purpose, in three ways: each is noticed within a thousand tokens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uhlm_core::Mode;
use uhlm_core::verifier::{Answer, Call, Part, Reply, Request, Verifier, VerifierError};
use uhlm_law::advance::Frame;
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::support::{options, prompts, served, session, write};

/// Number of tokens within which a broken rule must show.
const TOKENS: usize = 1000;

#[derive(Clone, Copy, Debug)]
enum Defect {
    /// The verifier says of a drafted token that differs that it is the target's own.
    AcceptsWhatDiffers,
    /// The verifier draws with the noise of another seed.
    AnotherSeed,
    /// The verifier counts the places of the reply from one token too early.
    AnotherPlace,
}

/// A verifier with a defect.
struct Broken {
    inner: Arc<dyn Verifier>,
    defect: Defect,
    /// Position and ids of the tokens that were drafted last.
    drafted: Arc<Mutex<(usize, Vec<TokenId>)>>,
}

impl Verifier for Broken {
    fn ask(&self, mut request: Request, silence: Duration, mut reply: Reply) -> Call {
        if let Request::Advance(_, request) = &mut request {
            match (self.defect, &mut request.begin) {
                (Defect::AnotherSeed, Some(begin)) => begin.seed ^= 1,
                (Defect::AnotherPlace, Some(begin)) => begin.reply_start -= 1,
                _ => {}
            }
            if !request.draft.is_empty() {
                let start = request.base as usize + request.stand.len();
                *self.drafted.lock().expect("no panic") = (start, request.draft.clone());
            }
        }
        let (defect, drafted) = (self.defect, Arc::clone(&self.drafted));
        let lying = Box::new(move |mut heard: Result<Answer<Part>, VerifierError>| {
            if let (Defect::AcceptsWhatDiffers, Ok(answer)) = (defect, &mut heard)
                && let Part::Frame(Frame::Text(text)) = &mut answer.value
            {
                let (start, drafted) = &*drafted.lock().expect("no panic");
                let at = |i: usize| (text.pos as usize + i).checked_sub(*start).and_then(|at| drafted.get(at).copied());
                let differs = (0..text.ids.len()).find(|&i| at(i).is_some_and(|id| id != text.ids[i]));
                if let Some((i, id)) = differs.and_then(|i| at(i).map(|id| (i, id))) {
                    text.ids[i] = id;
                    text.ids.truncate(i + 1);
                }
            }
            reply(heard);
        });
        self.inner.ask(request, silence, lying)
    }
}

#[test]
fn each_broken_rule_is_noticed_within_a_thousand_tokens() {
    let served = served(1);
    let sampling = SamplingParams::default();
    for defect in [Defect::AcceptsWhatDiffers, Defect::AnotherSeed, Defect::AnotherPlace] {
        let right = session(served.verifier(), options(Mode::RemoteOnly, &sampling, 1));
        let inner: Arc<dyn Verifier> = served.verifier();
        let broken = Broken { inner, defect, drafted: Arc::default() };
        let wrong = session(Arc::new(broken), options(Mode::Exact, &sampling, 2));
        let mut compared = 0;
        let mut parted = None;
        for (i, prompt) in prompts().iter().enumerate() {
            let (expected, found) = (write(&right, prompt, i as u64), write(&wrong, prompt, i as u64));
            let agreed = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
            compared += agreed;
            if agreed < expected.len().max(found.len()) {
                parted = Some(compared);
                break;
            }
            if compared > TOKENS {
                break;
            }
        }
        println!("{defect:?}: noticed after {parted:?} tokens");
        assert!(parted.is_some_and(|tokens| tokens <= TOKENS), "{defect:?} was not noticed");
    }
}
