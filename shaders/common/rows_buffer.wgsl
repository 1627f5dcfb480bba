@group(0) @binding(1) var<storage, read> rows: array<Row4>;             // (rows, quads)

fn row_at(at: u32) -> vec4f {
    return vec4f(rows[at]);
}
