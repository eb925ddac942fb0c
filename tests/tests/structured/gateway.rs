//! Through a gateway the mask is applied to what engines list, and where that leaves a doubt more is asked for.

use uhlm_core::{Grammar, Mode};
use uhlm_server::ServerConfig;
use uhlm_server::upstream::{EngineKind, UpstreamOptions};
use uhlm_testing::engine::StandIn;
use uhlm_testing::pair;
use uhlm_testing::served::Served;

use crate::schemas;
use crate::support::{Plain, open, options, prompts, temperatures, write};

#[test]
fn through_a_gateway_the_text_is_the_target_s_own_under_the_mask() {
    for kind in [EngineKind::Vllm, EngineKind::LlamaServer] {
        let engine = StandIn::start(kind, pair::target());
        let upstream = UpstreamOptions::new(vec![engine.address()], pair::file("demo-target.gguf"));
        let served = Served::start_with(|config| ServerConfig { upstream: Some(upstream), ..config });
        for (t, sampling) in temperatures().iter().enumerate() {
            let mut plain = Plain::new(sampling);
            for (m, mode) in [Mode::Exact, Mode::RemoteOnly].into_iter().enumerate() {
                let session = open(Some(served.verifier()), options(mode, sampling));
                for i in 0..2 {
                    let (name, schema) = &schemas::all()[(4 * t + 2 * m + i) % 10];
                    let grammar = Grammar::JsonSchema(schema.to_string());
                    let (prompt, seed) = (&prompts()[i], i as u64);
                    let said = write(&session, prompt, seed, &grammar).expect("a reply");
                    assert_eq!(said.ids, plain.write(prompt, seed, &grammar), "{kind} {mode:?} {name}");
                    schemas::check(schema, &said.text).expect("a value of the schema");
                }
            }
        }
    }
}
