// Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011). Twin of src/random/philox.rs.

// High and low word of a·b.
fn multiply_wide(a: u32, b: u32) -> vec2u {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let cross = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2u((a >> 16u) * (b >> 16u) + (middle >> 16u) + (cross >> 16u), a * b);
}

fn philox(start: vec4u, start_key: vec2u) -> vec4u {
    var counter = start;
    var key = start_key;
    for (var round = 0u; round < 10u; round += 1u) {
        let a = multiply_wide(0xD2511F53u, counter.x);
        let b = multiply_wide(0xCD9E8D57u, counter.z);
        counter = vec4u(b.x ^ counter.y ^ key.x, b.y, a.x ^ counter.w ^ key.y, a.y);
        key += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}
