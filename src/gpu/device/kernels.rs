//! Pipelines: a kernel is compiled when it is first used, and bound to its buffers by their names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::bindings::{Access, Binding, declared, matched};
use super::command::Bound;
use super::context::Context;
use super::params::STRIDE;
use super::shaders::{Kernel, Tile};
use crate::error::Result;

/// A compiled kernel.
struct Compiled {
    name: String,
    bindings: Vec<Binding>,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// Which texts of the kernels are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
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
    pub(crate) fn usual(spread: bool) -> Self {
        Self { checked: false, spread, widest: if spread { 32 } else { 64 } }
    }
}

/// All kernels of a device, compiled when first used.
pub(crate) struct Kernels {
    compiled: Mutex<HashMap<Kernel, Arc<Compiled>>>,
    pub variant: Variant,
}

impl Kernels {
    /// None is compiled yet.
    pub(crate) fn new(variant: Variant) -> Self {
        Self { compiled: Mutex::default(), variant }
    }

    /// Invocations that share a row of `quads`, where it is summed up.
    pub(crate) fn lanes(&self, quads: usize) -> usize {
        if self.variant.spread || quads <= 8 { 1 } else { 16 }
    }

    /// The tiles of a product with so many quads of columns: narrow ones for few. The order of sums is the same.
    pub(crate) fn tile(&self, quads: usize) -> Tile {
        Tile { columns: if quads <= 8 { 32 } else { self.variant.widest }, spread: self.variant.spread }
    }

    /// The kernel with `params` at binding 0 and a buffer for each of its other bindings.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] where the driver refuses the kernel.
    pub(crate) fn bind(
        &self,
        context: &Context,
        kernel: Kernel,
        params: &wgpu::Buffer,
        buffers: &[(&str, &wgpu::Buffer)],
    ) -> Result<Bound> {
        let resources: Vec<_> = buffers.iter().map(|(name, buffer)| (*name, buffer.as_entire_binding())).collect();
        self.bind_resources(context, kernel, params, &resources)
    }

    /// As [`Kernels::bind`], with textures among the resources.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] where the driver refuses the kernel.
    pub(crate) fn bind_resources(
        &self,
        context: &Context,
        kernel: Kernel,
        params: &wgpu::Buffer,
        resources: &[(&str, wgpu::BindingResource)],
    ) -> Result<Bound> {
        let compiled = self.get(context, kernel)?;
        let uniform = wgpu::BufferBinding { buffer: params, offset: 0, size: wgpu::BufferSize::new(STRIDE as u64) };
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
        let matched = matched(&compiled.name, &compiled.bindings, resources);
        entries.extend(matched.into_iter().map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }));
        let descriptor = wgpu::BindGroupDescriptor { label: Some(&compiled.name), layout: &compiled.layout, entries: &entries };
        let bindings = context.device().create_bind_group(&descriptor);
        Ok(Bound { kernel, pipeline: compiled.pipeline.clone(), bindings })
    }

    fn get(&self, context: &Context, kernel: Kernel) -> Result<Arc<Compiled>> {
        let mut compiled = self.compiled.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(known) = compiled.get(&kernel) {
            return Ok(known.clone());
        }
        assert!(Kernel::all().contains(&kernel), "{kernel:?} is not among those that tests cover");
        let new = Arc::new(context.guarded(|| Ok(compile(context.device(), kernel, self.variant.checked)))?);
        compiled.insert(kernel, new.clone());
        Ok(new)
    }
}

fn compile(device: &wgpu::Device, kernel: Kernel, checked: bool) -> Compiled {
    let (name, source) = (kernel.name(), kernel.source());
    let bindings = declared(&source);
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(&name), source: wgpu::ShaderSource::Wgsl(source.into()) };
    let module = if checked {
        device.create_shader_module(descriptor)
    } else {
        // Safety: the source is a constant of this crate. Every index is built from the params, which one planner writes together with
        // the sizes of the buffers: invocations return where their index is beyond the counts in them, or, in the fused kernel, take
        // the last cell in its place and store nothing; tables that are indexed by data (`origins`, the candidates of `axes`, the walls
        // of a stratum) hold component numbers that the kernels wrote or are cut to their count, valid also when means are NaN.
        // Textures have a texel wherever a kernel reads: those that no kernel wrote are zero, and nothing comes of them. Every loop
        // runs over a range taken from the params. Tests run each pipeline in the checked mode and compare the bits.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    let entry = |binding: &Binding| wgpu::BindGroupLayoutEntry {
        binding: binding.at,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: binding_type(binding.access),
        count: None,
    };
    let entries: Vec<_> = bindings.iter().map(entry).collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&name), entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        // Every kernel writes its workgroup memory before it reads it; zeroing it first costs more than some kernels themselves.
        compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
        cache: None,
    });
    Compiled { name, bindings, pipeline, layout }
}

fn binding_type(access: Access) -> wgpu::BindingType {
    let buffer = |ty, has_dynamic_offset| wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None };
    let storage = |read_only| buffer(wgpu::BufferBindingType::Storage { read_only }, false);
    let texture = |access| wgpu::BindingType::StorageTexture {
        access,
        format: wgpu::TextureFormat::Rgba32Float,
        view_dimension: wgpu::TextureViewDimension::D2,
    };
    match access {
        Access::Uniform => buffer(wgpu::BufferBindingType::Uniform, true),
        Access::Read => storage(true),
        Access::Write => storage(false),
        Access::TextureRead => texture(wgpu::StorageTextureAccess::ReadOnly),
        Access::TextureWrite => texture(wgpu::StorageTextureAccess::WriteOnly),
    }
}
