// One term of the sums in a tile: (a − b)².
fn term(a: f32, b: vec4f, sum: vec4f) -> vec4f {
    let difference = vec4f(a) - b;
    return fma(difference, difference, sum);
}
