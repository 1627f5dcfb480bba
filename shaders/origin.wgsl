// The origin of every pair: the component o whose log-density at the stratum's centre is the largest; e = centre − o;
// and each component's logit at z = 0 relative to o's, ln w_l − ln w_o − ½⟨ε_l, ε_l − 2e⟩ with ε_l = μ_l − o.
// Differences come first, so that means far from the origin of coordinates lose no precision; and sums carry their
// rounding errors, because far components that are about as far as o have terms that cancel. If o is the centre, e is
// zero and terms are squares, for which plain sums suffice. One workgroup: one pair of the chunk. Twin of
// src/reference/density.rs.
@group(0) @binding(1) var<storage, read> centres: array<vec4f>;               // (R, C, quads)
@group(0) @binding(2) var<storage, read> means: array<vec4f>;                 // (R, k, quads)
@group(0) @binding(3) var<storage, read> weights: array<vec2f>;               // (k): w, ln w
@group(0) @binding(4) var<storage, read_write> origins: array<u32>;           // (pairs): index into means' rows
@group(0) @binding(5) var<storage, read_write> offsets: array<f32>;           // (pairs, 4·component quads)
@group(0) @binding(6) var<storage, read_write> frames: array<vec4f>;          // (2, pairs, quads): e of either side
@group(0) @binding(7) var<storage, read_write> origin_log_weights: array<f32>; // (2, pairs)

var<workgroup> best_values: array<f32, 64>;
var<workgroup> best_indices: array<u32, 64>;

fn log_density_at_centre(row: u32, centre: u32, log_weight: f32) -> f32 {
    var square = 0.0;
    for (var c = 0u; c < params.feature_quads; c += 1u) {
        let difference = means[row + c] - centres[centre + c];
        square += dot(difference, difference);
    }
    return log_weight - 0.5 * square;
}

// ⟨μ − o, (μ − centre) + (o − centre)⟩ on one coordinate, added to a sum.
fn add_coordinate(sum: vec2f, mean: f32, origin: f32, centre: f32) -> vec2f {
    return pair_sum(sum, pair_product(exact_sum(mean, -origin), pair_sum(exact_sum(mean, -centre), exact_sum(origin, -centre))));
}

// |μ − o|².
fn square(mean: u32, origin: u32) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < params.feature_quads; c += 1u) {
        let epsilon = means[mean + c] - means[origin + c];
        sum += dot(epsilon, epsilon);
    }
    return sum;
}

// ⟨μ − o, μ − o − 2e⟩, e = centre − o.
fn cancelling(mean: u32, origin: u32, centre: u32) -> f32 {
    var sum = vec2f();
    for (var c = 0u; c < params.feature_quads; c += 1u) {
        let m = means[mean + c];
        let o = means[origin + c];
        let middle = centres[centre + c];
        sum = add_coordinate(sum, m.x, o.x, middle.x);
        sum = add_coordinate(sum, m.y, o.y, middle.y);
        sum = add_coordinate(sum, m.z, o.z, middle.z);
        sum = add_coordinate(sum, m.w, o.w, middle.w);
    }
    return sum.x + sum.y;
}

// Ties go to the lowest index.
fn take_better(lane: u32, value: f32, index: u32) {
    if (value > best_values[lane] || (value == best_values[lane] && index < best_indices[lane])) {
        best_values[lane] = value;
        best_indices[lane] = index;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let at = workgroup_index(group, groups);
    let pair = params.first_pair + at;
    if (at >= params.n_pairs) {
        return;
    }
    let quads = params.feature_quads;
    let first = pair / params.n_strata * params.n_components;
    best_values[lane] = -1e38;
    best_indices[lane] = 0u;
    for (var l = lane; l < params.n_components; l += 64u) {
        take_better(lane, log_density_at_centre((first + l) * quads, pair * quads, weights[l].y), l);
    }
    workgroupBarrier();
    for (var step = 32u; step > 0u; step /= 2u) {
        if (lane < step) {
            take_better(lane, best_values[lane + step], best_indices[lane + step]);
        }
        workgroupBarrier();
    }
    let index = best_indices[0];
    let origin = first + index;
    var central = true;
    for (var c = 0u; c < quads; c += 1u) {
        central = central && all(means[origin * quads + c] == centres[pair * quads + c]);
    }
    if (lane == 0u) {
        origins[pair] = origin;
        origin_log_weights[params.side * params.all_pairs + pair] = weights[index].y;
    }
    for (var c = lane; c < quads; c += 64u) {
        frames[(params.side * params.all_pairs + pair) * quads + c] = centres[pair * quads + c] - means[origin * quads + c];
    }
    for (var l = lane; l < 4u * params.component_quads; l += 64u) {
        var offset = -1e30; // of padding: its responsibility is exactly zero
        if (l < params.n_components) {
            let mean = (first + l) * quads;
            let origin_at = origin * quads;
            var product: f32;
            if (central) {
                product = square(mean, origin_at);
            } else {
                product = cancelling(mean, origin_at, pair * quads);
            }
            offset = weights[l].y - weights[index].y - 0.5 * product;
        }
        offsets[pair * 4u * params.component_quads + l] = offset;
    }
}
