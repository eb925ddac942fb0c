//! Loads a model where it is to go, and on the CPU where the GPU does not take it. Leaves to
//! [`placement`](crate::placement) where that is, and to whoever calls the load itself.

use crate::accelerator::Accelerator;
use crate::error::LoadError;
use crate::invariance::Obstacle;
use crate::native::{self, Device, Thrown};
use crate::options::LoadOptions;
use crate::placement::{Backend, NoGpu, Placement, choose, is_built};

/// The devices that a model can be put on.
pub(crate) struct Devices {
    /// Whether llama.cpp was built with a backend for GPUs.
    pub(crate) is_built: bool,
    /// GPUs, or what llama.cpp threw when it was asked for them.
    pub(crate) gpus: Result<Vec<Device>, Thrown>,
    pub(crate) cpu: Vec<Device>,
}

impl Devices {
    /// Asks ggml, which must have been started.
    pub(crate) fn here() -> Self {
        // In a simulator llama.cpp's own example for Swift stays on the CPU, too.
        let gpus = if is_built() && !cfg!(target_abi = "sim") { native::gpus() } else { Ok(Vec::new()) };
        // A CPU without a name is one all the same.
        Self { is_built: is_built(), gpus, cpu: native::cpu().unwrap_or_default() }
    }

    /// Tells whether weights on the GPUs lie in the system's memory, beside the file that was mapped. Metal, which uses
    /// the mapped file, is no such case.
    pub(crate) fn copy_into_system_memory(&self) -> bool {
        self.gpus.as_ref().is_ok_and(|gpus| gpus.iter().any(Device::is_integrated))
    }

    /// Returns the reason with what llama.cpp threw, if that is why no GPU was found.
    fn explain(&self, reason: NoGpu) -> NoGpu {
        match (reason, &self.gpus) {
            (NoGpu::NoDevice, Err(Thrown(thrown))) => NoGpu::Failed { reason: thrown.clone() },
            (reason, _) => reason,
        }
    }
}

/// Has `load` load a model on the devices that are chosen for it, none for the CPU alone. What [`Accelerator::Auto`]
/// puts on a GPU that does not take it is loaded once more, on the CPU.
///
/// # Errors
/// [`LoadError::NoGpu`], [`LoadError::NotInvariant`], and those of `load`.
pub(crate) fn load_at<T>(
    options: &LoadOptions,
    devices: &Devices,
    mut load: impl FnMut(&[Device]) -> Result<T, LoadError>,
) -> Result<(T, Backend), LoadError> {
    let gpus = devices.gpus.as_deref().unwrap_or_default();
    let chosen = choose(options, devices.is_built, !gpus.is_empty()).map_err(|reason| devices.explain(reason));
    let reason = match chosen.map_err(refused)? {
        Placement::Gpu => match load(gpus) {
            Ok(loaded) => return Ok((loaded, Backend::of(gpus, None))),
            Err(error @ (LoadError::Cancelled | LoadError::Callback { .. })) => return Err(error),
            Err(error) if options.accelerator == Accelerator::Gpu => return Err(error),
            Err(error) => {
                let reason = match error {
                    LoadError::Unsupported { reason, .. } => reason,
                    other => other.to_string(),
                };
                tracing::warn!(%reason, "the GPU did not take a model: it is loaded on the CPU");
                NoGpu::Failed { reason }
            }
        },
        Placement::Cpu(reason) => devices.explain(reason),
    };
    let loaded = load(&[])?;
    Ok((loaded, Backend::of(&devices.cpu, Some(reason))))
}

/// Makes the error of a GPU that was asked for and that there is not.
fn refused(reason: NoGpu) -> LoadError {
    match reason {
        NoGpu::BatchInvariant => LoadError::NotInvariant(Obstacle::Gpu),
        reason => LoadError::NoGpu(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices of a system with a GPU.
    fn devices() -> Devices {
        let (gpus, cpu) = (Ok(vec![Device::stand_in("GPU0", "A GPU")]), vec![Device::stand_in("CPU", "A CPU")]);
        Devices { is_built: true, gpus, cpu }
    }

    fn asked(accelerator: Accelerator) -> LoadOptions {
        LoadOptions { accelerator, ..LoadOptions::default() }
    }

    /// A load that only the CPU survives; tells how many GPUs it got each time.
    fn only_on_the_cpu(calls: &mut Vec<usize>, gpus: &[Device]) -> Result<(), LoadError> {
        calls.push(gpus.len());
        let full = LoadError::Unsupported {
            path: "a.gguf".into(),
            architecture: "llama".into(),
            reason: "no memory there".into(),
        };
        if gpus.is_empty() { Ok(()) } else { Err(full) }
    }

    #[test]
    fn a_gpu_that_does_not_take_a_model_leaves_it_to_the_cpu_and_says_so() {
        let mut calls = Vec::new();
        let loaded = load_at(&asked(Accelerator::Auto), &devices(), |gpus| only_on_the_cpu(&mut calls, gpus));
        let ((), backend) = loaded.expect("the CPU takes it");
        let reason = NoGpu::Failed { reason: "no memory there".into() };
        assert_eq!((backend.name.as_str(), backend.no_gpu), ("CPU", Some(reason)));
        assert_eq!(calls, [1, 0]);
    }

    #[test]
    fn a_gpu_that_was_asked_for_and_does_not_take_a_model_is_an_error() {
        let mut calls = Vec::new();
        let loaded = load_at(&asked(Accelerator::Gpu), &devices(), |gpus| only_on_the_cpu(&mut calls, gpus));
        assert!(matches!(loaded, Err(LoadError::Unsupported { .. })), "{loaded:?}");
        assert_eq!(calls, [1]);
    }

    #[test]
    fn a_load_that_was_cancelled_is_not_tried_again() {
        let mut calls = 0;
        let loaded: Result<((), _), _> = load_at(&asked(Accelerator::Auto), &devices(), |_| {
            calls += 1;
            Err(LoadError::Cancelled)
        });
        assert!(matches!(loaded, Err(LoadError::Cancelled)) && calls == 1, "{loaded:?}, {calls} calls");
    }

    #[test]
    fn a_cpu_that_was_asked_for_gets_no_gpu() {
        let mut calls = Vec::new();
        let loaded = load_at(&asked(Accelerator::Cpu), &devices(), |gpus| only_on_the_cpu(&mut calls, gpus));
        let ((), backend) = loaded.expect("the CPU takes it");
        assert_eq!((backend.no_gpu, calls), (Some(NoGpu::Asked), vec![0]));
    }

    #[test]
    fn a_backend_that_cannot_look_for_gpus_is_told_of() {
        let devices = Devices { gpus: Err(Thrown("a driver is broken".into())), ..devices() };
        let reason = NoGpu::Failed { reason: "a driver is broken".into() };
        let loaded = load_at(&asked(Accelerator::Auto), &devices, |_| Ok(()));
        assert_eq!(loaded.expect("the CPU takes it").1.no_gpu, Some(reason.clone()));
        let refused = load_at(&asked(Accelerator::Gpu), &devices, |_| Ok(()));
        assert!(matches!(&refused, Err(LoadError::NoGpu(found)) if *found == reason), "{refused:?}");
    }
}
