// The component with the least ½|x − μ_l|² − ln w_l for every point; ties go to the lowest index. One invocation: one point.
// Twin of src/reference/density.rs.
@group(0) @binding(1) var<storage, read> distances: array<f32>;         // (rows, 4·component quads)
@group(0) @binding(2) var<storage, read_write> nearest: array<u32>;     // (rows)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let row = workgroup_index(group, groups) * 64u + lane;
    if (row >= n_rows()) {
        return;
    }
    var best = 0u;
    var least = distances[row * 4u * params.component_quads];
    for (var l = 1u; l < params.n_components; l += 1u) {
        let value = distances[row * 4u * params.component_quads + l];
        if (value < least) {
            least = value;
            best = l;
        }
    }
    nearest[row] = best;
}
