//! The state of the device, and whether a model fits its memory.

pub use uhlm_core::Thermal;
use uhlm_llama::memory;

use crate::error::UhlmError;
use crate::thread::off_thread;

/// How hot the device is. These are the four levels of iOS's `ProcessInfo.ThermalState`. Of the statuses of Android's
/// `PowerManager`, `LIGHT` is `Fair`, `MODERATE` and `SEVERE` are `Serious`, and all above are `Critical`.
#[uniffi::remote(Enum)]
pub enum Thermal {
    /// The device is cool.
    Nominal,
    /// The device is warm, and nothing has to change yet.
    Fair,
    /// The system slows down.
    Serious,
    /// The system is about to take drastic measures.
    Critical,
}

/// The state of the device, as far as the app knows it. Left out, everything is as one would wish.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Record)]
pub struct DeviceState {
    /// Charge of the battery, in [0, 1]; nothing if it is not known or there is no battery.
    #[uniffi(default)]
    pub battery: Option<f32>,
    /// True while the battery is being charged.
    #[uniffi(default)]
    pub charging: bool,
    /// How hot the device is. Left out: `Nominal`.
    #[uniffi(default)]
    pub thermal: Option<Thermal>,
    /// True if the system asked apps to free memory.
    #[uniffi(default)]
    pub low_memory: bool,
    /// True if the network costs money by volume.
    #[uniffi(default)]
    pub metered: bool,
    /// True while the app is not in front. A draft model on a GPU then computes nothing: a reply that runs stands still
    /// until the app is in front again or the reply is cancelled, and one that begins in the mode `Exact` is written by
    /// the target alone. A draft model on the CPU does not care.
    #[uniffi(default)]
    pub in_background: bool,
}

impl From<DeviceState> for uhlm_core::DeviceState {
    fn from(state: DeviceState) -> Self {
        Self {
            battery: state.battery,
            charging: state.charging,
            thermal: state.thermal.unwrap_or_default(),
            low_memory: state.low_memory,
            metered: state.metered,
            in_background: state.in_background,
        }
    }
}

/// The memory that a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct MemoryEstimate {
    /// Length of the context that the estimate is for, in tokens.
    pub context: u32,
    /// Size of the weights in bytes, in all forms that are kept.
    pub weights: u64,
    /// Size of the keys and values of the whole context, in bytes.
    pub cache: u64,
    /// Size of everything together, in bytes.
    pub total: u64,
}

/// Returns how many bytes of memory the system can give, which is `MemAvailable` on Linux and Android. It returns
/// nothing elsewhere: an iOS app asks `os_proc_available_memory` and passes that on.
#[uniffi::export]
#[must_use]
pub fn available_memory() -> Option<u64> {
    memory::available()
}

/// Estimates from a model file's header how much memory it takes with a context of `context` tokens; 0 is the context
/// that it was trained for. If `available` is given and too little, it fails.
///
/// # Errors
/// `NotEnoughMemory` with the longest context that fits, `ModelDamaged`, `ModelUnsupported`.
#[uniffi::export(default(context = 0, available))]
pub async fn check_memory(path: String, context: u32, available: Option<u64>) -> Result<MemoryEstimate, UhlmError> {
    let check = move || memory::check(path.as_ref(), context, available.unwrap_or(u64::MAX));
    let estimate = off_thread(check).await?;
    Ok(MemoryEstimate {
        context: estimate.context,
        weights: estimate.weights + estimate.repacked,
        cache: estimate.cache,
        total: estimate.total(),
    })
}
