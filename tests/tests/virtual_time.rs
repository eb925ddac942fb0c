//! Virtual time against the clock on the wall: the same session, prompts, seed and link, once simulated by `uhlm-eval`,
//! once over HTTPS through a proxy on loopback that holds everything back as the link model says.
//!
//! The real run goes first and is asked how long a draft pass and a target pass took on this machine, at this load; the
//! simulation is given those. What is compared is the rest: the loop, the verifier, the link. Delays are long against
//! what a loaded machine adds, and medians over replies are compared.

#![allow(clippy::print_stdout, reason = "the figures of a comparison are worth reading")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uhlm_core::verifier::http::{HttpConfig, HttpVerifier};
use uhlm_core::{
    Consent, DraftAhead, GenerationOptions, Mode, OfflinePolicy, Prompt, Session, SessionOptions, calibration_file,
};
use uhlm_eval::billing::Billing;
use uhlm_eval::channel::{Channel, PacketChannel};
use uhlm_eval::paced::paced;
use uhlm_eval::pair::{ComputeTimes, Pair};
use uhlm_eval::product::ProductMethod;
use uhlm_eval::questions;
use uhlm_eval::shaper::Shaper;
use uhlm_eval::statistics::median;
use uhlm_eval::stream::{Numbered, Run};
use uhlm_law::calibration::Calibration;
use uhlm_law::gate::Goal;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;
use uhlm_testing::pair;
use uhlm_testing::served::Served;

/// Shortest time of a pass of the draft model.
const PASS: Duration = Duration::from_millis(40);
const ROUND_TRIP_MS: f64 = 300.0;
const PROMPTS: usize = 5;
const MAX_TOKENS: usize = 28;
const SEED: u64 = 5;
/// Largest relative difference of the two speeds.
const TOLERANCE: f64 = 0.10;

/// Settings with windows that are sent by their risk, two of them in flight.
const WINDOWS: ProductMethod = ProductMethod {
    mode: Mode::Exact,
    close: CloseRule::Risk(0.5),
    draft_ahead: DraftAhead::Pipelined(2),
    goal: Goal::RiskProne,
    pace: Pace::Balanced,
};

/// The measurements of a run: tokens per second of each reply, the median times of a draft and a target pass, and the
/// texts.
struct Measured {
    speeds: Vec<f64>,
    times: ComputeTimes,
    texts: Vec<String>,
}

fn calibration() -> Calibration {
    calibration_file::load(&pair::file("demo.calibration.json")).expect("the bundled calibration")
}

fn prompts() -> Vec<Numbered> {
    let all = questions::read(&pair::file("data/heldout.jsonl")).expect("bundled questions");
    (0..).zip(questions::spread(&all, PROMPTS)).map(|(index, question)| Numbered { index, question }).collect()
}

/// Runs the prompts over HTTPS through the shaped proxy, in real time.
fn for_real(method: ProductMethod, channel: &Channel) -> Measured {
    let served = Served::start();
    let shaper = Shaper::start(served.address(), channel.clone(), 1).expect("a port");
    let config = HttpConfig::new(format!("https://{}", shaper.address())).with_trust(served.trust());
    let verifier = Arc::new(HttpVerifier::new(config).expect("a client"));
    let passes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&passes);
    // The draft model at the pace of a larger one.
    let draft = paced(Arc::clone(pair::draft().model()), move |_, pass| {
        let began = Instant::now();
        pass()?;
        std::thread::sleep(PASS.saturating_sub(began.elapsed()));
        seen.lock().expect("no panic").push(began.elapsed().as_secs_f64() * 1e3);
        Ok(())
    });
    let options = SessionOptions {
        mode: method.mode,
        sampling: SamplingParams::greedy(),
        calibration: calibration(),
        goal: method.goal,
        close: method.close,
        draft_ahead: method.draft_ahead,
        pace: method.pace,
        // The simulation drafts one by one.
        ngrams: false,
        offline: OfflinePolicy::Wait(Duration::from_secs(60)),
        threads: 1,
        seed: Some(SEED),
        consent: Consent::Conversation,
        ..SessionOptions::default()
    };
    let session = Session::new(draft, Some(verifier), options).expect("valid options");
    let ask = |prompt: &Numbered| {
        session.reset().expect("no generation runs");
        let options = GenerationOptions { max_tokens: MAX_TOKENS, ..GenerationOptions::default() };
        let generation = session.generate(Prompt::Chat(prompt.question.question.clone()), options).expect("idle");
        generation.blocking_finish().expect("a reply")
    };
    let prompts = prompts();
    // The first answer opens the connection and is not counted, here as in the simulation.
    ask(&prompts[0]);
    let (mut speeds, mut texts, mut decodes) = (Vec::new(), Vec::new(), Vec::new());
    for prompt in &prompts {
        let (text, statistics) = ask(prompt);
        speeds.push(statistics.tokens_per_second());
        decodes.extend(statistics.verdict_times.iter().map(|time| f64::from(time.decode_us) / 1e3));
        texts.push(text);
    }
    let draft_ms = median(&passes.lock().expect("no panic")).expect("passes");
    let times = ComputeTimes { draft_ms, target_ms: median(&decodes).unwrap_or(0.0), target_per_token_ms: 0.0 };
    Measured { speeds, times, texts }
}

/// Runs the prompts in virtual time.
fn simulated(method: ProductMethod, channel: &Channel, times: ComputeTimes) -> Measured {
    let models = Pair::load(&pair::file("demo-draft.gguf"), &pair::file("demo-target.gguf")).expect("the bundled pair");
    let prompts = prompts();
    let run = Run {
        pair: &models,
        prompts: &prompts,
        sampling: SamplingParams::greedy(),
        times,
        max_tokens: MAX_TOKENS,
        seed: SEED,
    };
    let billing = Billing { vocabulary: 1024, ..Billing::PAPER };
    let replies = run.map(|stream| method.run(stream, channel, billing, &calibration())).expect("replies").concat();
    Measured {
        speeds: replies.iter().map(|reply| reply.tokens.len() as f64 / reply.elapsed.as_secs_f64()).collect(),
        times,
        texts: replies.into_iter().map(|reply| reply.text).collect(),
    }
}

fn both_agree(method: ProductMethod) {
    // Two sessions at once would take the time from each other that they are measured in.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let channel =
        Channel::Packet(PacketChannel { up_mbps: 2.0, down_mbps: 8.0, ..PacketChannel::steady(ROUND_TRIP_MS) });
    let real = for_real(method, &channel);
    let virtual_time = simulated(method, &channel, real.times);
    // Greedy replies do not depend on when anything arrives.
    assert_eq!(real.texts, virtual_time.texts);
    let (wall, simulated) = (median(&real.speeds).expect("replies"), median(&virtual_time.speeds).expect("replies"));
    println!(
        "{:?}, {:?}: {wall:.3} tokens/s for real, {simulated:.3} in virtual time ({:+.1} %); passes {:.1} and {:.1} ms",
        method.mode,
        method.close,
        100.0 * (simulated / wall - 1.0),
        real.times.draft_ms,
        real.times.target_ms
    );
    assert!((simulated / wall - 1.0).abs() <= TOLERANCE, "{wall} tokens/s for real, {simulated} in virtual time");
}

#[test]
fn windows_with_draft_ahead_are_as_fast_in_virtual_time_as_through_a_shaped_link() {
    both_agree(WINDOWS);
}

#[test]
fn fixed_windows_are_as_fast_in_virtual_time_as_through_a_shaped_link() {
    let fixed =
        ProductMethod { close: CloseRule::Fixed(4), draft_ahead: DraftAhead::Off, ..ProductMethod::mode(Mode::Exact) };
    both_agree(fixed);
}

#[test]
fn the_opportunistic_mode_is_as_fast_in_virtual_time_as_through_a_shaped_link() {
    both_agree(ProductMethod::mode(Mode::Opportunistic));
}
