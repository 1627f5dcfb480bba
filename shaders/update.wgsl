// One step of descent: μ_i ← μ_i − rate_i · gradient_i; the step counter goes up by one. One invocation: one quad of one mean.
// Twin of `descend` in src/reference/session.rs.
struct State {
    step: u32,
}

@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;       // (R, k, quads)
@group(0) @binding(2) var<storage, read> rates: array<f32>;            // (k)
@group(0) @binding(3) var<storage, read_write> means: array<vec4f>;    // (R, k, quads)
@group(0) @binding(4) var<storage, read_write> state: State;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    if (index < params.n_replicates * params.n_components * params.feature_quads) {
        means[index] -= rates[index / params.feature_quads % params.n_components] * gradient[index];
    }
    if (index == 0u) {
        state.step += 1u;
    }
}
