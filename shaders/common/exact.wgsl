// Sums and products with their rounding errors, as pairs (value, error) of about 48 bits (Dekker 1971).
//
// Compilers that treat float arithmetic as real arithmetic fold the errors to zero. So values pass through an exclusive
// or with a number that is zero, but only known at run time.
fn opaque(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) ^ params.zero);
}

// a + b.
fn exact_sum(a: f32, b: f32) -> vec2f {
    let sum = opaque(a + b);
    let b_part = opaque(sum - a);
    let a_part = opaque(sum - b_part);
    return vec2f(sum, (a - a_part) + (b - b_part));
}

// a + b of pairs.
fn pair_sum(a: vec2f, b: vec2f) -> vec2f {
    let sum = exact_sum(a.x, b.x);
    return exact_sum(sum.x, sum.y + (a.y + b.y));
}

// The upper half of v's digits.
fn upper(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) & 0xfffff000u);
}

// a · b of pairs. Products of halves are exact.
fn pair_product(a: vec2f, b: vec2f) -> vec2f {
    let product = opaque(a.x * b.x);
    let a_upper = upper(a.x);
    let b_upper = upper(b.x);
    let a_lower = a.x - a_upper;
    let b_lower = b.x - b_upper;
    let first = opaque(opaque(a_upper * b_upper) - product);
    let error = opaque(first + (a_upper * b_lower + a_lower * b_upper)) + a_lower * b_lower;
    return vec2f(product, error + (a.x * b.y + a.y * b.x));
}
