//! Sessions whose models write what a test prescribes, and consumers of their events.

use std::sync::{Arc, OnceLock};

use uhlm_core::{
    DraftModel, Event, FinishReason, Generation, GenerationError, GenerationOptions, Mode, Prompt, RecordOptions,
    Session, SessionOptions, Statistics, ToolCall, ToolDefinition, ToolResult, ToolUse, Tools,
};
use uhlm_law::model::{LanguageModel as _, ModelError, Sequence, Special};
use uhlm_law::sampling::{SamplingParams, TokenId};
use uhlm_llama::{LoadOptions, Model};
use uhlm_testing::alike::Sequences;
use uhlm_testing::local::{LocalConfig, LocalVerifier};
use uhlm_testing::{pair, patient};

pub(crate) const MODES: [Mode; 4] = [Mode::DeviceOnly, Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly];
pub(crate) const WEATHER: &str = r#"{"name": "get_weather", "arguments": {"city": "Paris"}}"#;

/// A template that shows tools to the model in the Hermes format, as Qwen's do.
const TEMPLATE: &str = "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}\
    <tool_call></tool_call><|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}\
    {% for c in m.tool_calls %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// The tokenizer of the bundled pair, with its own template, which knows nothing of tools, or with one that does.
pub(crate) fn model(knows_tools: bool) -> Arc<Model> {
    static MODELS: [OnceLock<Arc<Model>>; 2] = [const { OnceLock::new() }; 2];
    let load = || {
        let chat_template = knows_tools.then(|| TEMPLATE.to_owned());
        let options = LoadOptions { chat_template, ..LoadOptions::default() };
        Model::load(&pair::file("demo-draft.gguf"), &options).expect("the bundled draft model")
    };
    Arc::clone(MODELS[usize::from(knows_tools)].get_or_init(load))
}

/// A model that writes its n-th reply by a script, whatever was said; the last script is repeated.
#[derive(Clone)]
struct Actor {
    scripts: Arc<Vec<Vec<TokenId>>>,
    /// Tokens with which a reply begins; those after the speaker's name may be others once the reply is read again.
    opening: Vec<TokenId>,
    /// Number of them up to the speaker's name.
    speaker: usize,
    end: TokenId,
    held: Vec<TokenId>,
    logits: Vec<f32>,
    vocabulary: usize,
}

impl Actor {
    fn next(&self) -> TokenId {
        let speaker = &self.opening[..self.speaker];
        let places = self.held.windows(self.speaker).enumerate().filter(|(_, part)| *part == speaker);
        let places: Vec<usize> = places.map(|(at, _)| at + self.opening.len()).collect();
        let written = places.last().map_or(0, |at| self.held.len().saturating_sub(*at));
        let script = places.len().saturating_sub(1).min(self.scripts.len() - 1);
        self.scripts[script].get(written).copied().unwrap_or(self.end)
    }
}

impl Sequence for Actor {
    fn len(&self) -> usize {
        self.held.len()
    }

    fn capacity(&self) -> usize {
        4096
    }

    fn decode(&mut self, tokens: &[TokenId], _: &dyn Fn() -> bool) -> Result<(), ModelError> {
        self.held.extend_from_slice(tokens);
        self.logits = vec![0.0; self.vocabulary];
        let next = self.next() as usize;
        self.logits[next] = 50.0;
        Ok(())
    }

    fn logits(&self) -> &[f32] {
        &self.logits
    }

    fn truncate(&mut self, len: usize) -> Result<(), ModelError> {
        if len < self.held.len() {
            self.held.truncate(len);
            self.logits.clear();
        }
        Ok(())
    }
}

/// Opens a session whose models write `scripts`, one a reply.
pub(crate) fn session(mode: Mode, knows_tools: bool, scripts: &[&str], options: SessionOptions) -> Session {
    let model = model(knows_tools);
    let tokens = |text: &str, special| model.tokenize(text, special).expect("tokens");
    let actor = Actor {
        scripts: Arc::new(scripts.iter().map(|script| tokens(script, Special::Parse)).collect()),
        opening: tokens("<|im_start|>assistant\n", Special::Parse),
        speaker: tokens("<|im_start|>assistant", Special::Parse).len(),
        end: tokens("<|im_end|>", Special::Parse)[0],
        held: Vec::new(),
        logits: Vec::new(),
        vocabulary: model.vocabulary().size(),
    };
    let sequence = move || Box::new(actor.clone()) as Box<dyn Sequence>;
    let target = sequence.clone();
    let config = LocalConfig::of(Arc::clone(&model) as _, 4096);
    let verifier = LocalVerifier::new(config, Box::new(move || Ok(target()))).expect("a thread");
    let model = DraftModel { decoder: Arc::new(Sequences(sequence)), ..DraftModel::from(model) };
    let options = SessionOptions { mode, record: RecordOptions { text: true, ..RecordOptions::default() }, ..options };
    Session::new(model, Some(Arc::new(verifier)), options).expect("valid options")
}

/// Options of a session that waits for its verifier, with consent to everything.
pub(crate) fn patient() -> SessionOptions {
    patient::options(Mode::Exact, SamplingParams::greedy(), 1)
}

pub(crate) fn tools(usage: ToolUse) -> Tools {
    let schema = r#"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#;
    let definitions = vec![
        ToolDefinition::new("get_weather", "Tells the weather.", schema),
        ToolDefinition::new("get_time", "Tells the time.", ""),
    ];
    Tools { definitions, usage, ..Tools::default() }
}

pub(crate) fn with(usage: ToolUse) -> GenerationOptions {
    GenerationOptions { tools: tools(usage), ..GenerationOptions::default() }
}

/// A reply as it was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) results: Vec<ToolResult>,
    pub(crate) malformed: Vec<String>,
    pub(crate) text: String,
    pub(crate) reason: Option<FinishReason>,
    pub(crate) statistics: Statistics,
}

/// Listens to a generation to its end.
pub(crate) fn listen(mut generation: Generation) -> Result<Told, GenerationError> {
    let (mut told, mut streamed) = (Told::default(), String::new());
    while let Some(event) = generation.blocking_next() {
        match event? {
            Event::Committed { token, .. } => streamed.push_str(&token.text),
            Event::ToolCall(call) => told.calls.push(call),
            Event::ToolResult(result) => told.results.push(result),
            Event::MalformedToolCall { raw, .. } => told.malformed.push(raw),
            Event::Finished { reason, text, statistics, .. } => {
                (told.text, told.reason, told.statistics) = (text, Some(reason), *statistics);
            }
            _ => {}
        }
    }
    assert_eq!(streamed, told.text, "a call is in no text");
    Ok(told)
}

pub(crate) fn ask(session: &Session, prompt: Prompt, options: GenerationOptions) -> Told {
    listen(session.generate(prompt, options).expect("idle")).expect("a reply")
}

pub(crate) fn chat(text: &str) -> Prompt {
    Prompt::Chat(text.into())
}

/// Returns a reply that calls a tool, as a model writes it.
pub(crate) fn calling(calls: &[&str]) -> String {
    calls.iter().map(|call| format!("<tool_call>\n{call}\n</tool_call>")).collect::<Vec<_>>().join("\n")
}

/// Returns all text that was sent to the verifier.
pub(crate) fn sent(session: &Session) -> String {
    session.sent().requests.into_iter().filter_map(|sent| sent.text).collect()
}
