//! Decides whether a model goes to a GPU or to the CPU, and says where it is and why. Leaves to
//! [`native`](crate::native) which GPUs there are, and to whoever calls the load itself.

use serde::{Deserialize, Serialize};

use crate::accelerator::Accelerator;
use crate::native::Device;
use crate::options::LoadOptions;

/// The part of the machine that a loaded model computes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// Name of the device in ggml: "CPU", "MTL0" (Metal), "Vulkan0", "GPUOpenCL", "CUDA0"; several GPUs with commas
    /// between them.
    pub name: String,
    /// Description of the device in ggml, mostly its maker's name for it.
    pub description: String,
    /// Reason why the model is on the CPU; `None` where it is on a GPU.
    pub no_gpu: Option<NoGpu>,
}

impl Backend {
    /// Tells whether the model is on a GPU, with all its layers or with some.
    #[must_use]
    pub fn is_gpu(&self) -> bool {
        self.no_gpu.is_none()
    }

    /// Makes the backend of a model on these devices.
    pub(crate) fn of(devices: &[Device], no_gpu: Option<NoGpu>) -> Self {
        let mut descriptions: Vec<&str> = devices.iter().map(|device| device.description.as_str()).collect();
        descriptions.dedup();
        let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
        Self { name: names.join(", "), description: descriptions.join(", "), no_gpu }
    }
}

/// The reason why a model is not on a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoGpu {
    /// The CPU was asked for, by [`Accelerator::Cpu`] or as a GPU was to get no layer.
    #[error("the CPU was asked for")]
    Asked,
    /// llama.cpp was built without a backend for GPUs.
    #[error("this build has no backend for a GPU")]
    NotBuilt,
    /// llama.cpp was built for GPUs, and the system has none that it can use. The simulator of iOS counts as a system
    /// without one.
    #[error("the system has no GPU that this build can use")]
    NoDevice,
    /// Rows were asked for that do not depend on their batch, which holds on a CPU alone.
    #[error("rows that do not depend on their batch are computed on a CPU alone")]
    BatchInvariant,
    /// The GPU did not take the model, for example for lack of memory, and the CPU did.
    #[error("the GPU did not take the model: {reason}")]
    Failed {
        /// Reason in llama.cpp's words.
        reason: String,
    },
}

/// The place that a model is loaded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// The GPUs that were found.
    Gpu,
    /// The CPU alone, for this reason.
    Cpu(NoGpu),
}

/// Tells whether llama.cpp was built with a backend for GPUs. On Apple's systems it always is.
pub(crate) const fn is_built() -> bool {
    let metal = cfg!(all(target_vendor = "apple", not(target_os = "watchos")));
    metal || cfg!(any(feature = "cuda", feature = "opencl", feature = "vulkan"))
}

/// Chooses the place of a model: from what is asked for, whether this build can use a GPU at all, and whether the
/// system has one.
///
/// # Errors
/// The reason why there is no GPU, where one was asked for.
pub(crate) fn choose(options: &LoadOptions, is_built: bool, has_gpu: bool) -> Result<Placement, NoGpu> {
    let reason = if options.accelerator == Accelerator::Cpu || options.gpu_layers == Some(0) {
        NoGpu::Asked
    } else if options.batch_invariant {
        NoGpu::BatchInvariant
    } else if !is_built {
        NoGpu::NotBuilt
    } else if !has_gpu {
        NoGpu::NoDevice
    } else {
        return Ok(Placement::Gpu);
    };
    if options.accelerator == Accelerator::Gpu { Err(reason) } else { Ok(Placement::Cpu(reason)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_goes_where_it_is_asked_to_and_says_why_it_does_not() {
        use Accelerator::{Auto, Cpu, Gpu};
        let cpu = |reason| Ok(Placement::Cpu(reason));
        // What is asked for (device, layers, rows independent of their batch), what there is (backend, device).
        let table = [
            (Auto, None, false, true, true, Ok(Placement::Gpu)),
            (Auto, None, false, true, false, cpu(NoGpu::NoDevice)),
            (Auto, None, false, false, false, cpu(NoGpu::NotBuilt)),
            (Auto, None, true, true, true, cpu(NoGpu::BatchInvariant)),
            (Auto, Some(0), false, true, true, cpu(NoGpu::Asked)),
            (Auto, Some(1), false, true, true, Ok(Placement::Gpu)),
            (Cpu, None, false, true, true, cpu(NoGpu::Asked)),
            (Cpu, Some(9), true, false, false, cpu(NoGpu::Asked)),
            (Gpu, None, false, true, true, Ok(Placement::Gpu)),
            (Gpu, Some(3), false, true, true, Ok(Placement::Gpu)),
            (Gpu, Some(0), false, true, true, Err(NoGpu::Asked)),
            (Gpu, None, true, true, true, Err(NoGpu::BatchInvariant)),
            (Gpu, None, false, true, false, Err(NoGpu::NoDevice)),
            (Gpu, None, false, false, false, Err(NoGpu::NotBuilt)),
        ];
        for (accelerator, gpu_layers, batch_invariant, is_built, has_gpu, expected) in table {
            let options = LoadOptions { accelerator, gpu_layers, batch_invariant, ..LoadOptions::default() };
            assert_eq!(choose(&options, is_built, has_gpu), expected, "{options:?}, {is_built}, {has_gpu}");
        }
    }

    #[test]
    fn two_gpus_of_a_kind_are_named_both_and_described_once() {
        let device = |name: &str| Device::stand_in(name, "A GPU");
        let backend = Backend::of(&[device("CUDA0"), device("CUDA1")], None);
        assert_eq!((backend.name.as_str(), backend.description.as_str()), ("CUDA0, CUDA1", "A GPU"));
        assert!(backend.is_gpu());
    }
}
