//! The state of the device (heat, battery, memory, network), and the limits that a session keeps to because of it.
//!
//! The app pushes what the system tells it ([`Session::set_device`](crate::session::Session::set_device)); nothing
//! here asks the system, so it works the same on every platform and in tests. [`DevicePolicy::decide`] is a pure
//! function from that state to [`Limits`], which a session keeps to from its next generation on. A cache that is to
//! be given up goes at once if nothing runs, else when the generation ends.

use serde::{Deserialize, Serialize};

use crate::mode::Mode;

/// The thermal level of the device, as the four levels of iOS's `ProcessInfo.ThermalState`. Of Android's `PowerManager`
/// statuses, `LIGHT` is [`Fair`](Self::Fair), `MODERATE` and `SEVERE` are [`Serious`](Self::Serious), all above
/// [`Critical`](Self::Critical).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thermal {
    /// The device is not warm.
    #[default]
    Nominal,
    /// The device is warm; nothing has to change yet.
    Fair,
    /// The device is hot, and the system slows down.
    Serious,
    /// The device is so hot that the system is about to take drastic measures.
    Critical,
}

/// The state of the device, as far as the app knows it. The default asks for no limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceState {
    /// Charge of the battery in [0, 1]; `None` if it is not known or there is no battery.
    pub battery: Option<f32>,
    /// Whether the battery is being charged.
    pub charging: bool,
    /// Thermal level.
    pub thermal: Thermal,
    /// Whether the system asked apps to free memory.
    pub low_memory: bool,
    /// Whether the network costs money by volume.
    pub metered: bool,
    /// Whether the app is not in front. A draft model on a GPU then makes no pass, whatever the policy says, because
    /// iOS ends what an app submits to the GPU from there: a reply that runs stands still where it needs one, until the
    /// app is in front again or the reply is cancelled. A draft model on the CPU does not care.
    pub in_background: bool,
}

/// The rules by which a device's state limits what a session does, with these defaults:
///
/// | state | threads | draft-ahead, window | mode | cache |
/// |---|---|---|---|---|
/// | nothing special | as asked | as asked | as asked | kept |
/// | battery below 20 %, not charging | half | no draft-ahead | as asked | kept |
/// | battery below 10 %, not charging | one | no draft-ahead | `exact` becomes `remote_only` | kept |
/// | [`Thermal::Serious`] | half | no draft-ahead | as asked | kept |
/// | [`Thermal::Critical`] | one | no draft-ahead, windows of at most 4 | `exact` becomes `remote_only` | kept |
/// | low memory | as asked | as asked | as asked | given up |
/// | metered network | as asked | no draft-ahead | `remote_only` becomes `exact` | kept |
/// | app not in front, draft model on a GPU | as asked | as asked | `exact` becomes `remote_only` | kept |
///
/// `exact` and `remote_only` have the same law, so moving between them changes where the work is done and not what
/// comes out; `opportunistic` and `device_only` are never changed, because there the output would be another. On a
/// metered network `exact` stays `exact`: it sends tens of bytes a window. Draft-ahead costs work that may be in
/// vain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DevicePolicy {
    /// Whether a session reacts to the device's state at all.
    pub enabled: bool,
    /// Charge in [0, 1] below which some work is saved, unless the battery is being charged.
    pub low_battery: f32,
    /// Charge in [0, 1] below which all work is saved that can be, unless the battery is being charged.
    pub critical_battery: f32,
    /// Whether `exact` may become `remote_only` and the other way round: both have the same law, and differ in where
    /// the work is done.
    pub may_move: bool,
    /// Largest number of tokens in a window while the device is critically hot; 0 counts as 1.
    pub hot_window: usize,
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self { enabled: true, low_battery: 0.2, critical_battery: 0.1, may_move: true, hot_window: 4 }
    }
}

/// The share of the requested threads that is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ThreadShare {
    /// All threads.
    #[default]
    All,
    /// Half of the threads, at least one.
    Half,
    /// One thread.
    One,
}

impl ThreadShare {
    /// Returns the number of threads to use where `asked` were requested.
    pub(crate) fn of(self, asked: u32) -> u32 {
        match self {
            Self::All => asked,
            Self::Half => (asked / 2).max(1),
            Self::One => 1,
        }
    }
}

/// The limits that a session keeps to; by default none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Share of the requested threads that the draft model uses.
    pub(crate) threads: ThreadShare,
    /// Whether the device stops drafting while a verdict is on its way, even if
    /// [`DraftAhead`](crate::options::DraftAhead) was requested.
    pub(crate) no_draft_ahead: bool,
    /// Largest number of tokens in a window; `None` leaves it at the requested one.
    pub(crate) max_window: Option<usize>,
    /// Whether the target should write alone where that leaves the law of the output the same.
    pub(crate) spare_device: bool,
    /// Whether the device should draft where that leaves the law of the output the same.
    pub(crate) spare_network: bool,
    /// Whether the draft model's KV cache is given up; the next generation reads the conversation again.
    pub(crate) unload: bool,
}

impl DevicePolicy {
    /// Returns the limits that a session should keep to in this state; `on_gpu` says whether its draft model is on a
    /// GPU.
    pub(crate) fn decide(&self, state: &DeviceState, on_gpu: bool) -> Limits {
        if !self.enabled {
            return Limits::default();
        }
        // A charge that is not a number says nothing.
        let below = |bound: f32| !state.charging && state.battery.is_some_and(|charge| charge < bound);
        let (low, critical) = (below(self.low_battery), below(self.critical_battery));
        let (serious, boiling) = (state.thermal >= Thermal::Serious, state.thermal == Thermal::Critical);
        let threads = match (critical || boiling, low || serious) {
            (true, _) => ThreadShare::One,
            (false, true) => ThreadShare::Half,
            (false, false) => ThreadShare::All,
        };
        let stands_still = on_gpu && state.in_background;
        let spare_device = self.may_move && (critical || boiling || stands_still);
        Limits {
            threads,
            no_draft_ahead: low || critical || serious || state.metered,
            max_window: boiling.then_some(self.hot_window.max(1)),
            spare_device,
            // Sparing the device goes before sparing the network.
            spare_network: self.may_move && state.metered && !spare_device,
            unload: state.low_memory,
        }
    }
}

impl Limits {
    /// Returns the mode to generate in where `asked` was requested. `has_verifier` says whether there is a target at
    /// all.
    pub(crate) fn mode(&self, asked: Mode, has_verifier: bool) -> Mode {
        match asked {
            Mode::Exact if self.spare_device && has_verifier => Mode::RemoteOnly,
            Mode::RemoteOnly if self.spare_network => Mode::Exact,
            asked => asked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(state: DeviceState) -> Limits {
        DevicePolicy::default().decide(&state, false)
    }

    fn charged(battery: f32) -> DeviceState {
        DeviceState { battery: Some(battery), ..DeviceState::default() }
    }

    fn hot(thermal: Thermal) -> DeviceState {
        DeviceState { thermal, ..DeviceState::default() }
    }

    #[test]
    fn a_device_in_good_health_is_left_alone() {
        for state in [DeviceState::default(), charged(0.5), charged(f32::NAN), hot(Thermal::Fair)] {
            assert_eq!(decide(state), Limits::default(), "{state:?}");
        }
    }

    #[test]
    fn an_emptying_battery_saves_work_step_by_step_and_a_charging_one_does_not() {
        assert_eq!((decide(charged(0.19)).threads, decide(charged(0.19)).no_draft_ahead), (ThreadShare::Half, true));
        assert_eq!((decide(charged(0.09)).threads, decide(charged(0.09)).spare_device), (ThreadShare::One, true));
        assert_eq!(decide(DeviceState { charging: true, ..charged(0.01) }), Limits::default());
    }

    #[test]
    fn heat_saves_work_even_while_charging() {
        let serious = decide(DeviceState { charging: true, ..hot(Thermal::Serious) });
        assert_eq!((serious.threads, serious.max_window, serious.spare_device), (ThreadShare::Half, None, false));
        let critical = decide(DeviceState { charging: true, ..hot(Thermal::Critical) });
        assert_eq!((critical.threads, critical.max_window, critical.spare_device), (ThreadShare::One, Some(4), true));
    }

    #[test]
    fn only_modes_with_the_same_law_are_exchanged() {
        let spared = decide(hot(Thermal::Critical));
        assert_eq!(spared.mode(Mode::Exact, true), Mode::RemoteOnly);
        assert_eq!(spared.mode(Mode::Exact, false), Mode::Exact);
        assert_eq!(spared.mode(Mode::Opportunistic, true), Mode::Opportunistic);
        assert_eq!(spared.mode(Mode::DeviceOnly, true), Mode::DeviceOnly);
        let metered = decide(DeviceState { metered: true, ..DeviceState::default() });
        assert_eq!(metered.mode(Mode::RemoteOnly, true), Mode::Exact);
        assert_eq!(metered.mode(Mode::Exact, true), Mode::Exact);
        let both = decide(DeviceState { metered: true, ..hot(Thermal::Critical) });
        assert_eq!(both.mode(Mode::Exact, true), Mode::RemoteOnly);
        assert_eq!(both.mode(Mode::RemoteOnly, true), Mode::RemoteOnly);
    }

    #[test]
    fn low_memory_gives_up_the_cache_and_a_disabled_policy_does_nothing() {
        let state = DeviceState { low_memory: true, ..hot(Thermal::Critical) };
        assert!(decide(state).unload);
        let off = DevicePolicy { enabled: false, ..DevicePolicy::default() };
        assert_eq!(off.decide(&state, true), Limits::default());
    }

    #[test]
    fn an_app_that_is_not_in_front_spares_a_device_that_drafts_on_a_gpu_and_no_other() {
        let state = DeviceState { in_background: true, ..DeviceState::default() };
        assert_eq!(decide(state), Limits::default());
        let on_gpu = DevicePolicy::default().decide(&state, true);
        assert_eq!(on_gpu, Limits { spare_device: true, ..Limits::default() });
        let metered = DevicePolicy::default().decide(&DeviceState { metered: true, ..state }, true);
        assert_eq!(metered.mode(Mode::Exact, true), Mode::RemoteOnly);
        let fixed = DevicePolicy { may_move: false, ..DevicePolicy::default() };
        assert_eq!(fixed.decide(&state, true), Limits::default());
        assert_eq!(DevicePolicy::default().decide(&DeviceState::default(), true), Limits::default());
    }

    #[test]
    fn at_least_one_thread_is_left() {
        assert_eq!([8, 3, 1].map(|asked| ThreadShare::Half.of(asked)), [4, 1, 1]);
        assert_eq!(ThreadShare::One.of(8), 1);
    }
}
