// The axes of every pair's Sobol points: four reflections h (H = 1 − hhᵀ) that give the directions of largest variation
// to the first coordinates. Twin of src/objective/axes.rs: a candidate is the difference of a mean to its side's
// origin, times the square root of the probability that it outweighs that one. The longest is an axis, then the longest
// of what the axes before it leave. One workgroup: one pair of the chunk.
@group(0) @binding(7) var<storage, read_write> candidates: array<vec2f>;   // (pairs, k + K): chance, square of what is left
@group(0) @binding(8) var<storage, read_write> axes: array<vec4f>;         // (pairs, 5·quads + 2): h₀ … h₃, the last axis, inner products

const LEANING = 1e-3; // of src/objective/axes.rs
const LEAST_SHARE = 1e-4; // of the longest candidate's square: what is shorter is never an axis
const LEAST = 1e-30;      // a square below this hardly ever matters
const EQUAL = 1e-4;       // as long as the longest, within rounding: the first one is taken
const LANES = 32u;        // of 64, sums over lanes took 60 % of the time on software Vulkan; fewer would leave most of a wave idle

var<workgroup> values: array<vec4f, LANES>;

// Every lane loops over all values itself, which takes fewer barriers than a tree.
fn most(lane: u32, value: f32) -> f32 {
    values[lane] = vec4f(value);
    workgroupBarrier();
    var result = values[0].x;
    for (var l = 1u; l < LANES; l += 1u) {
        result = max(result, values[l].x);
    }
    workgroupBarrier();
    return result;
}

fn total(lane: u32, value: vec4f) -> vec4f {
    values[lane] = value;
    workgroupBarrier();
    var result = vec4f();
    for (var l = 0u; l < LANES; l += 1u) {
        result += values[l];
    }
    workgroupBarrier();
    return result;
}

// The probability that its mean outweighs the origin, and the candidate's square.
fn measured(pair: u32, n: u32) -> vec2f {
    let square = difference_square(pair, n);
    // The difference of the logits is normal with mean −logit and variance |δ|²; Φ(−t) ≈ ½ exp(−t²/2).
    let t = select(0.0, logit_at_centre(pair, n) / sqrt(square), square > 0.0);
    let chance = 0.5 * exp(-0.5 * t * t);
    return vec2f(chance, chance * square);
}

// The square of its part along the last axis.
fn along_axis(pair: u32, n: u32, chance: f32) -> f32 {
    let quads = params.feature_quads;
    let axis = pair * (5u * quads + 2u) + 4u * quads;
    var along = 0.0;
    for (var quad = 0u; quad < quads; quad += 1u) {
        along += dot(axes[axis + quad], difference(pair, n, quad));
    }
    return chance * along * along;
}

// What the reflections before the j-th leave of the pivot from coordinate j on, with `length` added to the first one
// away from zero, so that nothing cancels. `along` is the part that they remove.
fn lengthened(pair: u32, pivot: u32, root: f32, along: vec3f, j: u32, quad: u32, length: f32) -> vec4f {
    let quads = params.feature_quads;
    let h = pair * (5u * quads + 2u) + quad;
    var e = root * difference(pair, pivot, quad);
    if (j > 0u) {
        e -= along.x * axes[h] + along.y * axes[h + quads] + along.z * axes[h + 2u * quads];
    }
    let lanes = vec4u(0u, 1u, 2u, 3u) + vec4u(4u * quad);
    e += select(vec4f(), select(vec4f(length), vec4f(-length), e < vec4f(-LEANING * length)), lanes == vec4u(j));
    return select(e, vec4f(), lanes < vec4u(j));
}

// The inner products of h₀ … h₂ with the pivot, each after the earlier reflections; `first` has the inner products
// among them.
fn taken(pair: u32, pivot: u32, root: f32, first: vec4f) -> vec3f {
    let quads = params.feature_quads;
    let h = pair * (5u * quads + 2u);
    var along = vec3f();
    for (var quad = 0u; quad < quads; quad += 1u) {
        let e = root * difference(pair, pivot, quad);
        along += vec3f(dot(axes[h + quad], e), dot(axes[h + quads + quad], e), dot(axes[h + 2u * quads + quad], e));
    }
    let second = along.y - first.x * along.x;
    return vec3f(along.x, second, along.z - first.y * along.x - first.w * second);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let at = workgroup_index(group, groups);
    if (at >= params.n_pairs) {
        return;
    }
    let pair = params.first_pair + at;
    let quads = params.feature_quads;
    let n_candidates = params.n_components + params.teacher_components;
    let own = pair * n_candidates;
    let h = pair * (5u * quads + 2u);
    for (var e = lane; e < 5u * quads + 2u; e += LANES) {
        axes[h + e] = vec4f();
    }
    storageBarrier();
    var longest = 0.0;
    var first = vec4f();   // h₀h₁, h₀h₂, h₀h₃, h₁h₂
    var second = vec4f();  // h₁h₃, h₂h₃
    for (var j = 0u; j < min(4u, params.rank); j += 1u) {
        var best = 0.0;
        for (var n = lane; n < n_candidates; n += LANES) {
            var c: vec2f;
            if (j == 0u) {
                c = measured(pair, n);
            } else {
                c = candidates[own + n];
                c.y = select(0.0, c.y - along_axis(pair, n, c.x), j > 1u || c.y >= LEAST_SHARE * longest);
            }
            candidates[own + n] = c;
            best = max(best, c.y);
        }
        let left = most(lane, best);
        longest = max(longest, left);
        // The first of the longest, as the largest of negative numbers.
        var chosen = -f32(n_candidates);
        for (var n = lane; n < n_candidates; n += LANES) {
            if (chosen == -f32(n_candidates) && candidates[own + n].y >= (1.0 - EQUAL) * left) {
                chosen = -f32(n);
            }
        }
        let pivot = min(u32(-most(lane, chosen)), n_candidates - 1u);
        let found = left > max(LEAST_SHARE * longest, LEAST) && left < 1e38;
        storageBarrier();
        let root = sqrt(candidates[own + pivot].x);
        let along = taken(pair, pivot, root, first);
        var square = 0.0;
        for (var quad = lane; quad < quads; quad += LANES) {
            let e = lengthened(pair, pivot, root, along, j, quad, sqrt(left));
            square += dot(e, e);
        }
        let scale = sqrt(2.0 / total(lane, vec4f(square)).x);
        var inner = vec4f();
        for (var quad = lane; quad < quads; quad += LANES) {
            let e = select(vec4f(), scale * lengthened(pair, pivot, root, along, j, quad, sqrt(left)), found);
            inner += vec4f(dot(axes[h + quad], e), dot(axes[h + quads + quad], e), dot(axes[h + 2u * quads + quad], e), 0.0);
            axes[h + j * quads + quad] = e;
        }
        storageBarrier();
        let products = total(lane, inner);
        // Coordinate j of every h: H₀ … H_j e_j, the axis itself, is e_j − Σ c_i h_i.
        let at_j = vec4f(axes[h + j / 4u][j], axes[h + quads + j / 4u][j], axes[h + 2u * quads + j / 4u][j], axes[h + 3u * quads + j / 4u][j]);
        var c: vec4f;
        if (j == 0u) {
            c = vec4f(at_j.x, 0.0, 0.0, 0.0);
        } else if (j == 1u) {
            first.x = products.x;
            c = vec4f(at_j.x - first.x * at_j.y, at_j.y, 0.0, 0.0);
        } else if (j == 2u) {
            first.y = products.x;
            first.w = products.y;
            let c1 = at_j.y - first.w * at_j.z;
            c = vec4f(at_j.x - first.x * c1 - first.y * at_j.z, c1, at_j.z, 0.0);
        } else {
            first.z = products.x;
            second = vec4f(products.y, products.z, 0.0, 0.0);
        }
        for (var quad = lane; quad < quads; quad += LANES) {
            let unit = select(vec4f(), vec4f(1.0), vec4u(0u, 1u, 2u, 3u) + vec4u(4u * quad) == vec4u(j));
            axes[h + 4u * quads + quad] = unit - c.x * axes[h + quad] - c.y * axes[h + quads + quad] - c.z * axes[h + 2u * quads + quad];
        }
        storageBarrier();
    }
    if (lane == 0u) {
        axes[h + 5u * quads] = first;
        axes[h + 5u * quads + 1u] = second;
    }
}
