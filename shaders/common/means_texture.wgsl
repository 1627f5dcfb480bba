@group(0) @binding(2) var means: texture_storage_2d<rgba32float, read>;  // (R, k, feature quads), 4096 texels a row of the texture

fn mean_at(at: u32) -> vec4f {
    return textureLoad(means, vec2u(at % 4096u, at / 4096u));
}
