// A row in Stein's form becomes stein + Γ(score − stein), Γ = F(1 + FᵀF)⁻¹Fᵀ = 1 − (1 + FFᵀ)⁻¹ of its stratum. One workgroup: one output
// group of one pair of the range. Twin of src/objective/estimator.rs.
@group(0) @binding(1) var<storage, read> walls: array<vec2u>;              // (range's pairs, 1 + k + K): see common/walls.wgsl
@group(0) @binding(2) var<storage, read> columns: array<vec4f>;            // (range's pairs, quads, most walls)
@group(0) @binding(3) var<storage, read> factor: array<f32>;               // (range's pairs, factor rows, factor rows): see cholesky.wgsl
@group(0) @binding(4) var<storage, read> score_sums: array<vec4f>;         // (pairs, out groups, quads)
@group(0) @binding(5) var<storage, read> weights: array<vec2f>;            // (k): w, ln w
@group(0) @binding(6) var<storage, read_write> gradient: array<vec4f>;     // (R, out groups, k, quads)

const MOST = 256u; // rows of a factor: MOST_ROWS of src/gpu/step/blend.rs
var<workgroup> rest: array<f32, MOST>;
var<workgroup> solved: array<f32, MOST>;

// rest becomes (UᵀU)⁻¹rest.
fn solve(lane: u32, own: u32, size: u32) {
    let stride = factor_rows();
    for (var k = 0u; k < size; k += 1u) {
        workgroupBarrier();
        let value = rest[k] * factor[own + k * stride + k];
        for (var j = k + 1u + lane; j < size; j += 64u) {
            rest[j] -= factor[own + k * stride + j] * value;
        }
        if (lane == 0u) {
            solved[k] = value;
        }
    }
    for (var left = size; left > 0u; left -= 1u) {
        let k = left - 1u;
        workgroupBarrier();
        let value = solved[k] * factor[own + k * stride + k];
        for (var i = lane; i < k; i += 64u) {
            solved[i] -= factor[own + i * stride + k] * value;
        }
        if (lane == 0u) {
            rest[k] = value;
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups);
    let local = index / params.out_groups;
    if (local >= params.n_pairs) {
        return;
    }
    let count = walls[walls_of(local)].x;
    if (count == 0u) {
        return;
    }
    let quads = params.feature_quads;
    let out_group = index % params.out_groups;
    let pair = params.first_pair + local;
    let replicate = pair / params.n_components;
    let i = pair % params.n_components;
    let share = weights[i].x * group_normaliser(out_group);
    let sums = (pair * params.out_groups + out_group) * quads;
    let row = ((replicate * params.out_groups + out_group) * params.n_components + i) * quads;
    let size = factor_size(count);
    let own = factor_of(local);
    let own_columns = columns_of(local);
    if (count <= params.rank) {
        for (var n = lane; n < size; n += 64u) {
            var along = 0.0;
            if (n < count) {
                for (var quad = 0u; quad < quads; quad += 1u) {
                    let difference = share * score_sums[sums + quad] - gradient[row + quad];
                    along += dot(columns[own_columns + quad * most_columns() + n], difference);
                }
            }
            rest[n] = along;
        }
        solve(lane, own, size);
        for (var quad = lane; quad < quads; quad += 64u) {
            var sum = gradient[row + quad];
            for (var n = 0u; n < count; n += 1u) {
                sum += rest[n] * columns[own_columns + quad * most_columns() + n];
            }
            gradient[row + quad] = sum;
        }
    } else {
        for (var c = lane; c < size; c += 64u) {
            rest[c] = share * score_sums[sums + c / 4u][c % 4u] - gradient[row + c / 4u][c % 4u];
        }
        solve(lane, own, size);
        for (var quad = lane; quad < size / 4u; quad += 64u) {
            let at = 4u * quad;
            gradient[row + quad] = share * score_sums[sums + quad] - vec4f(rest[at], rest[at + 1u], rest[at + 2u], rest[at + 3u]);
        }
    }
}
