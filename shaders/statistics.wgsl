// Statistics of each row: ½|a|², ln p − ln q, the excess, the energy ½|V_q|² − ½|V_p|² = ½⟨a, V_p + V_q⟩ of the stratum's own component,
// V = centre − M or centre − N; and part of f, the energy minus the value that it has when both posteriors are at their origins. With M measured from the origin, f = ⟨M_p, V_p⟩ + ½|M_p|² − ⟨M_q, V_q⟩ − ½|M_q|²: the squares are
// added here, the inner products by centre.wgsl, which computes them without the rounding error of a distant centre. Outside the Stein
// form, a overwrites V_p. LANES invocations: one row. Twin of src/reference/measure.rs.
//
// a = M − N = V_q − V_p. At x = centre + z, |x − o_p|² − |x − o_q|² = ⟨e_p − e_q, e_p + e_q + 2z⟩.
@group(0) @binding(1) var<storage, read> z: array<Draw4>;                        // (rows, quads)
@group(0) @binding(2) var<storage, read_write> student_v: array<vec4f>;          // (rows, quads)
@group(0) @binding(3) var<storage, read> teacher_v: array<vec4f>;                // (rows, quads)
@group(0) @binding(4) var<storage, read> frames: array<vec4f>;                   // (2, pairs, quads)
@group(0) @binding(5) var<storage, read> log_masses: array<vec2f>;               // (rows)
@group(0) @binding(6) var<storage, read> weight: array<f32>;                     // (rows)
@group(0) @binding(7) var<storage, read_write> statistics: array<vec4f>;         // (rows, 2): weight·(½|a|², log ratio, excess, energy); (½|a|², weight, part of f, 0)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups);
    if (index >= n_rows() * LANES / 64u) {
        return;
    }
    let row = (index * 64u + lane) / LANES;
    let pair = pair_of_row(row);
    let quads = params.feature_quads;
    var sums = vec4f();
    var energy = 0.0;
    for (var q = lane % LANES; q < quads; q += LANES) {
        let e_p = frames[pair * quads + q];
        let e_q = frames[(params.all_pairs + pair) * quads + q];
        let v_p = student_v[row * quads + q];
        let v_q = teacher_v[row * quads + q];
        let a = v_q - v_p;
        let draw = vec4f(z[row * quads + q]);
        sums += vec4f(
            dot(a, a),
            dot(e_p - e_q, e_p + e_q + 2.0 * draw),
            dot(v_p - e_p, v_p - e_p),
            dot(v_q - e_q, v_q - e_q),
        );
        energy += dot(a, v_p + v_q);
        if (params.stein == 0u) {
            student_v[row * quads + q] = a;
        }
    }
    sums = sum_over_lanes(lane, sums);
    energy = 0.5 * sum_over_lanes(lane, vec4f(energy)).x;
    if (lane % LANES == 0u) {
        let half_square = 0.5 * sums.x;
        let masses = log_masses[row];
        let log_ratio = masses.x - masses.y - 0.5 * sums.y;
        let toward = select(log_ratio, -log_ratio, params.strata == 0u);
        let excess = max(1.0 - exp(min(toward, 80.0)), 0.0);
        let share = weight[row];
        statistics[2u * row] = share * vec4f(half_square, log_ratio, excess, energy);
        statistics[2u * row + 1u] = vec4f(half_square, share, 0.5 * (sums.z - sums.w), 0.0);
    }
}
