@group(0) @binding(4) var table: texture_storage_2d<rgba32float, write>;  // (columns, chunk's pairs · even component quads)

fn put(row: u32, column: u32, value: vec4f) {
    textureStore(table, vec2u(column, row), value);
}
