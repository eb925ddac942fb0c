//! The draft model on a GPU, the target on the CPU: the draft's logits differ by rounding from those of a CPU, so
//! drafts may differ, and the text does not.
//!
//! Needs a build with a backend for GPUs and a GPU. Without one, Vulkan's software device will do, which llama.cpp only
//! takes if it is named; Mesa has it as `lavapipe`:
//!
//! ```text
//! GGML_VK_VISIBLE_DEVICES=0 cargo test -p uhlm-tests --features uhlm-llama/vulkan --test exactness \
//!   a_draft_on_a_gpu -- --ignored --nocapture
//! ```

use uhlm_core::{Engine, Mode};
use uhlm_llama::{Accelerator, LoadOptions};
use uhlm_testing::pair;

use crate::support::{Plain, draft, options, prompts, served, temperatures, tokens_to_compare, write};

/// Number of tokens at each temperature; `UHLM_EQUAL_TOKENS` names another.
const TOKENS: usize = 500;

#[test]
#[ignore = "needs a GPU and a build for one; the module says how it is run"]
fn a_draft_on_a_gpu_writes_the_targets_own_text() {
    let load = LoadOptions { accelerator: Accelerator::Gpu, ..LoadOptions::default() };
    let on_gpu = Engine::load(pair::file("demo-draft.gguf"), &load).expect("a GPU");
    let backend = on_gpu.model().backend();
    assert!(backend.is_gpu(), "{backend:?}");
    let served = served(1);
    for sampling in temperatures() {
        let [on_cpu, on_gpu] = [draft(), on_gpu.clone()].map(|engine| {
            let options = options(Mode::Exact, &sampling, 2);
            engine.session(Some(served.verifier()), options).expect("a session")
        });
        let (mut plain, mut compared, wanted) = (Plain::new(&sampling), 0, tokens_to_compare(TOKENS));
        for (seed, prompt) in (0..).zip(prompts().iter().cycle()) {
            if compared >= wanted {
                break;
            }
            let expected = plain.write(prompt, seed);
            let place = format!("reply {seed} at temperature {}", sampling.temperature);
            assert_eq!(write(&on_gpu, prompt, seed), expected, "on the GPU, {place}");
            assert_eq!(write(&on_cpu, prompt, seed), expected, "on the CPU, {place}");
            compared += expected.len();
        }
        println!("{} ({}): {compared} tokens equal", backend.name, backend.description);
    }
}
