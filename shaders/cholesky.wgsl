// U with UᵀU = 1 + FᵀF, or 1 + FFᵀ where a stratum has more walls than coordinates. One workgroup: one pair of the range.
// Twin of src/objective/estimator.rs.
@group(0) @binding(1) var<storage, read> student_means: array<vec4f>;      // (R, k, quads)
@group(0) @binding(2) var<storage, read> teacher_means: array<vec4f>;      // (R, K, quads)
@group(0) @binding(3) var<storage, read> walls: array<vec2u>;              // (range's pairs, 2 + k + K): see common/walls.wgsl
@group(0) @binding(4) var<storage, read_write> factor: array<f32>;         // (range's pairs, most, most + 1)

// The column of F for wall n of `count`, on one quad of coordinates; none past the last.
fn column(local: u32, n: u32, count: u32, dominant: vec2u, quad: u32) -> vec4f {
    if (n >= count) {
        return vec4f();
    }
    let wall = walls[walls_of(local) + 2u + n];
    return bitcast<f32>(wall.y) * delta((params.first_pair + local) / params.n_components, wall.x, dominant, quad);
}

// Sixteen entries of the product: rows 4i … 4i + 3, columns 4j … 4j + 3.
fn block(local: u32, count: u32, dominant: vec2u, i: u32, j: u32) -> mat4x4f {
    var sums = mat4x4f();
    if (count <= params.rank) {
        for (var quad = 0u; quad < rank_quads(); quad += 1u) {
            let rows = transpose(mat4x4f(
                column(local, 4u * i, count, dominant, quad),
                column(local, 4u * i + 1u, count, dominant, quad),
                column(local, 4u * i + 2u, count, dominant, quad),
                column(local, 4u * i + 3u, count, dominant, quad),
            ));
            sums += mat4x4f(
                rows * column(local, 4u * j, count, dominant, quad),
                rows * column(local, 4u * j + 1u, count, dominant, quad),
                rows * column(local, 4u * j + 2u, count, dominant, quad),
                rows * column(local, 4u * j + 3u, count, dominant, quad),
            );
        }
        return sums;
    }
    for (var n = 0u; n < count; n += 1u) {
        let rows = column(local, n, count, dominant, i);
        let columns = column(local, n, count, dominant, j);
        sums += mat4x4f(columns.x * rows, columns.y * rows, columns.z * rows, columns.w * rows);
    }
    return sums;
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
    let dominant = walls[walls_of(local) + 1u];
    let size = factor_size(count);
    let stride = factor_rows() + 1u;
    let own = factor_of(local);
    for (var at = lane; at < size / 4u * (size / 4u); at += 64u) {
        let i = at / (size / 4u);
        let j = at % (size / 4u);
        if (i <= j) {
            let sums = block(local, count, dominant, i, j);
            for (var r = 0u; r < 4u; r += 1u) {
                for (var c = 0u; c < 4u; c += 1u) {
                    let one = select(0.0, 1.0, i == j && r == c);
                    factor[own + (4u * i + r) * stride + 4u * j + c] = one + sums[c][r];
                }
            }
        }
    }
    storageBarrier();
    // Row by row, each less what the rows before it take.
    for (var k = 0u; k < size; k += 1u) {
        let row = own + k * stride;
        var pivot = factor[row + k];
        for (var m = 0u; m < k; m += 1u) {
            let u = factor[own + m * stride + k];
            pivot -= u * u;
        }
        // No pivot is below 1: less is rounding.
        let inverse = 1.0 / sqrt(max(pivot, 1.0));
        for (var j = k + 1u + lane; j < size; j += 64u) {
            var value = factor[row + j];
            for (var m = 0u; m < k; m += 1u) {
                let above = own + m * stride;
                value -= factor[above + k] * factor[above + j];
            }
            factor[row + j] = inverse * value;
        }
        if (lane == 0u) {
            factor[row + stride - 1u] = inverse;
        }
        storageBarrier();
    }
}
