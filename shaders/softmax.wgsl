// Logits of every row → responsibilities in place, and the row's log-sum-exp in units of the mixture (ln w of the origin added).
// LANES invocations: one row. Twin of src/reference/density.rs.
@group(0) @binding(1) var<storage, read_write> logits: array<vec4f>;          // (rows, component quads)
@group(0) @binding(2) var<storage, read> origin_log_weights: array<f32>;      // (2, pairs)
@group(0) @binding(3) var<storage, read_write> log_masses: array<vec2f>;      // (rows): student, teacher

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups);
    if (index >= n_rows() * LANES / 64u) {
        return;
    }
    let row = (index * 64u + lane) / LANES;
    let quads = params.component_quads;
    var largest = -1e30;
    for (var q = lane % LANES; q < quads; q += LANES) {
        let v = logits[row * quads + q];
        largest = max(largest, max(max(v.x, v.y), max(v.z, v.w)));
    }
    largest = max_over_lanes(lane, largest);
    var sums = vec4f();
    for (var q = lane % LANES; q < quads; q += LANES) {
        let v = exp(logits[row * quads + q] - vec4f(largest));
        logits[row * quads + q] = v;
        sums += v;
    }
    sums = sum_over_lanes(lane, sums);
    let mass = (sums.x + sums.y) + (sums.z + sums.w);
    for (var q = lane % LANES; q < quads; q += LANES) {
        logits[row * quads + q] /= mass;
    }
    if (lane % LANES == 0u) {
        let log_mass = largest + natural_log(mass) + origin_log_weights[params.side * params.all_pairs + pair_of_row(row)];
        if (params.side == 0u) {
            log_masses[row].x = log_mass;
        } else {
            log_masses[row].y = log_mass;
        }
    }
}
