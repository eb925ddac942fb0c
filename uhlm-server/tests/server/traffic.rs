//! Random traffic: sessions, drafts, rollbacks, repeats and closings against what each session should hold.

use uhlm_law::advance::*;
use uhlm_law::rng::{Rng, Stream as Dice};
use uhlm_law::sampling::{SamplingParams, TokenId};

use crate::device::*;
use crate::support::*;
use crate::synthetic::{Synthetic, greedily as written};

/// The target checks that its slots hold exactly what the text is made from.
#[tokio::test(flavor = "multi_thread")]
async fn random_traffic_leaves_every_session_with_its_own_tokens() {
    let fixture = Fixture::new(Synthetic::sized(5, 220, 48).0).await;
    let run = |salt: usize| {
        let fixture = &fixture;
        async move {
            let mut rng = Rng::new(salt as u64, Dice::Simulation);
            let mut below = move |n: u64| rng.next_u64() % n;
            let session = fixture.open().await;
            let (mut held, mut generation, mut seq): (Vec<TokenId>, u32, u32) = (vec![salt as TokenId], 0, 0);
            // Number of tokens that were given last, and that may be built on.
            let (mut least, mut known) = (1, 0);
            for _ in 0..60 {
                // Go on with tokens of one's own from somewhere in what the target has written, or in a new generation
                // from anywhere.
                let renew = known <= least || below(6) == 0;
                least = if renew { 0 } else { least };
                let base = least + below((known - least) as u64 + 1) as usize;
                let given: Vec<TokenId> = (0..1 + below(6)).map(|_| below(30) as TokenId).collect();
                let text = [&held[..base], &given].concat();
                if renew && known > 0 {
                    (generation, seq) = (generation + 1, 0);
                }
                let right = below(5) as usize;
                let mut draft = written(&text, right);
                if below(3) == 0 {
                    draft.push((written(&text, right + 1)[right] + 1) % 30);
                }
                let begin = begin(&text, SamplingParams::greedy(), 1);
                least = text.len();
                let request = Advance {
                    generation,
                    seq,
                    have: text.len() as u32,
                    base: base as u32,
                    check: PrefixHash::of(&text[..base]),
                    stand: given,
                    draft: draft.clone(),
                    grants: passes(below(3) as u8),
                    labels: Labelling::NONE,
                    begin: renew.then_some(begin),
                    deadline_ms: None,
                };
                for _ in 0..1 + below(2) {
                    match session.advance(&request).await {
                        Ok(answer) => {
                            let ids = answer.ids();
                            assert_eq!(ids, written(&text, ids.len()));
                            assert!(ids.len() > right.min(draft.len()) || draft.is_empty(), "{right} of {draft:?}");
                            held = [&text[..], &ids].concat();
                        }
                        // Five sessions of 48 tokens do not always fit 220: the session holds what was given.
                        Err(refused) if refused.status == 503 => held = text.clone(),
                        Err(refused) => panic!("{refused:?}"),
                    }
                }
                known = held.len().min(50);
                seq += 1;
            }
            assert_eq!(session.close().await, 204);
        }
    };
    all(8, run).await;
    let counters = fixture.counters();
    assert_eq!((counters.sessions_open, counters.slots_used, counters.cached_tokens), (0, 0, 0));
    assert!(counters.sessions_unloaded > 0, "the cache was contended");
}
