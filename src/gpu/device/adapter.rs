//! The adapters of this machine, described for people.

use std::sync::OnceLock;

/// The description of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Adapter {
    pub name: String,
    /// Vulkan, Metal or Dx12.
    pub api: String,
    /// discrete GPU, integrated GPU, virtual GPU, CPU or other.
    pub kind: String,
    pub driver: String,
    /// Whether it is implemented in software: such an adapter is used only on request.
    pub software: bool,
    pub half_precision: bool,
    pub timestamps: bool,
    /// The fewest and the most invocations in a subgroup; zeros if shaders have no subgroups.
    pub subgroup_sizes: [u32; 2],
    /// The largest storage binding in bytes.
    pub largest_binding: u64,
    pub workgroup_memory: u32,
}

pub(in crate::gpu) fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "CPU",
        wgpu::DeviceType::Other => "other",
    };
    let subgroups = features.contains(wgpu::Features::SUBGROUP);
    Adapter {
        subgroup_sizes: if subgroups { [info.subgroup_min_size, info.subgroup_max_size] } else { [0, 0] },
        name: info.name,
        api: format!("{:?}", info.backend),
        kind: kind.into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
        software: info.device_type == wgpu::DeviceType::Cpu,
        half_precision: features.contains(wgpu::Features::SHADER_F16),
        // The first timestamp of Mesa's software device is late: it was seen to miss a quarter of the wall-clock time.
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY) && info.device_type != wgpu::DeviceType::Cpu,
        largest_binding: limits.max_storage_buffer_binding_size,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
    }
}

/// The adapters of this machine, enumerated once, because some drivers print to stderr each time.
pub(in crate::gpu) fn found() -> &'static [wgpu::Adapter] {
    static FOUND: OnceLock<Vec<wgpu::Adapter>> = OnceLock::new();
    FOUND.get_or_init(enumerated)
}

fn enumerated() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    descriptor.flags = wgpu::InstanceFlags::empty();
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let mut seen = Vec::new();
    adapters.retain(|adapter| {
        let info = adapter.get_info();
        let is_new = !seen.iter().any(|other| is_twice(other, &info));
        seen.push(info);
        is_new
    });
    adapters.sort_by_key(|adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu); // stable
    adapters
}

/// Whether both are one device under two driver descriptions. Two devices of one model differ in their bus address, which only software
/// lacks.
fn is_twice(a: &wgpu::AdapterInfo, b: &wgpu::AdapterInfo) -> bool {
    let model = |info: &wgpu::AdapterInfo| (info.name.clone(), info.vendor, info.device, info.backend, info.driver_info.clone());
    let has_place = !a.device_pci_bus_id.is_empty() || a.device_type == wgpu::DeviceType::Cpu;
    has_place && model(a) == model(b) && (&a.driver, &a.device_pci_bus_id) == (&b.driver, &b.device_pci_bus_id)
}

/// Every adapter of this machine, in the order of `gpu:N`: software last, so that GPUs count from 0.
pub fn adapters() -> Vec<Adapter> {
    found().iter().map(describe).collect()
}
