@group(0) @binding(2) var<storage, read> means: array<vec4f>;            // (R, k, feature quads)

fn mean_at(at: u32) -> vec4f {
    return means[at];
}
