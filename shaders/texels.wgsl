// The means of a side, one texel a quad, for machines that read textures faster than buffers.
@group(0) @binding(1) var<storage, read> means: array<vec4f>;                // (R, k, feature quads)
@group(0) @binding(2) var texels: texture_storage_2d<rgba32float, write>;    // the same, 4096 texels a row

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    if (index < params.n_replicates * params.n_components * params.feature_quads) {
        textureStore(texels, vec2u(index % 4096u, index / 4096u), means[index]);
    }
}
