@group(0) @binding(1) var rows: texture_storage_2d<rgba32float, read>;   // (rows, quads), 4096 texels a row of the texture

fn row_at(at: u32) -> vec4f {
    return textureLoad(rows, vec2u(at % 4096u, at / 4096u));
}
