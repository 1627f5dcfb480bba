// For known-answer tests: the four words at counters [i, 1, 2, 3] under one key, and the normals made of them. One invocation: one counter.
// Twins of src/random/philox.rs and src/random/normal.rs.
@group(0) @binding(1) var<storage, read> key: array<vec2u>;                // (1)
@group(0) @binding(2) var<storage, read_write> words: array<vec4u>;        // (n)
@group(0) @binding(3) var<storage, read_write> normals: array<vec4f>;      // (n)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    if (index >= params.n) {
        return;
    }
    let value = philox(vec4u(index, 1u, 2u, 3u), key[0]);
    words[index] = value;
    normals[index] = normals_of(value);
}
