// One random word → one standard normal, by the inverse of the distribution function. Twin of src/random/normal.rs.
// An integer front end, one logarithm and two polynomials of our own: WGSL promises little about its built-in log.

// ln y for positive normal y, absolute error below 1e-7 near 1.
fn natural_log(y: f32) -> f32 {
    let bits = bitcast<u32>(y) - 0x3f3504f3u; // √½ becomes the start of an octave
    let exponent = f32(bitcast<i32>(bits) >> 23u);
    let t = bitcast<f32>((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0;
    var s = 8.671972901e-02;
    s = s * t - 1.437899321e-01;
    s = s * t + 1.497805566e-01;
    s = s * t - 1.656442732e-01;
    s = s * t + 1.995487064e-01;
    s = s * t - 2.500169873e-01;
    s = s * t + 3.333416581e-01;
    return exponent * 0.6933594 + (exponent * -2.1219444e-4 + (t + t * t * (t * s - 0.5)));
}

fn central_quotient(x: f32) -> f32 {
    var s = 9.019532343e-10;
    s = s * x - 2.572650537e-08;
    s = s * x + 2.745028382e-07;
    s = s * x - 9.200754221e-07;
    s = s * x - 6.115514680e-06;
    s = s * x + 5.431878890e-05;
    s = s * x + 1.414778380e-04;
    s = s * x - 3.360872390e-03;
    s = s * x + 6.011494435e-03;
    s = s * x + 3.504886329e-01;
    return s * x + 1.594348192e+00;
}

fn tail_quotient(x: f32) -> f32 {
    var s = 1.408328899e-05;
    s = s * x - 8.120409620e-05;
    s = s * x - 1.824440405e-04;
    s = s * x + 3.044532845e-03;
    s = s * x - 1.262853667e-02;
    s = s * x + 2.928812802e-02;
    s = s * x - 4.492364079e-02;
    s = s * x + 4.989596084e-02;
    s = s * x + 1.389136434e+00;
    return s * x + 3.303525686e+00;
}

fn normal(word: u32) -> f32 {
    let m = (word << 1u) | 1u; // p = m / 2³³
    let zeros = countLeadingZeros(m);
    let p = f32((m << zeros) >> 8u) * bitcast<f32>((102u - zeros) << 23u); // 24 bits: exact
    let h = 0u - m; // 1 − 2p = h / 2³²
    let x = (f32(h >> 16u) * 65536.0 + f32(h & 0xffffu)) * bitcast<f32>(95u << 23u);
    let w = -natural_log(4.0 * p * (1.0 - p));
    let z = x * select(tail_quotient(sqrt(max(w, 0.0)) - 2.5), central_quotient(w - 1.0), w < 6.25);
    return bitcast<f32>(bitcast<u32>(z) | (word & 0x80000000u));
}

fn normals_of(words: vec4u) -> vec4f {
    return vec4f(normal(words.x), normal(words.y), normal(words.z), normal(words.w));
}
