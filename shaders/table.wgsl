// The table that the fused kernel reads: for every pair of the chunk and every quad of components, ε_l = μ_l − o on each coordinate
// for the four of them, then their offsets (in the first of four columns, which keep rows aligned). The number of quads is made even by
// padding with components of no mass. One invocation: one quad of coordinates of one quad of components. common/table_buffer.wgsl or
// common/table_texture.wgsl defines put(row, column, value).
@group(0) @binding(1) var<storage, read> means: array<vec4f>;        // (R, k, feature quads)
@group(0) @binding(2) var<storage, read> origins: array<u32>;        // (pairs)
@group(0) @binding(3) var<storage, read> offsets: array<vec4f>;      // (pairs, component quads)

fn epsilon(l: u32, first: u32, quad: u32, origin: vec4f) -> vec4f {
    if (l >= params.n_components) {
        return vec4f();
    }
    return means[(first + l) * params.feature_quads + quad] - origin;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.feature_quads;
    let quad = index % quads;
    let component_quads = (params.component_quads + 1u) / 2u * 2u;
    let component_quad = index / quads % component_quads;
    let local = index / quads / component_quads;
    if (local >= params.n_pairs) {
        return;
    }
    let pair = params.first_pair + local;
    let first = pair / params.n_strata * params.n_components;
    let origin = means[origins[pair] * quads + quad];
    let l = 4u * component_quad;
    let e = transpose(mat4x4f(
        epsilon(l, first, quad, origin),
        epsilon(l + 1u, first, quad, origin),
        epsilon(l + 2u, first, quad, origin),
        epsilon(l + 3u, first, quad, origin),
    ));
    let row = local * component_quads + component_quad;
    put(row, 4u * quad, e[0]);
    put(row, 4u * quad + 1u, e[1]);
    put(row, 4u * quad + 2u, e[2]);
    put(row, 4u * quad + 3u, e[3]);
    if (quad == 0u) {
        let real = component_quad < params.component_quads;
        let offset = offsets[pair * params.component_quads + min(component_quad, params.component_quads - 1u)];
        put(row, 4u * quads, select(vec4f(-1e30), offset, real));
    }
}
