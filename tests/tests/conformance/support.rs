//! The support that the tests share: one runtime, one engine, servers, and a consumer that never waits for ever.

use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use uhlm_ffi::{
    Consent, GenerationEvent, GenerationOptions, Mode, ModelOptions, Prompt, RemoteOptions, SamplingParams,
    SessionOptions, TrustPolicy, UhlmEngine, UhlmError, UhlmGeneration, UhlmSession, UhlmVerifier,
};
use uhlm_testing::served::Served;
use uhlm_testing::{pair, parrot};

/// Time that is longer than anything takes on the slowest machine.
const LONG: Duration = Duration::from_secs(60);
/// A question whose answer has some tens of tokens.
pub(crate) const QUESTION: &str = "Please add 7447 to 9340.";

/// Runs a future to its end, or fails after [`LONG`].
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let new =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime");
    let runtime = RUNTIME.get_or_init(new);
    runtime.block_on(async { tokio::time::timeout(LONG, future).await }).expect("in time")
}

/// Tries something up to twenty times, and returns the first outcome that is in time. A busy machine may keep a
/// consumer from a core for some tokens; it does not do so every time.
pub(crate) fn in_time<T: Debug>(mut attempt: impl FnMut() -> T, is_in_time: impl Fn(&T) -> bool) -> T {
    let mut late = Vec::new();
    while late.len() < 20 {
        let outcome = attempt();
        if is_in_time(&outcome) {
            return outcome;
        }
        late.push(outcome);
    }
    panic!("late every time: {late:?}");
}

/// Returns the options that load a model's file as it is by default.
pub(crate) fn model(path: &Path) -> ModelOptions {
    ModelOptions {
        path: path.display().to_string(),
        mmap: None,
        accelerator: None,
        gpu_layers: None,
        fit_context: None,
        available_memory: None,
        cache: None,
        chat_template: None,
        vocabulary_folder: None,
    }
}

/// Loads a model with the usual options.
pub(crate) fn load(path: &Path) -> Result<Arc<UhlmEngine>, UhlmError> {
    wait(UhlmEngine::load(model(path), None))
}

/// Returns the engine of the bundled draft model, loaded once.
pub(crate) fn engine() -> Arc<UhlmEngine> {
    static ENGINE: OnceLock<Arc<UhlmEngine>> = OnceLock::new();
    Arc::clone(ENGINE.get_or_init(|| load(&pair::file("demo-draft.gguf")).expect("the bundled draft model")))
}

/// Returns the options of a client of the server at `url`, with trust in the certificate of `served` alone.
pub(crate) fn remote(url: String, served: &Served) -> RemoteOptions {
    let trust = Some(TrustPolicy::Fingerprint { sha256: served.fingerprint().to_string() });
    RemoteOptions { endpoint: url, trust, tls12: false, connect_timeout_seconds: None, user_agent: None }
}

/// Returns a client of a server.
pub(crate) fn verifier(served: &Served) -> Arc<UhlmVerifier> {
    UhlmVerifier::new(remote(served.url(), served), None).expect("a client")
}

/// Returns options that always take the most probable token.
pub(crate) fn greedy() -> SessionOptions {
    let sampling = SamplingParams { temperature: Some(0.0), ..SamplingParams::default() };
    SessionOptions { sampling, consent: Some(Consent::Conversation), ..SessionOptions::default() }
}

/// Returns options that draw at temperature 1: the pair disagrees often enough for rollbacks.
pub(crate) fn drawing() -> SessionOptions {
    let calibration_path = Some(pair::file("demo.calibration.json").display().to_string());
    let consent = Some(Consent::Conversation);
    SessionOptions { calibration_path, consent, seed: Some(7), ..SessionOptions::default() }
}

pub(crate) fn chat(text: &str) -> Prompt {
    Prompt::Chat { text: text.to_owned() }
}

/// Returns options of a reply of at most so many tokens.
pub(crate) fn at_most(tokens: u32) -> GenerationOptions {
    GenerationOptions { max_tokens: Some(tokens), ..GenerationOptions::default() }
}

/// Returns a model whose decode step takes milliseconds and whose replies do not end, for cancelling in the middle.
pub(crate) fn heavy() -> Arc<UhlmEngine> {
    static HEAVY: OnceLock<Arc<UhlmEngine>> = OnceLock::new();
    let load = || {
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().join("heavy.gguf");
        parrot::write_heavy(&path).expect("written");
        // Mapped, the file lives on without its name.
        load(&path).expect("a model")
    };
    Arc::clone(HEAVY.get_or_init(load))
}

/// Returns greedy options with one thread, so that a busy machine does not make it wait for itself.
pub(crate) fn one_thread() -> SessionOptions {
    SessionOptions { threads: Some(1), ..greedy() }
}

/// Returns a prompt of text as it is, for the heavy model.
pub(crate) fn raw() -> Prompt {
    Prompt::Raw { text: "go".to_owned() }
}

/// Returns options of a long reply of the draft model alone, for cancelling in the middle.
pub(crate) fn endless() -> GenerationOptions {
    GenerationOptions { max_tokens: Some(800), mode: Some(Mode::DeviceOnly), ..GenerationOptions::default() }
}

/// Returns all events that still come, and how the generation ended.
pub(crate) fn rest(generation: &UhlmGeneration) -> (Vec<GenerationEvent>, Result<(), UhlmError>) {
    let mut events = Vec::new();
    loop {
        match wait(generation.next_events()) {
            Ok(some) if some.is_empty() => return (events, Ok(())),
            Ok(some) => events.extend(some),
            Err(error) => return (events, Err(error)),
        }
    }
}

/// Returns the events of a whole reply, which must end without error.
pub(crate) fn reply(session: &UhlmSession, prompt: Prompt, options: GenerationOptions) -> Vec<GenerationEvent> {
    let (events, outcome) = rest(&session.start(prompt, options).expect("idle"));
    outcome.expect("a reply without error");
    events
}

/// Returns the text that was committed, in order.
pub(crate) fn committed(events: &[GenerationEvent]) -> String {
    let text = |event: &GenerationEvent| match event {
        GenerationEvent::Committed { token, .. } => Some(token.text.clone()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

/// Returns the content of the last event: the reason that the reply ended, the text and the statistics.
pub(crate) fn finished(events: &[GenerationEvent]) -> (uhlm_ffi::FinishReason, String, uhlm_ffi::Statistics) {
    match events.last() {
        Some(GenerationEvent::Finished { finish, text, statistics, .. }) => (*finish, text.clone(), statistics.clone()),
        other => panic!("ends with {other:?}"),
    }
}
