@group(0) @binding(4) var<storage, read_write> table: array<vec4f>;  // (chunk's pairs, even component quads, 4·feature quads + 4)

fn put(row: u32, column: u32, value: vec4f) {
    table[row * (4u * params.feature_quads + 4u) + column] = value;
}
