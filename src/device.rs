//! The user's choice of device, and how it becomes a backend.

use std::fmt;
use std::str::FromStr;

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::{cpu, gpu, reference};

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// Single precision on all cores.
    Cpu,
    /// Double precision, plain loops: the definition.
    Reference,
    /// A real GPU: the n-th of [`gpu::adapters`], or the best.
    Gpu(Option<usize>),
    /// Every discrete GPU, or where there are none every integrated one (then virtual, then other): they share out replicates, or samples
    /// where all are the same model with the same driver.
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

/// A backend, and the sentence that says why it is this one.
pub struct Opened {
    pub backend: Box<dyn Backend>,
    pub why: String,
}

/// An open device by its own type: a GPU can be asked for more than the seam offers.
pub enum Chosen {
    Gpu(Box<Gpu>),
    Other(Box<dyn Backend>),
}

impl Chosen {
    /// As the seam sees it.
    pub fn backend(&mut self) -> &mut dyn Backend {
        match self {
            Chosen::Gpu(gpu) => &mut **gpu,
            Chosen::Other(backend) => &mut **backend,
        }
    }

    /// Whether it is a Vulkan adapter that is itself software.
    pub fn is_software(&self) -> bool {
        matches!(self, Chosen::Gpu(gpu) if gpu.adapter().software)
    }

    fn into_backend(self) -> Box<dyn Backend> {
        match self {
            Chosen::Gpu(gpu) => gpu,
            Chosen::Other(backend) => backend,
        }
    }
}

/// Opens the chosen device, and says why it is this one: words that go on from the device's own.
///
/// # Errors
/// [`Error::NoDevice`] with what to do on this platform.
pub fn choose(device: Device) -> Result<(Chosen, String)> {
    let gpu = |gpu: Gpu, why: &str| (Chosen::Gpu(Box::new(gpu)), why.to_string());
    let cpu = |why: String| (Chosen::Other(Box::new(cpu::Cpu::new())), why);
    Ok(match device {
        Device::Reference => (Chosen::Other(Box::new(reference::Reference)), "; asked for".into()),
        Device::Cpu => cpu("; asked for".into()),
        Device::Gpu(index) => gpu(gpu::open(gpu::Choice::Real(index))?, "; asked for"),
        Device::Gpus => gpu(gpu::open_all()?, "; asked for"),
        Device::Software => gpu(gpu::open(gpu::Choice::Software)?, "; asked for"),
        Device::Auto => match gpu::open(gpu::Choice::Real(None)) {
            Ok(best) => gpu(best, "; the best GPU of this machine"),
            Err(error) => cpu(format!(". {}", first_line(&error))),
        },
    })
}

/// Opens the chosen device.
///
/// # Errors
/// As [`choose`].
pub fn open(device: Device) -> Result<Opened> {
    let (chosen, why) = choose(device)?;
    let backend = chosen.into_backend();
    Ok(Opened { why: format!("{}{why}", backend.describe()), backend })
}

/// What an error says first, without its full stop and its way out.
fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().trim_end_matches('.').to_string()
}

/// Opens a device again after it was lost `losses` times: a GPU with half of the memory for each.
///
/// # Errors
/// As [`open`].
pub fn reopen(device: Device, losses: u32) -> Result<Opened> {
    let gpu = match device {
        Device::Auto => gpu::open(gpu::Choice::Real(None)),
        Device::Gpu(index) => gpu::open(gpu::Choice::Real(index)),
        Device::Gpus => gpu::open_all(),
        Device::Software => gpu::open(gpu::Choice::Software),
        Device::Cpu | Device::Reference => return open(device),
    };
    let gpu = gpu?.with_smaller_chunks(losses);
    Ok(Opened { why: format!("{}; opened again", gpu.describe()), backend: Box::new(gpu) })
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
