//! Every composed module parses, validates and goes through the writers for Vulkan, Metal and DX12; struct layouts
//! and bindings are proved.

use mixscore::internals::gpu::Kernel;
use mixscore::internals::gpu::{Access, Binding, bindings};
use naga::back::{hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// All the way through, as each driver would get it.
fn through_all_writers(source: &str) -> Result<(naga::Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP)
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    spv::write_vec(&module, &info, &options, None).map_err(|e| format!("SPIR-V: {e}"))?;
    let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
    msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).map_err(|e| format!("MSL: {e}"))?;
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, fake_missing_bindings: true, ..Default::default() };
    let pipeline = hlsl::PipelineOptions::default();
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).map_err(|e| format!("HLSL: {e}"))?;
    Ok((module, info))
}

#[test]
fn every_module_goes_through_every_writer() {
    for kernel in Kernel::all() {
        if let Err(error) = through_all_writers(&kernel.source()) {
            panic!("{}: {error}", kernel.name());
        }
    }
}

#[test]
fn a_broken_module_is_caught() {
    let source = Kernel::all()[0].source();
    let faults = [
        source.replacen("fn main(", "fn main((", 1),
        source.replacen("vec4u(", "vec3u(", 1),
        format!("{source}\nfn f() -> u32 {{ return 1.0f; }}"),
    ];
    for broken in faults {
        assert!(broken != source && through_all_writers(&broken).is_err());
    }
}

#[test]
fn the_host_and_every_module_agree_about_params() {
    for kernel in Kernel::all() {
        let name = kernel.name();
        let (module, _) = through_all_writers(&kernel.source()).unwrap();
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).unwrap_or_else(|| panic!("{name}: no Params"));
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name}: Params is no struct") };
        let theirs: Vec<(&str, usize)> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
        let layout = kernel.params().layout();
        assert_eq!(theirs, layout.fields, "{name}");
        assert_eq!(*span as usize, layout.size, "{name}");
    }
}

/// What a module binds, by naga.
fn bound(module: &naga::Module) -> Vec<Binding> {
    let access = |variable: &naga::GlobalVariable| match (variable.space, &module.types[variable.ty].inner) {
        (naga::AddressSpace::Uniform, _) => Access::Uniform,
        (naga::AddressSpace::Storage { access }, _) if access.contains(naga::StorageAccess::STORE) => Access::Write,
        (naga::AddressSpace::Storage { .. }, _) => Access::Read,
        (naga::AddressSpace::Handle, naga::TypeInner::Image { class: naga::ImageClass::Storage { access, .. }, .. }) => {
            if access.contains(naga::StorageAccess::STORE) { Access::TextureWrite } else { Access::TextureRead }
        }
        other => panic!("a resource of another kind: {other:?}"),
    };
    let variables = module.global_variables.iter().map(|(_, variable)| variable);
    let of = |variable: &naga::GlobalVariable| {
        let at = variable.binding?.binding;
        Some(Binding { at, name: variable.name.clone().unwrap(), access: access(variable) })
    };
    let mut bindings: Vec<_> = variables.filter_map(of).collect();
    bindings.sort();
    bindings
}

#[test]
fn bindings_are_as_declared_and_within_portable_limits() {
    for kernel in Kernel::all() {
        let (name, source) = (kernel.name(), kernel.source());
        let (module, _) = through_all_writers(&source).unwrap();
        let bindings = bound(&module);
        assert_eq!(bindings, bindings::declared(&source), "{name}");
        assert!(bindings.iter().enumerate().all(|(i, b)| b.at as usize == i), "{name}: {bindings:?}");
        assert!(bindings[0].access == Access::Uniform && bindings[0].name == "params", "{name}");
        assert!(bindings.len() <= 9, "{name}: WebGPU promises 8 storage buffers");
        let workgroup = module.global_variables.iter().filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup);
        let workgroup_bytes: u32 = workgroup.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum();
        assert!(workgroup_bytes <= 16384, "{name}: {workgroup_bytes} bytes of workgroup memory");
        let size = module.entry_points[0].workgroup_size;
        assert!(module.entry_points.len() == 1 && size[0] * size[1] * size[2] <= 256, "{name}");
    }
}
