// For measuring peak arithmetic: twelve independent chains of fused multiply-adds in each invocation, sixteen links to a loop turn. Twelve
// are enough to hide the latency of every GPU we know, and few enough for the sixteen vector registers of a CPU. src/gpu/device/unroll.rs writes the repetitions out.
// One invocation: 384·n operations.
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;    // (invocations)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let factor = vec4f(0.999 + 1e-9 * f32(index));
    let term = vec4f(1e-3);
//* for c in CHAINS
    var s$c = vec4f($c.0) + factor;
//* end
    for (var i = 0u; i < params.n; i += 1u) {
//* for l in LINKS
//* for c in CHAINS
        s$c = fma(s$c, factor, term);
//* end
//* end
    }
    out[index] = s0 + s1 + s2;
}
