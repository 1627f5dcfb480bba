//! The user's choice of device, and how it becomes a backend.

use std::fmt;
use std::str::FromStr;

use crate::backend::Backend;
use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu::{self, Gpu};
use crate::{cpu, reference};

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// Single precision on all cores.
    Cpu,
    /// Double precision in plain loops: the definition of every result.
    Reference,
    /// A real GPU: the n-th adapter, or the best one.
    Gpu(Option<usize>),
    /// Every discrete GPU; if there are none, every integrated one, then virtual, then other. They divide replicates among them, or samples
    /// if all are the same model with the same driver.
    Gpus,
    /// A Vulkan adapter that is itself software (lavapipe, SwiftShader): for tests, not for speed.
    Software,
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => Device::Auto,
            "cpu" => Device::Cpu,
            "reference" => Device::Reference,
            "gpu" => Device::Gpu(None),
            "gpus" => Device::Gpus,
            "software" => Device::Software,
            _ => match text.strip_prefix("gpu:").map(str::parse) {
                Some(Ok(n)) => Device::Gpu(Some(n)),
                _ => {
                    return Err(Error::BadChoice {
                        what: format!("there is no device {text:?}"),
                        remedy: "Choose auto, cpu, reference, gpu, gpu:N (the N-th adapter, from 0), gpus or software".into(),
                    });
                }
            },
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Reference => f.write_str("reference"),
            Device::Gpu(None) => f.write_str("gpu"),
            Device::Gpu(Some(n)) => write!(f, "gpu:{n}"),
            Device::Gpus => f.write_str("gpus"),
            Device::Software => f.write_str("software"),
        }
    }
}

/// A backend, and the sentence that says why it was chosen.
pub struct Opened {
    pub backend: Box<dyn Backend>,
    pub why: String,
}

/// An open device by its own type, because a GPU offers more than [`Backend`] does.
pub enum Chosen {
    #[cfg(feature = "gpu")]
    Gpu(Box<Gpu>),
    Other(Box<dyn Backend>),
}

impl Chosen {
    /// The device as a [`Backend`].
    pub fn backend(&mut self) -> &mut dyn Backend {
        match self {
            #[cfg(feature = "gpu")]
            Chosen::Gpu(gpu) => &mut **gpu,
            Chosen::Other(backend) => &mut **backend,
        }
    }

    /// Whether it is a Vulkan adapter implemented in software.
    pub fn is_software(&self) -> bool {
        match self {
            #[cfg(feature = "gpu")]
            Chosen::Gpu(gpu) => gpu.adapter().software,
            Chosen::Other(_) => false,
        }
    }

    fn into_backend(self) -> Box<dyn Backend> {
        match self {
            #[cfg(feature = "gpu")]
            Chosen::Gpu(gpu) => gpu,
            Chosen::Other(backend) => backend,
        }
    }
}

/// Opens the chosen device. The text says why it was chosen and continues the device's own description.
///
/// # Errors
/// [`Error::NoDevice`] with what to do on this platform.
pub fn choose(device: Device) -> Result<(Chosen, String)> {
    Ok(match device {
        Device::Reference => (Chosen::Other(Box::new(reference::Reference)), "; asked for".into()),
        Device::Cpu => (cpu(), "; asked for".into()),
        Device::Auto => match open_gpu(device) {
            Ok(best) => (best, "; the best GPU of this machine".into()),
            Err(error) => (cpu(), format!(". {}", first_line(&error))),
        },
        Device::Gpu(_) | Device::Gpus | Device::Software => (open_gpu(device)?, "; asked for".into()),
    })
}

fn cpu() -> Chosen {
    Chosen::Other(Box::new(cpu::Cpu::new()))
}

#[cfg(feature = "gpu")]
fn open_gpu(device: Device) -> Result<Chosen> {
    of_gpu(device).map(|gpu| Chosen::Gpu(Box::new(gpu)))
}

/// The GPU that `device` stands for.
#[cfg(feature = "gpu")]
fn of_gpu(device: Device) -> Result<Gpu> {
    match device {
        Device::Gpu(index) => gpu::open(gpu::Choice::Real(index)),
        Device::Gpus => gpu::open_all(),
        Device::Software => gpu::open(gpu::Choice::Software),
        Device::Auto | Device::Cpu | Device::Reference => gpu::open(gpu::Choice::Real(None)),
    }
}

#[cfg(not(feature = "gpu"))]
fn open_gpu(_: Device) -> Result<Chosen> {
    Err(Error::NoDevice { what: "This build has no code for GPUs.".into(), remedy: "Use the CPU, or build with the feature `gpu`.".into() })
}

/// Opens the chosen device.
pub fn open(device: Device) -> Result<Opened> {
    let (chosen, why) = choose(device)?;
    let backend = chosen.into_backend();
    Ok(Opened { why: format!("{}{why}", backend.describe()), backend })
}

/// The first sentence of an error, without its full stop and its remedy.
fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end_matches('.').to_string()
}

/// Opens a device again after `losses` losses; a GPU then uses half of its memory, a quarter, ….
#[cfg(feature = "gpu")]
pub fn reopen(device: Device, losses: u32) -> Result<Opened> {
    if matches!(device, Device::Cpu | Device::Reference) {
        return open(device);
    }
    let gpu = of_gpu(device)?.with_smaller_chunks(losses);
    Ok(Opened { why: format!("{}; opened again", gpu.describe()), backend: Box::new(gpu) })
}

/// Without GPUs no device is lost.
#[cfg(not(feature = "gpu"))]
pub fn reopen(device: Device, _losses: u32) -> Result<Opened> {
    open(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_gpu_is_not_said_to_be_missing() {
        let refused = Error::NoDevice { what: "GPU 9 could not be opened: out of memory.".into(), remedy: "Update the driver.".into() };
        assert_eq!(first_line(&refused), "GPU 9 could not be opened: out of memory");
    }
}
