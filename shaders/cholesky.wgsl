// U with UᵀU = 1 + FᵀF, or 1 + FFᵀ if a stratum has more walls than coordinates. One workgroup: one pair of the range.
// Twin of src/objective/estimator.rs.
@group(0) @binding(1) var<storage, read> walls: array<vec2u>;              // (range's pairs, 1 + k + K): see common/walls.wgsl
@group(0) @binding(2) var<storage, read> columns: array<vec4f>;            // (range's pairs, quads, most walls)
@group(0) @binding(3) var<storage, read_write> factor: array<f32>;         // (range's pairs, factor rows, factor rows)

// One quad of coordinates of column n; zero for n ≥ `count`.
fn column(first: u32, n: u32, count: u32) -> vec4f {
    return select(vec4f(), columns[first + min(n, count - 1u)], n < count);
}

// Sixteen entries of the product: rows 4i … 4i + 3, columns 4j … 4j + 3.
fn block(own: u32, count: u32, i: u32, j: u32) -> mat4x4f {
    var sums = mat4x4f();
    if (count <= params.rank) {
        for (var quad = 0u; quad < rank_quads(); quad += 1u) {
            let first = own + quad * most_columns();
            let rows = transpose(mat4x4f(
                column(first, 4u * i, count),
                column(first, 4u * i + 1u, count),
                column(first, 4u * i + 2u, count),
                column(first, 4u * i + 3u, count),
            ));
            sums += mat4x4f(
                rows * column(first, 4u * j, count),
                rows * column(first, 4u * j + 1u, count),
                rows * column(first, 4u * j + 2u, count),
                rows * column(first, 4u * j + 3u, count),
            );
        }
        return sums;
    }
    for (var n = 0u; n < count; n += 1u) {
        let rows = columns[own + i * most_columns() + n];
        let others = columns[own + j * most_columns() + n];
        sums += mat4x4f(others.x * rows, others.y * rows, others.z * rows, others.w * rows);
    }
    return sums;
}

// Entry (k, j) of the product less the contributions of the rows of U before the k-th, in order. Eight of them in a
// pass: one by one, 200 rows would take all loop passes that Mesa's software Vulkan allows an invocation
// (SCATTERED_ROWS in src/gpu/step/plan.rs).
fn reduced(own: u32, k: u32, j: u32) -> f32 {
    let stride = factor_rows();
    var value = factor[own + k * stride + j];
    let eights = k / 8u * 8u;
    for (var m = 0u; m < eights; m += 8u) {
        let left = own + m * stride + k;
        let right = own + m * stride + j;
        value -= factor[left] * factor[right];
        value -= factor[left + stride] * factor[right + stride];
        value -= factor[left + 2u * stride] * factor[right + 2u * stride];
        value -= factor[left + 3u * stride] * factor[right + 3u * stride];
        value -= factor[left + 4u * stride] * factor[right + 4u * stride];
        value -= factor[left + 5u * stride] * factor[right + 5u * stride];
        value -= factor[left + 6u * stride] * factor[right + 6u * stride];
        value -= factor[left + 7u * stride] * factor[right + 7u * stride];
    }
    for (var m = eights; m < k; m += 1u) {
        value -= factor[own + m * stride + k] * factor[own + m * stride + j];
    }
    return value;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let local = workgroup_index(group, groups);
    if (local >= params.n_pairs) {
        return;
    }
    let count = walls[walls_of(local)].x;
    if (count == 0u) {
        return;
    }
    let size = factor_size(count);
    let stride = factor_rows();
    let own = factor_of(local);
    // Every unordered pair of blocks once: a block and the one `ahead` of it, around a circle.
    let blocks = size / 4u;
    for (var at = lane; at < blocks * (blocks / 2u + 1u); at += 64u) {
        let ahead = at / blocks;
        let one = at % blocks;
        let other = (one + ahead) % blocks;
        if (2u * ahead < blocks || one < other) {
            let i = min(one, other);
            let j = max(one, other);
            let sums = block(columns_of(local), count, i, j);
            for (var r = 0u; r < 4u; r += 1u) {
                for (var c = 0u; c < 4u; c += 1u) {
                    factor[own + (4u * i + r) * stride + 4u * j + c] = select(0.0, 1.0, i == j && r == c) + sums[c][r];
                }
            }
        }
    }
    storageBarrier();
    // Row by row, each less the contributions of the rows before it; every lane computes the pivot.
    for (var k = 0u; k < size; k += 1u) {
        let row = own + k * stride;
        // No pivot is below 1: a smaller one is rounding.
        let inverse = 1.0 / sqrt(max(reduced(own, k, k), 1.0));
        for (var j = k + 1u + lane; j < size; j += 64u) {
            factor[row + j] = inverse * reduced(own, k, j);
        }
        storageBarrier();
        if (lane == 0u) {
            factor[row + k] = inverse;
        }
    }
}
