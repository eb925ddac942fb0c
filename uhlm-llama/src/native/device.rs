//! The devices that ggml can compute on.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use super::guard::{Assertions, Thrown, guarded};
use super::{
    ggml_backend_dev_backend_reg, ggml_backend_dev_count, ggml_backend_dev_description, ggml_backend_dev_get,
    ggml_backend_dev_name, ggml_backend_dev_type,
};

/// A device of ggml, which lives as long as the process.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    handle: NonNull<sys::ggml_backend_device>,
    /// Kind by ggml: a GPU with memory of its own, or one that shares the system's. Metal counts as the former, and so
    /// does OpenCL.
    kind: sys::ggml_backend_dev_type,
    pub(crate) name: String,
    pub(crate) description: String,
}

impl Device {
    /// Reads what ggml says of a device.
    fn read(handle: NonNull<sys::ggml_backend_device>) -> Result<Self, Thrown> {
        let device = handle.as_ptr();
        // SAFETY: the device is one that ggml gave, here and below.
        let kind = guarded(Assertions::Throw, || unsafe { ggml_backend_dev_type(device) })?;
        // SAFETY: as above.
        let name = guarded(Assertions::Throw, || unsafe { ggml_backend_dev_name(device) })?;
        // SAFETY: as above.
        let description = guarded(Assertions::Throw, || unsafe { ggml_backend_dev_description(device) })?;
        Ok(Self { handle, kind, name: text(name), description: text(description) })
    }

    /// Tells whether the memory of the device is the system's, as ggml sees it.
    pub(crate) fn is_integrated(&self) -> bool {
        self.kind == sys::GGML_BACKEND_DEVICE_TYPE_IGPU
    }

    pub(super) fn handle(&self) -> sys::ggml_backend_dev_t {
        self.handle.as_ptr()
    }

    /// Makes a device that no call may get.
    #[cfg(test)]
    pub(crate) fn stand_in(name: &str, description: &str) -> Self {
        let kind = sys::GGML_BACKEND_DEVICE_TYPE_GPU;
        Self { handle: NonNull::dangling(), kind, name: name.into(), description: description.into() }
    }
}

/// Copies a text of ggml's.
fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: it ends with a zero and is the device's own, which lives as long as the process.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
}

/// Returns all devices of one of these kinds.
fn of_kinds(kinds: &[sys::ggml_backend_dev_type]) -> Result<Vec<Device>, Thrown> {
    // SAFETY: the first call makes ggml look for its backends, which some do by asking drivers: they may throw.
    let count = guarded(Assertions::Throw, || unsafe { ggml_backend_dev_count() })?;
    let mut devices = Vec::new();
    for index in 0..count {
        // SAFETY: the index is below the number of devices.
        let handle = guarded(Assertions::Throw, || unsafe { ggml_backend_dev_get(index) })?;
        let Some(handle) = NonNull::new(handle) else { continue };
        let device = Device::read(handle)?;
        if kinds.contains(&device.kind) {
            devices.push(device);
        }
    }
    Ok(devices)
}

/// Returns the GPUs that a model is put on: all of the first backend that has one with memory of its own, else all of
/// the first one that has another. So a GPU that two backends know is not taken twice. Accelerators of a CPU's
/// arithmetic, such as BLAS, are none.
pub(crate) fn gpus() -> Result<Vec<Device>, Thrown> {
    for kind in [sys::GGML_BACKEND_DEVICE_TYPE_GPU, sys::GGML_BACKEND_DEVICE_TYPE_IGPU] {
        let mut devices = of_kinds(&[kind])?;
        let Some(first) = devices.first() else { continue };
        let registry = registry(first)?;
        let mut of_first = Vec::new();
        for device in devices.drain(..) {
            if self::registry(&device)? == registry {
                of_first.push(device);
            }
        }
        return Ok(of_first);
    }
    Ok(Vec::new())
}

/// Returns the CPU.
pub(crate) fn cpu() -> Result<Vec<Device>, Thrown> {
    of_kinds(&[sys::GGML_BACKEND_DEVICE_TYPE_CPU])
}

/// Returns the backend that a device belongs to, to be compared only.
fn registry(device: &Device) -> Result<sys::ggml_backend_reg_t, Thrown> {
    let device = device.handle();
    // SAFETY: the device is one that ggml gave.
    guarded(Assertions::Throw, || unsafe { ggml_backend_dev_backend_reg(device) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_cpu_and_it_has_a_name() {
        crate::backend::start();
        let cpus = cpu().expect("ggml knows its devices");
        let [cpu] = cpus.as_slice() else { panic!("{cpus:?}") };
        assert_eq!((cpu.name.as_str(), cpu.is_integrated()), ("CPU", false));
        assert!(!cpu.description.is_empty());
    }
}
