//! Pipelines: a kernel is compiled on first use, and bound to its buffers by their names.

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

/// The variant of the kernels that a device uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The shader compiler checks indices and bounds loops: slower, for tests. It changes no bit.
    pub checked: bool,
    /// Kernels for a machine that runs eight invocations as one and reads lane by lane: a subgroup shares what it reads for a product, and
    /// each row has one invocation. It changes no bit of a product; sums over a row have another order.
    pub spread: bool,
    /// The most columns of a product's tile, 32 or 64: see [`Variant::usual`].
    pub widest: usize,
}

impl Variant {
    /// The tiles are wide, unless their code would not fit the processor's instruction cache.
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
    /// No kernel is compiled yet.
    pub(crate) fn new(variant: Variant) -> Self {
        Self { compiled: Mutex::default(), variant }
    }

    /// Invocations that share the sums over a row of `quads`.
    pub(crate) fn lanes(&self, quads: usize) -> usize {
        if self.variant.spread || quads <= 8 { 1 } else { 16 }
    }

    /// The tile of a product with `quads` of columns: narrow for few. The order of sums is the same.
    pub(crate) fn tile(&self, quads: usize) -> Tile {
        Tile { columns: if quads <= 8 { 32 } else { self.variant.widest }, spread: self.variant.spread }
    }

    /// The kernel with `params` at binding 0 and a buffer for each of its other bindings.
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
        // Safety: the source is a constant of this crate. Every index is computed from the params, which one planner writes together with
        // the sizes of the buffers. Invocations return if their index is beyond the counts in the params, or, in the fused kernel, repeat
        // the last cell and store nothing. Tables that are indexed by data (`origins`, the candidates of `axes`, the walls of a stratum)
        // hold component numbers that the kernels wrote or are cut to their count, and are valid even if means are NaN. Textures have a
        // texel wherever a kernel reads; texels that no kernel wrote are zero and unused. Every loop runs over a range taken from the
        // params. Tests run each pipeline in the checked mode and compare the bits.
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
        // Every kernel writes its workgroup memory before it reads it, and clearing it first costs more than some kernels themselves.
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
