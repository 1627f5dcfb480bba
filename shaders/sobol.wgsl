// z of every row from scrambled Sobol points, each net with its own scrambling, rotated into the axes of its stratum;
// coordinates without direction numbers are independent draws. Also the weight of the row. One invocation: one row.
// Twin of src/reference/draw.rs.
struct State {
    step: u32,
}

@group(0) @binding(1) var<storage, read> keys: array<vec2u>;         // (R)
@group(0) @binding(2) var<storage, read> state: State;
@group(0) @binding(3) var<storage, read> points: array<vec4u>;       // see common/sobol.wgsl
@group(0) @binding(4) var<storage, read> scrambles: array<vec4u>;    // (chunk's pairs, nets, 2·quads): see scrambles.wgsl
@group(0) @binding(5) var<storage, read> axes: array<vec4f>;         // (pairs, 5·quads + 2): see axes.wgsl
@group(0) @binding(6) var<storage, read_write> z: array<Draw4>;      // (rows, quads)
@group(0) @binding(7) var<storage, read_write> weight: array<f32>;   // (rows)

fn words(pair: u32, sample: u32, quad: u32) -> vec4u {
    let quads = sobol_quads();
    if (quad >= quads) {
        return philox(vec4u(quad, sample, pair % params.n_strata, state.step), keys[pair / params.n_strata]);
    }
    let net = (pair - params.first_pair) * chunk_nets() + sample / params.net_size - first_net();
    let scramble = 2u * (net * quads + quad);
    return sobol_scrambled(sobol_point(sample % params.net_size, quad, quads), scrambles[scramble], scrambles[scramble + 1u]);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let row = workgroup_index(group, groups) * 64u + lane;
    if (row >= n_rows()) {
        return;
    }
    let quads = params.feature_quads;
    let pair = pair_of_row(row);
    let axis = pair * (5u * quads + 2u);
    let local = row % params.rows_per_pair;
    let is_sample = local < params.chunk_samples;
    var along = vec4f();
    for (var quad = 0u; quad < quads; quad += 1u) {
        var value = vec4f();
        if (is_sample) {
            let word = words(pair, params.first_sample + local, quad);
            let lanes = vec4u(0u, 1u, 2u, 3u) + vec4u(4u * quad);
            value = normals_of(word);
            value = select(vec4f(), value, lanes < vec4u(params.rank));
        }
        z[row * quads + quad] = Draw4(value);
        let h = axis + quad;
        along += vec4f(dot(axes[h], value), dot(axes[h + quads], value), dot(axes[h + 2u * quads], value), dot(axes[h + 3u * quads], value));
    }
    // H₀H₁H₂H₃ y = y − Σ c_j h_j: the last reflection acts first, and each acts on the result of those before it.
    let first = axes[axis + 5u * quads];        // h₀h₁, h₀h₂, h₀h₃, h₁h₂
    let second = axes[axis + 5u * quads + 1u];  // h₁h₃, h₂h₃
    let c3 = along.w;
    let c2 = along.z - second.y * c3;
    let c1 = along.y - first.w * c2 - second.x * c3;
    let c0 = along.x - first.x * c1 - first.y * c2 - first.z * c3;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let at = row * quads + quad;
        let h = axis + quad;
        let turn = c0 * axes[h] + c1 * axes[h + quads] + c2 * axes[h + 2u * quads] + c3 * axes[h + 3u * quads];
        z[at] = Draw4(vec4f(z[at]) - turn);
    }
    weight[row] = select(0.0, 1.0, is_sample);
}
