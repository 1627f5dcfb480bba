// The device's own roof: 64 independent chains of fused multiply-adds in each invocation, two links a turn.
// One invocation: 256·n_samples operations.
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;    // (invocations)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let factor = vec4f(0.999 + 1e-9 * f32(index));
    let term = vec4f(1e-3);
    var s0 = vec4f(0.0) + factor;
    var s1 = vec4f(1.0) + factor;
    var s2 = vec4f(2.0) + factor;
    var s3 = vec4f(3.0) + factor;
    var s4 = vec4f(4.0) + factor;
    var s5 = vec4f(5.0) + factor;
    var s6 = vec4f(6.0) + factor;
    var s7 = vec4f(7.0) + factor;
    var s8 = vec4f(8.0) + factor;
    var s9 = vec4f(9.0) + factor;
    var s10 = vec4f(10.0) + factor;
    var s11 = vec4f(11.0) + factor;
    var s12 = vec4f(12.0) + factor;
    var s13 = vec4f(13.0) + factor;
    var s14 = vec4f(14.0) + factor;
    var s15 = vec4f(15.0) + factor;
    for (var i = 0u; i < params.n_samples; i += 1u) {
        s0 = fma(s0, factor, term);
        s1 = fma(s1, factor, term);
        s2 = fma(s2, factor, term);
        s3 = fma(s3, factor, term);
        s4 = fma(s4, factor, term);
        s5 = fma(s5, factor, term);
        s6 = fma(s6, factor, term);
        s7 = fma(s7, factor, term);
        s8 = fma(s8, factor, term);
        s9 = fma(s9, factor, term);
        s10 = fma(s10, factor, term);
        s11 = fma(s11, factor, term);
        s12 = fma(s12, factor, term);
        s13 = fma(s13, factor, term);
        s14 = fma(s14, factor, term);
        s15 = fma(s15, factor, term);
        s0 = fma(s0, factor, term);
        s1 = fma(s1, factor, term);
        s2 = fma(s2, factor, term);
        s3 = fma(s3, factor, term);
        s4 = fma(s4, factor, term);
        s5 = fma(s5, factor, term);
        s6 = fma(s6, factor, term);
        s7 = fma(s7, factor, term);
        s8 = fma(s8, factor, term);
        s9 = fma(s9, factor, term);
        s10 = fma(s10, factor, term);
        s11 = fma(s11, factor, term);
        s12 = fma(s12, factor, term);
        s13 = fma(s13, factor, term);
        s14 = fma(s14, factor, term);
        s15 = fma(s15, factor, term);
    }
    out[index] = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11 + s12 + s13 + s14 + s15;
}
