// z of every row, from the words at its address, or from the table of a deterministic rule; and the weight of the row.
// One invocation: one quad of coordinates. Twin of src/reference/draw.rs.
struct State {
    step: u32,
}

@group(0) @binding(1) var<storage, read> keys: array<vec2u>;         // (R)
@group(0) @binding(2) var<storage, read> state: State;
@group(0) @binding(3) var<storage, read> nodes: array<vec4f>;        // (n, quads), only for a table
@group(0) @binding(4) var<storage, read> node_weights: array<f32>;   // (n), only for a table
@group(0) @binding(5) var<storage, read_write> z: array<Draw4>;      // (rows, quads)
@group(0) @binding(6) var<storage, read_write> weight: array<f32>;   // (rows)

fn draw(pair: u32, sample: u32, quad: u32) -> vec4f {
    let antithetic = params.sampler == 1u;
    let address = select(sample, sample / 2u, antithetic);
    let words = philox(vec4u(quad, address, pair % params.n_strata, state.step), keys[pair / params.n_strata]);
    var value = normals_of(words);
    let lanes = vec4u(0u, 1u, 2u, 3u) + vec4u(4u * quad);
    value = select(vec4f(), value, lanes < vec4u(params.rank));
    return select(value, -value, antithetic && sample % 2u == 1u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let row = index / params.feature_quads;
    let quad = index % params.feature_quads;
    if (row >= n_rows()) {
        return;
    }
    let local = row % params.rows_per_pair;
    let sample = params.first_sample + local;
    var value = vec4f();
    var share = 0.0;
    if (local < params.chunk_samples) {
        if (params.sampler == 2u) {
            value = nodes[sample * params.feature_quads + quad];
            share = node_weights[sample];
        } else {
            value = draw(pair_of_row(row), sample, quad);
            share = 1.0;
        }
    }
    z[index] = Draw4(value);
    if (quad == 0u) {
        weight[row] = share;
    }
}
