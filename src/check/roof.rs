//! The speed limits of a device, measured: independent multiply-adds, and a large copy.

use std::time::Instant;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat};

use crate::device::Chosen;
use crate::error::Result;
#[cfg(feature = "gpu")]
use crate::gpu::Gpu;

/// The two rates that bound a step.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Roof {
    /// Fused multiply-adds counted as two operations, in 10⁹ per second.
    pub gflops: f64,
    /// Bytes read and written by a large copy, in 10⁹ per second.
    pub gigabytes_per_second: f64,
}

impl Roof {
    /// The limits of the device, each the best of five after a warm-up.
    pub(crate) fn of(device: &mut Chosen) -> Result<Self> {
        match device {
            #[cfg(feature = "gpu")]
            Chosen::Gpu(gpu) => Self::of_gpu(gpu),
            Chosen::Other(_) => Self::of_host(),
        }
    }

    /// The higher of two measurements, for each limit.
    pub(crate) fn or_higher(self, other: Self) -> Self {
        Self { gflops: self.gflops.max(other.gflops), gigabytes_per_second: self.gigabytes_per_second.max(other.gigabytes_per_second) }
    }

    #[cfg(feature = "gpu")]
    fn of_gpu(gpu: &Gpu) -> Result<Self> {
        let (arithmetic, copy) = (gpu.arithmetic_work()?, gpu.copy_work()?);
        let seconds = |work| best_of_five(&mut || gpu.perform(work));
        Ok(Self { gflops: arithmetic.amount / seconds(&arithmetic)? / 1e9, gigabytes_per_second: copy.amount / seconds(&copy)? / 1e9 })
    }

    /// The limits of the host: a large product in single precision by the CPU backend's library, and a copy on one core.
    fn of_host() -> Result<Self> {
        let n = 1024;
        let a = Mat::<f32>::from_fn(n, n, |i, j| ((i + 3 * j) % 7) as f32);
        let mut c = Mat::<f32>::zeros(n, n);
        let threads = faer::Par::rayon(0);
        let product = best_of_five(&mut || {
            matmul(c.as_mut(), Accum::Replace, a.as_ref(), a.as_ref(), 1.0, threads);
            Ok(())
        })?;
        let source = vec![1.0f32; 16 << 20];
        let mut destination = vec![0.0f32; source.len()];
        let copy = best_of_five(&mut || {
            destination.copy_from_slice(std::hint::black_box(&source));
            Ok(())
        })?;
        std::hint::black_box((&c, &destination));
        Ok(Self { gflops: 2.0 * (n as f64).powi(3) / product / 1e9, gigabytes_per_second: 8.0 * source.len() as f64 / copy / 1e9 })
    }
}

/// The shortest time of five, in seconds.
fn best_of_five(work: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        work()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
