//! The plan of a history, which a seed decides: the pair of models, the way, the session's options, its prompts, and
//! when each comes.

use std::time::Duration;

use uhlm_core::{
    Budget, Consent, DeviceState, DraftAhead, GenerationOptions, LinkConfig, Mode, OfflinePolicy, SessionOptions,
    Thermal,
};
use uhlm_law::advance::MAX_DRAFT;
use uhlm_law::gate::Goal;
use uhlm_law::pace::Pace;
use uhlm_law::sampling::SamplingParams;
use uhlm_law::window::CloseRule;

use super::dice::Dice;
use super::draft::Times;
use super::faults::{Chances, Fault};
use super::network::Way;
use crate::synthetic::SyntheticModel;

/// Time that is longer than any history whose faults end takes to come back.
pub const LONG: Duration = Duration::from_secs(3600);

/// The plan of one history.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Draft model.
    pub draft: SyntheticModel,
    /// Times of the draft model's passes.
    pub times: Times,
    /// Target model.
    pub target: SyntheticModel,
    /// Way between device and verifier.
    pub way: Way,
    /// Options of the session.
    pub options: SessionOptions,
    /// Generations, in order; the last one comes after everything was mended.
    pub asks: Vec<Ask>,
}

/// The plan of one generation.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Message of the person.
    pub message: String,
    /// Options of the generation.
    pub options: GenerationOptions,
    /// Faults, each with the time after the generation began at which it happens.
    pub faults: Vec<(Duration, Fault)>,
    /// State of the device from here on.
    pub device: DeviceState,
    /// Time that passes before the generation begins.
    pub pause: Duration,
    /// Whether the person begins a new conversation before it.
    pub resets: bool,
}

const MS: Duration = Duration::from_millis(1);

fn sampling(dice: &mut Dice) -> SamplingParams {
    match dice.roll(4) {
        0 => SamplingParams::greedy(),
        1 => SamplingParams { temperature: 0.7, top_k: 12, top_p: 0.95, ..SamplingParams::default() },
        2 => SamplingParams { penalty_repeat: 1.3, penalty_presence: 0.4, ..SamplingParams::default() },
        _ => SamplingParams::default(),
    }
}

fn chances(dice: &mut Dice) -> Chances {
    // A third of the histories has faults of the verifier and not of messages.
    if dice.happens(333) {
        return Chances::default();
    }
    let mut some = |most: usize| if dice.happens(500) { 0 } else { dice.roll(most) };
    Chances {
        lost: some(60),
        unreachable: some(60),
        busy: some(60),
        repeated: some(300),
        late: some(200),
        cut: some(100),
        silent: some(60),
        failed: some(60),
    }
}

fn way(dice: &mut Dice) -> Way {
    Way {
        least: dice.one(&[MS, MS * 10, MS * 40]),
        jitter: dice.one(&[MS, MS * 20, MS * 100]),
        late: dice.one(&[MS * 300, MS * 2000]),
        times: Times {
            pass: dice.one(&[MS, MS * 20, MS * 100]),
            // The slowest target reads a prompt for longer than any deadline, and tells its progress.
            token: dice.one(&[Duration::ZERO, Duration::ZERO, MS, MS, MS * 250]),
        },
        tells_progress: true,
        replicas: 1 + dice.roll(2),
        max_draft: dice.one(&[1, 3, 16, MAX_DRAFT as u32]),
        chances: chances(dice),
        max_body: 1 << 20,
    }
}

fn options(dice: &mut Dice) -> SessionOptions {
    let mode = dice.one(&[Mode::Exact, Mode::Exact, Mode::Exact, Mode::Opportunistic, Mode::RemoteOnly]);
    let offline = match dice.roll(8) {
        0..4 => OfflinePolicy::Wait(LONG),
        4 => OfflinePolicy::Wait(MS * 3000),
        5 => OfflinePolicy::Fail,
        _ => OfflinePolicy::GoOn,
    };
    let close = match dice.roll(5) {
        0 => CloseRule::Fixed(1 + dice.roll(16)),
        1 => CloseRule::Risk(dice.one(&[0.1, 0.5])),
        2 => CloseRule::Uncertainty,
        _ => CloseRule::CostModel,
    };
    let goal = match dice.roll(4) {
        0 => Goal::Threshold(dice.one(&[0.2, 0.6])),
        1 => Goal::ShareSent(0.4),
        2 => Goal::Risk(0.05),
        _ => Goal::RiskProne,
    };
    let ahead = 1 + dice.roll(4);
    SessionOptions {
        mode,
        sampling: sampling(dice),
        goal,
        close,
        max_window: dice.one(&[1, 4, 16]),
        draft_ahead: dice.one(&[DraftAhead::Off, DraftAhead::WhileWaiting, DraftAhead::Pipelined(ahead)]),
        offline,
        threads: 1,
        seed: Some(dice.bits()),
        consent: Consent::Conversation,
        link: LinkConfig {
            min_deadline: MS * 300,
            max_deadline: MS * 3000,
            grace: dice.one(&[Duration::ZERO, MS * 500, MS * 2000]),
            back_off: MS * 100,
            max_back_off: MS * 5000,
            max_retry_after: MS * 2000,
            max_fruitless: Duration::from_secs(600),
            offline_after: 3,
            seed: dice.bits(),
        },
        pace: dice.one(&Pace::ALL),
        max_passes_per_token: dice.happens(200).then_some(0.3),
        ngrams: dice.happens(700),
        budget: Budget { target_passes: dice.happens(150).then(|| 1 + dice.roll(60) as u64), ..Budget::default() },
        ..SessionOptions::default()
    }
}

fn message(dice: &mut Dice) -> String {
    let length = 1 + dice.roll(12);
    (0..length).map(|_| dice.one(&['a', 'c', 'e', 'h', 'k', 'n', 's', ' '])).collect()
}

fn device(dice: &mut Dice) -> DeviceState {
    match dice.roll(8) {
        0 => DeviceState { low_memory: true, ..DeviceState::default() },
        1 => DeviceState { thermal: Thermal::Critical, ..DeviceState::default() },
        2 => DeviceState { metered: true, ..DeviceState::default() },
        _ => DeviceState::default(),
    }
}

fn faults(dice: &mut Dice) -> Vec<(Duration, Fault)> {
    const KINDS: [Fault; 7] = [
        Fault::Restart,
        Fault::CacheEvicted,
        Fault::SessionEvicted,
        Fault::Switch,
        Fault::Outage,
        Fault::NetworkChange,
        Fault::Cancel,
    ];
    let count = if dice.happens(400) { 0 } else { dice.roll(5) };
    let longest = dice.one(&[MS * 300, MS * 2000, MS * 10_000]);
    (0..count).map(|_| (dice.span(longest), dice.one(&KINDS))).collect()
}

fn ask(dice: &mut Dice, capacity: usize) -> Ask {
    let stop = match dice.roll(4) {
        0 => vec![dice.one(&["a", "ce", "n\u{e9}", "k h"]).to_owned(), "sss".to_owned()],
        _ => Vec::new(),
    };
    let other = dice.one(&[Mode::Exact, Mode::RemoteOnly, Mode::DeviceOnly]);
    let options = GenerationOptions {
        max_tokens: if dice.happens(200) { capacity } else { 1 + dice.roll(60) },
        stop,
        mode: dice.happens(150).then_some(other),
        collect_labels: dice.happens(200),
        seed: Some(dice.bits()),
        ..GenerationOptions::default()
    };
    Ask {
        message: message(dice),
        options,
        faults: faults(dice),
        device: device(dice),
        pause: if dice.happens(500) { Duration::ZERO } else { dice.span(MS * 8000) },
        resets: dice.happens(150),
    }
}

impl Plan {
    /// Makes the plan of the history of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let capacity = dice.one(&[60, 160, 512, 512, 512]);
        let shared = SyntheticModel {
            own: dice.one(&[0.1, 0.5, 1.5]),
            end_bias: dice.one(&[-4.0, -2.0]),
            capacity,
            ..SyntheticModel::draft()
        };
        let pass = dice.one(&[MS * 2, MS * 15, MS * 60]);
        let mut asks: Vec<Ask> = (0..2 + dice.roll(3)).map(|_| ask(&mut dice, capacity)).collect();
        // The last generation shows that the session is none the worse for the faults.
        if let Some(last) = asks.last_mut() {
            last.options.mode = None;
            last.faults.clear();
            last.device = DeviceState::default();
            last.resets = true;
        }
        Self {
            draft: shared,
            times: Times { pass, token: MS / 4 },
            target: SyntheticModel { seed: 2, ..shared },
            way: way(&mut dice),
            options: options(&mut dice),
            asks,
        }
    }
}
