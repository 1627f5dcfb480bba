// Seeds and shifts that scramble the nets of a chunk. One invocation: two coordinates of one net of one pair. Twin of src/random/sobol.rs.
struct State {
    step: u32,
}

@group(0) @binding(1) var<storage, read> keys: array<vec2u>;              // (R)
@group(0) @binding(2) var<storage, read> state: State;
@group(0) @binding(3) var<storage, read> points: array<vec4u>;            // as for sobol.wgsl
@group(0) @binding(4) var<storage, read_write> scrambles: array<vec4u>;   // (chunk's pairs, nets, 2·quads): seed, shift of each of two

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let blocks = 2u * sobol_quads();
    let net = first_net() + index / blocks % chunk_nets();
    let pair = params.first_pair + index / blocks / chunk_nets();
    if (pair >= params.first_pair + params.n_pairs) {
        return;
    }
    scrambles[index] = sobol_scramble(net, pair % params.n_strata, state.step, index % blocks, keys[pair / params.n_strata]);
}
