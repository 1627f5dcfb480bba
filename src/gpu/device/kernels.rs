//! Pipelines: a kernel is compiled when it is first used, bound to its buffers once, and dispatched from a plain list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::context::Context;
use super::factor::Fill;
use super::params::Params;
use super::shaders::{self, Shader};
use crate::error::Result;
use crate::gpu::step::plan::fold;

/// A compiled kernel.
pub struct Kernel {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// One command of a list.
#[derive(Clone)]
pub struct Dispatch {
    pub(in crate::gpu) kernel: &'static str,
    pub(in crate::gpu) pipeline: wgpu::ComputePipeline,
    pub(in crate::gpu) bindings: wgpu::BindGroup,
    pub(in crate::gpu) params_offset: u32,
    pub(in crate::gpu) workgroups: [u32; 2],
    /// For pacing and for the ledger: about how many operations it does.
    pub(in crate::gpu) operations: f64,
    /// Textures that are filled before it runs.
    pub(in crate::gpu) fills: Vec<Fill>,
}

impl Dispatch {
    /// The same after these textures are filled.
    pub fn after(mut self, fills: impl IntoIterator<Item = Option<Fill>>) -> Self {
        self.fills.extend(fills.into_iter().flatten());
        self
    }
}

/// A kernel with its buffers.
#[derive(Clone)]
pub struct Bound {
    kernel: &'static str,
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
}

impl Bound {
    /// A dispatch of `n` workgroups with the params entry at `params_offset`, about `operations` operations.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] for more workgroups than two dimensions hold.
    pub fn dispatch(&self, params_offset: u32, n: usize, operations: f64) -> Result<Dispatch> {
        Ok(Dispatch {
            kernel: self.kernel,
            pipeline: self.pipeline.clone(),
            bindings: self.bindings.clone(),
            params_offset,
            workgroups: fold(n as u64)?,
            operations,
            fills: Vec::new(),
        })
    }
}

/// Which texts of the kernels are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Indices are checked and loops bounded by the shader compiler: slower, for tests. No bit depends on it.
    pub checked: bool,
    /// Kernels suit a machine that runs eight invocations as one and reads lane by lane: a subgroup shares what it reads for a product, and
    /// each row has one invocation. No bit of a product depends on it; sums over a row have an order of their own.
    pub spread: bool,
    /// Columns of a product's tile where there are many, 32 or 64: see [`Variant::usual`].
    pub widest: usize,
}

impl Variant {
    /// Tiles are wide but where their code is more than fits the processor's cache for it.
    pub fn usual(spread: bool) -> Self {
        Self { checked: false, spread, widest: if spread { 32 } else { 64 } }
    }
}

/// All kernels of a device, compiled when first used.
pub struct Kernels {
    compiled: Mutex<HashMap<&'static str, Arc<Kernel>>>,
    pub variant: Variant,
}

impl Kernels {
    /// None is compiled yet.
    pub fn new(variant: Variant) -> Self {
        Self { compiled: Mutex::default(), variant }
    }

    /// Invocations that share a row of `quads`, where it is summed up.
    pub fn lanes(&self, quads: usize) -> usize {
        if self.variant.spread || quads <= 8 { 1 } else { 16 }
    }

    /// Columns of the tiles of a product with so many quads of columns: narrow ones for few. The order of sums is the same.
    pub fn tile(&self, quads: usize) -> usize {
        if quads <= 8 { 32 } else { self.variant.widest }
    }

    /// The kernel `name` with `params` at binding 0 and `buffers` from binding 1 on.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] where the driver refuses the kernel.
    pub fn bind(&self, context: &Context, name: &str, params: &wgpu::Buffer, buffers: &[&wgpu::Buffer]) -> Result<Bound> {
        let resources: Vec<_> = buffers.iter().map(|buffer| buffer.as_entire_binding()).collect();
        self.bind_resources(context, name, params, &resources)
    }

    /// As [`Kernels::bind`], with textures among the resources.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] where the driver refuses the kernel.
    pub fn bind_resources(
        &self,
        context: &Context,
        name: &str,
        params: &wgpu::Buffer,
        resources: &[wgpu::BindingResource],
    ) -> Result<Bound> {
        let kernel = self.get(context, name)?;
        let uniform = wgpu::BufferBinding { buffer: params, offset: 0, size: wgpu::BufferSize::new(size_of::<Params>() as u64) };
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
        entries.extend(resources.iter().zip(1..).map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource: resource.clone() }));
        let descriptor = wgpu::BindGroupDescriptor { label: Some(name), layout: &kernel.layout, entries: &entries };
        Ok(Bound { kernel: kernel.name, pipeline: kernel.pipeline.clone(), bindings: context.device().create_bind_group(&descriptor) })
    }

    fn get(&self, context: &Context, name: &str) -> Result<Arc<Kernel>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let shader = if self.variant.spread { shaders::find_spread(name) } else { shaders::find(name) };
        if let Some(kernel) = compiled.get(shader.name) {
            return Ok(kernel.clone());
        }
        let kernel = Arc::new(context.guarded(|| Ok(compile(context.device(), shader, self.variant.checked)))?);
        compiled.insert(shader.name, kernel.clone());
        Ok(kernel)
    }
}

fn compile(device: &wgpu::Device, shader: &Shader, checked: bool) -> Kernel {
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(shader.name), source: wgpu::ShaderSource::Wgsl(shader.source.into()) };
    let module = if checked {
        device.create_shader_module(descriptor)
    } else {
        // Safety: the source is a constant of this crate. Every index is built from `Params`, which one planner writes together with
        // the sizes of the buffers: invocations return where their index is beyond the counts in `Params`, or, in the fused kernel, take
        // the last cell in its place and store nothing; tables that are indexed by data (`origins`, the candidates of `axes`, the walls
        // of a stratum) hold component numbers that the kernels wrote or are cut to their count, valid also when means are NaN.
        // Textures have a texel wherever a kernel reads: those that no kernel wrote are zero, and nothing comes of them. Every loop
        // runs over a range taken from `Params`. Tests run each pipeline in the checked mode and compare the bits.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    let uniform = wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, has_dynamic_offset: true, min_binding_size: None };
    let entry = |(binding, ty)| wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None };
    let entries: Vec<_> = (0..).zip([uniform].into_iter().chain(shader.bindings.chars().map(binding))).map(entry).collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(shader.name), entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(shader.name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(shader.name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        // Every kernel writes its workgroup memory before it reads it; zeroing it first costs more than some kernels themselves.
        compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
        cache: None,
    });
    Kernel { name: shader.name, pipeline, layout }
}

/// What a letter of [`Shader::bindings`] stands for.
fn binding(kind: char) -> wgpu::BindingType {
    let storage = |read_only| wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only },
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let texture = |access| wgpu::BindingType::StorageTexture {
        access,
        format: wgpu::TextureFormat::Rgba32Float,
        view_dimension: wgpu::TextureViewDimension::D2,
    };
    match kind {
        't' => texture(wgpu::StorageTextureAccess::ReadOnly),
        's' => texture(wgpu::StorageTextureAccess::WriteOnly),
        _ => storage(kind == 'r'),
    }
}
