//! Every composed module parses, validates and goes through the writers for Vulkan, Metal and DX12; struct layouts are proved.

use mixscore::gpu::device::params;
use mixscore::gpu::device::shaders::{self, Shader};
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
    for shader in shaders::all() {
        if let Err(error) = through_all_writers(shader.source) {
            panic!("{}: {error}", shader.name);
        }
    }
}

#[test]
fn a_broken_module_is_caught() {
    let source = shaders::all()[0].source;
    let faults = [
        source.replacen("fn main(", "fn main((", 1),
        source.replacen("vec4f()", "vec3f()", 1),
        format!("{source}\nfn f() -> u32 {{ return 1.0f; }}"),
    ];
    for broken in faults {
        assert!(broken != source && through_all_writers(&broken).is_err());
    }
}

#[test]
fn the_host_and_every_module_agree_about_params() {
    for Shader { name, source, .. } in shaders::all() {
        let (module, _) = through_all_writers(source).unwrap();
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).unwrap_or_else(|| panic!("{name}: no Params"));
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name}: Params is no struct") };
        let theirs: Vec<(&str, usize)> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
        assert_eq!(theirs, params::offsets(), "{name}");
        assert_eq!(*span as usize, size_of::<params::Params>(), "{name}");
    }
}

#[test]
fn bindings_are_as_the_table_says_and_within_portable_limits() {
    for shader in shaders::all() {
        let (module, _) = through_all_writers(shader.source).unwrap();
        let mut bindings: Vec<(u32, char)> = Vec::new();
        let mut workgroup_bytes = 0;
        for (_, variable) in module.global_variables.iter() {
            match variable.space {
                naga::AddressSpace::Storage { access } => {
                    let written = access.contains(naga::StorageAccess::STORE);
                    bindings.push((variable.binding.unwrap().binding, if written { 'w' } else { 'r' }));
                }
                naga::AddressSpace::Handle => {
                    let naga::TypeInner::Image { class: naga::ImageClass::Storage { access, .. }, .. } = module.types[variable.ty].inner
                    else {
                        panic!("{}: a resource of another kind", shader.name)
                    };
                    let stored = access.contains(naga::StorageAccess::STORE);
                    bindings.push((variable.binding.unwrap().binding, if stored { 's' } else { 't' }));
                }
                naga::AddressSpace::Uniform => assert_eq!(variable.binding.unwrap().binding, 0, "{}", shader.name),
                naga::AddressSpace::WorkGroup => workgroup_bytes += module.types[variable.ty].inner.size(module.to_ctx()),
                _ => {}
            }
        }
        bindings.sort_unstable();
        let theirs: String = bindings.iter().map(|b| b.1).collect();
        assert_eq!(theirs, shader.bindings, "{}", shader.name);
        assert!(bindings.iter().enumerate().all(|(i, b)| b.0 as usize == i + 1), "{}: {bindings:?}", shader.name);
        assert!(bindings.len() <= 8, "{}: WebGPU promises 8 storage buffers", shader.name);
        assert!(workgroup_bytes <= 16384, "{}: {workgroup_bytes} bytes of workgroup memory", shader.name);
        let size = module.entry_points[0].workgroup_size;
        assert!(module.entry_points.len() == 1 && size[0] * size[1] * size[2] <= 256, "{}", shader.name);
    }
}
