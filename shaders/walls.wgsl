// The walls around a stratum that are steep enough for the score-function form, and the columns of F that follow from
// their δ, in order. One workgroup: one pair of the range. Twin of src/objective/estimator.rs.
@group(0) @binding(7) var<storage, read_write> walls: array<vec2u>;        // (range's pairs, 1 + k + K): see common/walls.wgsl
@group(0) @binding(8) var<storage, read_write> columns: array<vec4f>;      // (range's pairs, quads, most walls)

const FURTHEST = 5.0;          // of src/objective/estimator.rs
const FAINT = 0.1;             // likewise
const LARGEST = 1e30;          // shares beyond are no numbers any more
const DENSITY = 0.3989422804;  // 1/√(2π)

var<workgroup> values: array<f32, 64>;
var<workgroup> kept: array<u32, 64>;

// |δ|² of a component and S|δ|² of its wall, both 0 if there is none within reach; and its term of T/2.
fn wall(pair: u32, n: u32) -> vec3f {
    let square = difference_square(pair, n);
    // The origin was chosen by plain sums, so another component may be a little nearer.
    let tau = max(-logit_at_centre(pair, n), 0.0);
    if (!(square > 0.0 && tau < FURTHEST * sqrt(square))) {
        return vec3f();
    }
    let t = tau / sqrt(square);
    let chance = DENSITY * (exp(-0.5 * t * t) - exp(-0.5 * FURTHEST * FURTHEST));
    let density = chance / sqrt(square + 8.0);
    let stein = density * (square * square / 120.0 + tau * tau / 6.0);
    return vec3f(square, stein * square, chance / (1.0 + 1.5 * t) * tau * tau + density * square * square / 64.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let local = workgroup_index(group, groups);
    if (local >= params.n_pairs) {
        return;
    }
    let pair = params.first_pair + local;
    let all = params.n_components + params.teacher_components;
    let row = walls_of(local);
    var own = 0.0;
    for (var n = lane; n < all; n += 64u) {
        let found = wall(pair, n);
        walls[row + 1u + n] = bitcast<vec2u>(found.xy);
        own += found.z;
    }
    values[lane] = own;
    storageBarrier();
    workgroupBarrier();
    var score = 0.0;
    for (var l = 0u; l < 64u; l += 1u) {
        score += 2.0 * values[l];
    }
    var count = 0u;
    for (var first = 0u; first < all; first += 64u) {
        let n = first + lane;
        var found = vec2f();
        if (n < all) {
            found = bitcast<vec2f>(walls[row + 1u + n]);
        }
        let share = found.y / score - FAINT; // fades in, so that rounding does not decide
        let is_kept = found.x > 0.0 && share > 0.0 && share < LARGEST;
        kept[lane] = select(0u, 1u, is_kept);
        storageBarrier();
        workgroupBarrier();
        var before = count;
        for (var l = 0u; l < 64u; l += 1u) {
            before += select(0u, kept[l], l < lane);
            count += kept[l];
        }
        // Entries are written after all reads of them, either behind a barrier or by the lane that has read them.
        if (is_kept) {
            walls[row + 1u + before] = vec2u(n, bitcast<u32>(sqrt(share / found.x)));
        }
        workgroupBarrier();
    }
    count = select(count, 0u, count > params.most_walls);
    if (lane == 0u) {
        walls[row] = vec2u(count, 0u);
    }
    storageBarrier();
    let own_columns = columns_of(local);
    for (var at = lane; at < count * params.feature_quads; at += 64u) {
        let found = walls[row + 1u + at % count];
        let quad = at / count;
        columns[own_columns + quad * most_columns() + at % count] =
            bitcast<f32>(found.y) * difference(pair, found.x, quad);
    }
}
