//! The GPU backend, by wgpu: Vulkan, Metal or DX12. Only this module uses wgpu.
//!
//! Reading path, in `step`: `plan` (pure: rows, chunks) → `buffers` and `rows` (sizes, allocation, parameters of kernels) → `draws` and
//! `stages` (a chunk from draws to sums, one line per kernel), or `fused_stages` (the same in one kernel) → `recording` (all chunks) →
//! `finish` and `blend` (sums to gradients and steps). Here: `resident` (a batch of replicates on a device) → `measure` and `batch` →
//! `session` (the interface to the rest of the crate; `backend::share` says how devices divide work). `device` is the layer over wgpu,
//! `tune` chooses variants.

mod batch;
pub(crate) mod device;
mod evaluate;
mod halfway;
mod handle;
mod measure;
mod polynomials;
pub(crate) mod probe;
pub(crate) mod profile;
mod resident;
mod session;
pub(crate) mod step;
mod tune;

use std::sync::Arc;

use crate::backend::exchange::{Exchange, Local};
use crate::backend::polynomials::Polynomials;
use crate::backend::share::Split;
use crate::backend::split::{Policy, split};
use crate::backend::{AdapterInfo, Backend, Description, Evaluation, Kind, Points, Session, UnitProblem, whole_points};
use crate::error::{Error, Result};
use crate::mixture::Mixture;
use crate::objective::divergence::Storage;
pub use device::adapter::{Adapter, adapters};
use device::context::Context;
use device::fused::Sharing;
use device::kernels::{Kernels, Variant};
use handle::Handle;
use polynomials::GpuPolynomials;
use session::GpuSession;

/// Which adapters may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A real GPU: the n-th of [`adapters`], or the best.
    Real(Option<usize>),
    /// The first adapter implemented in software.
    Software,
    /// The n-th of [`adapters`], of any kind.
    Any(usize),
}

/// An open GPU, or several that divide the replicates, strata or samples of a problem.
pub struct Gpu {
    handle: Handle,
    /// The other devices. Work without samples, such as `evaluate`, runs on the first.
    others: Vec<Handle>,
    /// How to choose what the devices divide.
    policy: Policy,
    exchange: Arc<dyn Exchange<f32>>,
    /// Devices of the same type that failed to open.
    n_refused: usize,
}

/// The index in `adapters` of the chosen one.
pub fn choose(adapters: &[Adapter], choice: Choice) -> Result<usize> {
    let rank = |kind: &str| ["discrete GPU", "integrated GPU", "virtual GPU", "other"].iter().position(|k| *k == kind).unwrap_or(4);
    let best = || (0..adapters.len()).filter(|i| !adapters[*i].software).min_by_key(|i| rank(&adapters[*i].kind));
    let missing = |what: String, remedy: String| Error::NoDevice { what, remedy };
    match choice {
        Choice::Real(None) => best().ok_or_else(|| missing(format!("No GPU was found.\n{}", adapter_list(adapters)), way_out())),
        Choice::Real(Some(i)) | Choice::Any(i) if i >= adapters.len() => {
            Err(missing(format!("There is no adapter {i}.\n{}", adapter_list(adapters)), "Choose one of those.".into()))
        }
        Choice::Real(Some(i)) if adapters[i].software => Err(missing(
            format!("Adapter {i} is {}, which is software on the CPU.", adapters[i].name),
            "Choose the software device if that is meant (for tests), or the CPU, which is much faster.".into(),
        )),
        Choice::Real(Some(i)) | Choice::Any(i) => Ok(i),
        Choice::Software => adapters.iter().position(|a| a.software).ok_or_else(|| {
            let remedy = "Install one (Debian and Ubuntu: mesa-vulkan-drivers, Fedora: mesa-vulkan-drivers, Windows: WARP is built in), \
                          or use the CPU.";
            missing(format!("No software Vulkan adapter was found.\n{}", adapter_list(adapters)), remedy.into())
        }),
    }
}

fn adapter_list(adapters: &[Adapter]) -> String {
    if adapters.is_empty() {
        return "There is no adapter at all.".into();
    }
    format!("There is only {}.", adapters.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", "))
}

/// What to do if no GPU is found.
fn way_out() -> String {
    let platform = if cfg!(target_os = "linux") {
        "On Linux a Vulkan driver must be installed (Debian and Ubuntu: mesa-vulkan-drivers for AMD and Intel, the nvidia driver packages \
         for NVIDIA), and /dev/dri or the NVIDIA devices must be readable. In a container pass the GPU through: docker run --gpus all with \
         NVIDIA_DRIVER_CAPABILITIES=all for NVIDIA, --device /dev/dri for AMD and Intel."
    } else if cfg!(target_os = "macos") {
        "On macOS every Mac since 2012 has Metal; a virtual machine may not pass it through."
    } else if cfg!(target_os = "windows") {
        "On Windows install the vendor's display driver; a remote session or virtual machine may hide the GPU."
    } else {
        "Install a Vulkan driver."
    };
    format!("{platform}\nWithout a GPU use the CPU, or the software device to try the GPU code on a software adapter.")
}

/// Opens the chosen adapter.
pub fn open(choice: Choice) -> Result<Gpu> {
    open_together(&[choose(&adapters(), choice)?])
}

/// Opens every real GPU of the best type (discrete, else integrated, else virtual, else other); those that fail to open are left out.
///
/// # Errors
/// [`Error::NoDevice`] if none opens, with what to do on this platform.
pub fn open_all() -> Result<Gpu> {
    let adapters = adapters();
    let best = choose(&adapters, Choice::Real(None))?;
    let others = (0..adapters.len()).filter(|i| *i != best && !adapters[*i].software && adapters[*i].kind == adapters[best].kind);
    let (open, refused): (Vec<_>, Vec<_>) = [best].into_iter().chain(others).map(handle).partition(Result::is_ok);
    let n_refused = refused.len();
    if let (true, Some(error)) = (open.is_empty(), refused.into_iter().find_map(Result::err)) {
        return Err(error);
    }
    Ok(Gpu { n_refused, ..together(open.into_iter().flatten().collect())? })
}

/// Opens these of [`adapters`], a device each (the same adapter may be opened more than once), which divide the work.
///
/// Devices of one model (the same name, API and driver) may divide a replicate. Others divide replicates only, because their bits differ:
/// each replicate has the bits of its device.
///
/// # Errors
/// [`Error::NoDevice`] if there are none, or a driver refuses.
pub fn open_together(indices: &[usize]) -> Result<Gpu> {
    together(indices.iter().map(|index| handle(*index)).collect::<Result<Vec<_>>>()?)
}

/// One [`Gpu`] from open devices.
fn together(mut handles: Vec<Handle>) -> Result<Gpu> {
    if handles.is_empty() {
        return Err(Error::NoDevice { what: "No GPU was named.".into(), remedy: "Name at least one.".into() });
    }
    Ok(Gpu { handle: handles.remove(0), others: handles, n_refused: 0, policy: Policy::Faster, exchange: Arc::new(Local) })
}

fn handle(index: usize) -> Result<Handle> {
    let mut context = Arc::new(Context::open(index)?);
    let tuning = tune::tuned(&mut context);
    let kernels = Arc::new(Kernels::new(tuning.variant()));
    Ok(Handle { context, kernels, row_budget: None, sharing: Some(tuning.sharing) })
}

impl Gpu {
    /// Applies `change` to each device.
    fn each(mut self, change: impl Fn(&mut Handle)) -> Self {
        [&mut self.handle].into_iter().chain(&mut self.others).for_each(change);
        self
    }

    /// The same device with at most `rows` rows in a chunk. Results do not depend on it, as tests show.
    pub fn with_row_budget(self, rows: usize) -> Self {
        self.each(|handle| handle.row_budget = Some(rows))
    }

    /// The same device with its scratch memory halved for each loss.
    pub fn with_smaller_chunks(self, losses: u32) -> Self {
        self.each(|handle| {
            if let Some(context) = Arc::get_mut(&mut handle.context) {
                context.limits.scratch >>= losses;
            }
        })
    }

    /// The same device with this sharing in the fused kernel, or without that kernel: for tests and tuning.
    pub fn with_sharing(self, sharing: Option<Sharing>) -> Self {
        let spread = sharing == Some(Sharing::Spread);
        self.each(|handle| {
            handle.kernels = Arc::new(Kernels::new(Variant { checked: handle.kernels.variant.checked, ..Variant::usual(spread) }));
            handle.sharing = sharing;
        })
    }

    /// The same devices with this policy for dividing work: for tests and benchmarks. Devices of different models always divide replicates.
    pub fn splitting(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same devices with another exchange of their results: for devices in several processes, and for tests.
    pub fn exchanging(self, exchange: Arc<dyn Exchange<f32>>) -> Self {
        Self { exchange, ..self }
    }

    /// What the devices divide for this problem.
    pub fn split(&self, problem: &UnitProblem) -> Split {
        let model = |handle: &Handle| {
            let Adapter { name, api, driver, .. } = handle.context.adapter.clone();
            (name, api, driver)
        };
        let alike = self.others.iter().all(|other| model(other) == model(&self.handle));
        split(if alike { self.policy } else { Policy::Replicates }, problem, 1 + self.others.len())
    }

    /// The same device with kernels that check their indices: slower, for tests.
    pub fn checked(self) -> Self {
        self.each(|handle| handle.kernels = Arc::new(Kernels::new(Variant { checked: true, ..handle.kernels.variant })))
    }

    /// The same device with products in tiles of at most 32 or 64 columns: for tests and tuning.
    pub fn with_tiles(self, widest: usize) -> Self {
        self.each(|handle| handle.kernels = Arc::new(Kernels::new(Variant { widest, ..handle.kernels.variant })))
    }

    /// The same device with buffers that start as NaN and end in canaries: for tests.
    pub fn poisoned(self) -> Self {
        self.each(|handle| {
            handle.context.canaries();
        })
    }

    /// Buffers of a [`Gpu::poisoned`] device with writes past the end.
    pub fn overwritten(&self) -> Result<Vec<&'static str>> {
        let handles = [&self.handle].into_iter().chain(&self.others);
        let found = handles.map(|handle| handle.context.overwritten()).collect::<Result<Vec<_>>>()?;
        Ok(found.concat())
    }

    /// The adapter of the first device.
    pub fn adapter(&self) -> &Adapter {
        &self.handle.context.adapter
    }
}

impl Backend for Gpu {
    fn describe(&self) -> Description {
        let Adapter { name, kind, api, driver, software, .. } = self.adapter().clone();
        let adapter = AdapterInfo { name, kind, api, driver, n_others: self.others.len(), n_refused: self.n_refused };
        Description { kind: if software { Kind::Software } else { Kind::Gpu }, n_threads: 1, adapter: Some(adapter) }
    }

    fn polynomials(&self) -> Box<dyn Polynomials> {
        Box::new(GpuPolynomials { handle: self.handle.clone() })
    }

    fn evaluate(&mut self, mixture: &Mixture, points: Points, responsibilities: bool) -> Result<Evaluation> {
        whole_points(mixture, points)?;
        let common = mixture.common().ok_or_else(|| Error::NoDevice {
            what: format!("GPUs evaluate mixtures of one common variance, and this one has {} covariances.", mixture.covariance_kind()),
            remedy: "Use the CPU (device cpu), which takes all kinds.".into(),
        })?;
        evaluate::evaluate(&self.handle, &common, points, responsibilities)
    }

    fn open(&mut self, problem: &UnitProblem) -> Result<Box<dyn Session>> {
        if problem.storage == Storage::F16 && !self.adapter().half_precision {
            return Err(Error::NoDevice {
                what: format!("{} has no half precision in shaders.", self.adapter().name),
                remedy: "Use storage = \"f32\", or an adapter that has f16.".into(),
            });
        }
        let handles: Vec<&Handle> = [&self.handle].into_iter().chain(&self.others).collect();
        Ok(Box::new(GpuSession::new(&handles, problem, self.split(problem), self.exchange.clone())?))
    }
}
