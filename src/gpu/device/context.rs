//! The device: buffers, submissions of a fraction of a second, waits with a limit.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use super::adapter::{Adapter, describe, found};
use super::canaries::Canaries;
use super::clock::Clock;
use super::command::Dispatch;
use super::limits::{Limits, SCRATCH_BYTES, SOFTWARE_PASSES};
use super::patience::{Patience, SLICE};
use crate::backend::Interrupt;
use crate::error::{Error, Result};

/// Seconds of work in one submission: long against the cost of submitting, short against a driver's watchdog (2 s on Windows).
const SUBMISSION_SECONDS: f64 = 0.075;

/// A dispatch costs about as much as this many operations even if it does nothing.
const DISPATCH_OPERATIONS: f64 = 2e4;

/// The most dispatches in one submission.
const SUBMISSION_DISPATCHES: usize = 8192;

/// An open device.
pub(crate) struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// The adapter of the device.
    pub adapter: Adapter,
    /// The adapter's limits.
    pub limits: Limits,
    failure: Arc<Mutex<Option<String>>>,
    operations_per_second: Mutex<f64>,
    canaries: OnceLock<Canaries>,
}

impl Context {
    /// Opens the adapter at `index` of [`super::adapter::adapters`].
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the driver refuses.
    pub(crate) fn open(index: usize) -> Result<Self> {
        let chosen = found().get(index).ok_or_else(|| Error::NoDevice {
            what: format!("There is no adapter {index}."),
            remedy: format!("There are {}, counted from 0.", found().len()),
        })?;
        let adapter = describe(chosen);
        let optional = wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP;
        let limits = chosen.limits();
        let opened = pollster::block_on(chosen.request_device(&wgpu::DeviceDescriptor {
            label: Some("mixscore"),
            required_features: chosen.features() & optional,
            required_limits: limits.clone(),
            ..Default::default()
        }));
        let (device, queue) = opened.map_err(|error| Error::NoDevice {
            what: format!("{} could not be opened: {error}.", adapter.name),
            remedy: "Update its driver, or use the CPU.".into(),
        })?;
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let (lost, uncaptured) = (failure.clone(), failure.clone());
        device.set_device_lost_callback(move |reason, message| {
            // Dropping a device on purpose is no failure.
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&lost, format!("the device was lost ({reason:?}: {message})"));
            }
        });
        device
            .on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&uncaptured, format!("the driver refused a command ({error})"))));
        let limits = Limits {
            adapter: adapter.name.clone(),
            binding: adapter.largest_binding,
            buffer: limits.max_buffer_size,
            texture: limits.max_texture_dimension_2d as usize,
            scratch: SCRATCH_BYTES,
            passes: if adapter.software { SOFTWARE_PASSES } else { usize::MAX },
        };
        Ok(Self { device, queue, adapter, limits, failure, operations_per_second: Mutex::new(1e9), canaries: OnceLock::new() })
    }

    /// The wgpu device, for creating pipelines.
    pub(in crate::gpu) fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// A buffer of `bytes` (at least 16). A size beyond the limits is refused before anything is allocated.
    pub(crate) fn buffer(&self, label: &'static str, bytes: u64) -> Result<wgpu::Buffer> {
        let canaries = self.canaries.get();
        let size = if canaries.is_some() { Canaries::size(bytes) } else { bytes.max(16).next_multiple_of(16) };
        self.limits.check(label, size)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false });
        if let Some(canaries) = canaries {
            self.write(&buffer, &canaries.watch(label, &buffer, bytes));
        }
        Ok(buffer)
    }

    /// A texture of `columns` × `rows` quads that kernels write and read, and its only view.
    pub(crate) fn texture(&self, label: &'static str, columns: usize, rows: usize) -> (wgpu::Texture, wgpu::TextureView) {
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d { width: columns as u32, height: rows.max(1) as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        (texture, view)
    }

    /// For tests: from now on every storage buffer starts as NaN and ends in a canary value.
    pub(crate) fn canaries(&self) -> &Canaries {
        self.canaries.get_or_init(Canaries::default)
    }

    /// On a device with [`Context::canaries`]: the names of buffers with writes past the end.
    pub(crate) fn overwritten(&self) -> Result<Vec<&'static str>> {
        let mut found = Vec::new();
        for watched in self.canaries().watched() {
            if watched.is_overwritten(&self.download(&watched.buffer, watched.words())?) {
                found.push(watched.label);
            }
        }
        Ok(found)
    }

    /// A buffer that holds `data`.
    pub(crate) fn upload<T: bytemuck::Pod>(&self, label: &'static str, data: &[T]) -> Result<wgpu::Buffer> {
        let buffer = self.buffer(label, size_of_val(data) as u64)?;
        self.write(&buffer, data);
        Ok(buffer)
    }

    /// A uniform buffer that holds `data`.
    pub(crate) fn uniform(&self, data: &[u8]) -> wgpu::Buffer {
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: Some("mixscore params"), size: data.len() as u64, usage, mapped_at_creation: false };
        let buffer = self.device.create_buffer(&descriptor);
        self.queue.write_buffer(&buffer, 0, data);
        buffer
    }

    /// Writes `data` at the start of a buffer.
    pub(crate) fn write<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, data: &[T]) {
        self.queue.write_buffer(buffer, 0, bytemuck::cast_slice(data));
    }

    /// The first `n` numbers of a buffer.
    pub(crate) fn download<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, n: usize) -> Result<Vec<T>> {
        self.download_from(buffer, 0, n)
    }

    /// `n` numbers of a buffer from `first` on, which is a multiple of four.
    pub(crate) fn download_from<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, first: usize, n: usize) -> Result<Vec<T>> {
        let bytes = (n * size_of::<T>()) as u64;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let size = bytes.next_multiple_of(16);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging =
            self.device.create_buffer(&wgpu::BufferDescriptor { label: Some("mixscore staging"), size, usage, mapped_at_creation: false });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, (first * size_of::<T>()) as u64, &staging, 0, size);
        let submission = self.queue.submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        self.wait(submission)?;
        let lost = |error: String| Error::DeviceLost { what: format!("{}: results could not be read ({error})", self.adapter.name) };
        let view = staging.slice(..).get_mapped_range().map_err(|error| lost(error.to_string()))?;
        Ok(bytemuck::pod_collect_to_vec(&view[..bytes as usize]))
    }

    /// Runs the same list of dispatches `steps` times, in as many submissions as needed.
    pub(crate) fn run(&self, list: &[Dispatch], steps: u64) -> Result<()> {
        self.run_unless(&Interrupt::none(), "", &[list], steps)
    }

    /// Runs lists one after another, `steps` times, until `interrupt` is set between two submissions of this `stage`.
    pub(crate) fn run_unless(&self, interrupt: &Interrupt, stage: &str, lists: &[&[Dispatch]], steps: u64) -> Result<()> {
        self.paced(lists, steps, None, || interrupt.check(stage)).map(|_| ())
    }

    /// As [`Context::run`]. Returns the seconds that the device spent by its own clock, if it has one.
    pub(crate) fn timed(&self, list: &[Dispatch], steps: u64) -> Result<Option<f64>> {
        let period = f64::from(self.queue.get_timestamp_period()) * 1e-9;
        let clock = self.adapter.timestamps.then(|| Clock::new(&self.device, period));
        let seconds = self.paced(&[list], steps, clock.as_ref(), || Ok(()))?;
        Ok(clock.map(|_| seconds))
    }

    /// Submits the lists in pieces; `go_on` is checked before every submission.
    fn paced(&self, lists: &[&[Dispatch]], steps: u64, clock: Option<&Clock>, go_on: impl Fn() -> Result<()>) -> Result<f64> {
        let mut seconds = 0.0;
        let mut pending: Vec<&Dispatch> = Vec::new();
        let mut operations = 0.0;
        for dispatch in (0..steps).flat_map(|_| lists.iter().copied().flatten()) {
            let budget = SUBMISSION_SECONDS * *self.rate();
            if !pending.is_empty()
                && (operations + dispatch.operations + DISPATCH_OPERATIONS > budget || pending.len() == SUBMISSION_DISPATCHES)
            {
                go_on()?;
                seconds += self.submit(&pending, operations, clock)?;
                pending.clear();
                operations = 0.0;
            }
            pending.push(dispatch);
            operations += dispatch.operations + DISPATCH_OPERATIONS;
        }
        go_on()?;
        Ok(seconds + self.submit(&pending, operations, clock)?)
    }

    fn rate(&self) -> std::sync::MutexGuard<'_, f64> {
        self.operations_per_second.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes one submission and waits for it; the time it took sets the size of the next. Returns seconds by the clock.
    fn submit(&self, dispatches: &[&Dispatch], operations: f64, clock: Option<&Clock>) -> Result<f64> {
        if dispatches.is_empty() {
            return Ok(0.0);
        }
        let start = Instant::now();
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        // A pass ends before a texture is filled.
        let passes: Vec<_> = dispatches.chunk_by(|_, next| next.fills.is_empty()).collect();
        for (at, dispatches) in passes.iter().enumerate() {
            dispatches[0].fills.iter().for_each(|fill| fill.record(&mut encoder));
            let (first, last) = (at == 0, at + 1 == passes.len());
            let timestamp_writes = clock.filter(|_| first || last).map(|clock| clock.writes(first, last));
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            for dispatch in *dispatches {
                pass.set_pipeline(&dispatch.pipeline);
                pass.set_bind_group(0, &dispatch.bindings, &[dispatch.params_offset]);
                pass.dispatch_workgroups(dispatch.workgroups[0], dispatch.workgroups[1], 1);
            }
        }
        if let Some(clock) = clock {
            clock.resolve(&mut encoder);
        }
        let submission = self.queue.submit([encoder.finish()]);
        self.wait(submission)?;
        let measured = operations / start.elapsed().as_secs_f64();
        let mut rate = self.rate();
        // The rate follows the measurement by at most a factor of four, so that one odd submission does not make the next one long.
        *rate = measured.clamp(*rate / 4.0, *rate * 4.0).max(1e6);
        drop(rate);
        let Some(clock) = clock else { return Ok(0.0) };
        let ticks: Vec<u64> = self.download(&clock.resolved, 2)?;
        Ok(clock.seconds([ticks[0], ticks[1]]))
    }

    /// Waits for a submission, up to the limit of [`Patience`].
    fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let lost = |what: String| Error::DeviceLost { what: format!("{}: {what}", self.adapter.name) };
        let mut patience = Patience::new(self.adapter.software);
        loop {
            let slice = wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(SLICE) };
            let polled = self.device.poll(slice);
            if let Some(what) = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
                return Err(lost(what));
            }
            match polled {
                Ok(_) => return Ok(()),
                Err(wgpu::PollError::Timeout) => patience.another().map_or(Ok(()), |what| Err(lost(what)))?,
                Err(error) => return Err(lost(error.to_string())),
            }
        }
    }

    /// Runs `body`, and turns out-of-memory and validation errors of its commands into ours.
    pub(crate) fn guarded<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let result = body();
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
        match errors.into_iter().flatten().next() {
            None => result,
            Some(error) => result.and(Err(Error::DeviceLost { what: format!("{}: {error}", self.adapter.name) })),
        }
    }
}

/// Keeps the first failure.
fn note(failure: &Mutex<Option<String>>, text: String) {
    failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(text);
}
