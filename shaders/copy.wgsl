// For measuring memory bandwidth: each invocation reads one vec4 and writes one.
@group(0) @binding(1) var<storage, read> source: array<vec4f>;             // (n)
@group(0) @binding(2) var<storage, read_write> destination: array<vec4f>;  // (n)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    if (index < params.n) {
        destination[index] = source[index];
    }
}
