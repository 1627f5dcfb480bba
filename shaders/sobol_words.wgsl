// For known-answer tests: the words of Sobol points, net after net. One invocation: four coordinates of one point.
// Twin of src/random/sobol.rs.
@group(0) @binding(1) var<storage, read> key: array<vec2u>;           // (1)
@group(0) @binding(2) var<storage, read> points: array<vec4u>;        // as for sobol.wgsl
@group(0) @binding(3) var<storage, read_write> words: array<vec4u>;   // (samples, quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quad = index % params.feature_quads;
    let sample = index / params.feature_quads;
    if (sample >= params.chunk_samples) {
        return;
    }
    let net = sample / params.net_size;
    let point = sobol_point(sample % params.net_size, quad, params.feature_quads);
    let first = sobol_scramble(net, 5u, 3u, 2u * quad, key[0]);
    words[index] = sobol_scrambled(point, first, sobol_scramble(net, 5u, 3u, 2u * quad + 1u, key[0]));
}
