//! What the device is going through, and whether a model fits its memory.

use uhlm_llama::memory;

use crate::error::UhlmError;

/// How hot the device is; the four levels of iOS's `ProcessInfo.ThermalState`. Of Android's `PowerManager` statuses,
/// `LIGHT` is `Fair`, `MODERATE` and `SEVERE` are `Serious`, all above `Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Thermal {
    /// Nothing to report.
    Nominal,
    /// Warm; nothing has to change yet.
    Fair,
    /// The system slows down.
    Serious,
    /// The system is about to take drastic measures.
    Critical,
}

/// What the app knows of its device. The default is a device about which there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Record)]
pub struct DeviceState {
    /// Charge in [0, 1]; none if it is not known or there is no battery.
    #[uniffi(default)]
    pub battery: Option<f32>,
    /// Whether it is being charged.
    #[uniffi(default)]
    pub charging: bool,
    /// How hot it is; none is `Nominal`.
    #[uniffi(default)]
    pub thermal: Option<Thermal>,
    /// The system asked apps to free memory.
    #[uniffi(default)]
    pub low_memory: bool,
    /// The network costs money by volume.
    #[uniffi(default)]
    pub metered: bool,
}

impl From<DeviceState> for uhlm_core::DeviceState {
    fn from(state: DeviceState) -> Self {
        Self {
            battery: state.battery,
            charging: state.charging,
            thermal: match state.thermal {
                None | Some(Thermal::Nominal) => uhlm_core::Thermal::Nominal,
                Some(Thermal::Fair) => uhlm_core::Thermal::Fair,
                Some(Thermal::Serious) => uhlm_core::Thermal::Serious,
                Some(Thermal::Critical) => uhlm_core::Thermal::Critical,
            },
            low_memory: state.low_memory,
            metered: state.metered,
        }
    }
}

/// What a model takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct MemoryEstimate {
    /// Tokens of the context that it is for.
    pub context: u32,
    /// Weights, in all forms that are kept.
    pub weights: u64,
    /// Keys and values of the whole context.
    pub cache: u64,
    /// Everything together.
    pub total: u64,
}

/// Bytes that the system can give: `MemAvailable` of Linux and Android. None elsewhere: an iOS app asks
/// `os_proc_available_memory` and passes that on.
#[uniffi::export]
#[must_use]
pub fn available_memory() -> Option<u64> {
    memory::available()
}

/// What a model file takes with a context of `context` tokens (0: what it was trained for), read from its header. With
/// `available`, an error where that is too little.
///
/// # Errors
/// `NotEnoughMemory` with the longest context that fits, `ModelDamaged`, `ModelUnsupported`.
#[uniffi::export(default(context = 0, available))]
pub fn check_memory(path: String, context: u32, available: Option<u64>) -> Result<MemoryEstimate, UhlmError> {
    let estimate = memory::check(path.as_ref(), context, available.unwrap_or(u64::MAX))?;
    Ok(MemoryEstimate {
        context: estimate.context,
        weights: estimate.weights + estimate.repacked,
        cache: estimate.cache,
        total: estimate.total(),
    })
}
