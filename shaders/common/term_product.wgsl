// One term of the sums in a tile: a·b.
fn term(a: f32, b: vec4f, sum: vec4f) -> vec4f {
    return fma(vec4f(a), b, sum);
}
