// Scrambled Sobol points by address. Twin of src/random/sobol.rs. Bits are reversed until the end: the coarsest digit
// is lowest.
const SOBOL_QUADS = 512u;         // coordinates / 4 that have direction numbers
const SCRAMBLES = 0x80000000u;    // blocks of words from here on
const LOW = 256u;                 // points of a net that are looked up; the others are the exclusive or of two of them

// Coordinates 4·quad … 4·quad + 3 of point `index`, from the table (min(LOW, net) points, then multiples of LOW; `quads`).
fn sobol_point(index: u32, quad: u32, quads: u32) -> vec4u {
    return points[index % LOW * quads + quad] ^ points[(min(params.net_size, LOW) + index / LOW) * quads + quad];
}

// The scrambles of coordinates 2·block and 2·block + 1 of a net, seed and shift of each: words as for any draw, at
// their own addresses.
fn sobol_scramble(net: u32, stratum: u32, step: u32, block: u32, key: vec2u) -> vec4u {
    return philox(vec4u(SCRAMBLES + block, net, stratum, step), key);
}

// The words of four coordinates; each scramble serves two of them.
fn sobol_scrambled(point: vec4u, first: vec4u, second: vec4u) -> vec4u {
    let seed = vec4u(first.xz, second.xz);
    var x = point;
    x ^= x * 0x3d20adeau;
    x += seed;
    x *= (seed >> vec4u(16u)) | vec4u(1u);
    x ^= x * 0x05526c56u;
    x ^= x * 0x53a22864u;
    return reverseBits(x ^ vec4u(first.yw, second.yw));
}

// The nets that have samples in a chunk.
fn first_net() -> u32 {
    return params.first_sample / params.net_size;
}

fn chunk_nets() -> u32 {
    return (params.first_sample + params.chunk_samples - 1u) / params.net_size + 1u - first_net();
}

fn sobol_quads() -> u32 {
    return min(params.feature_quads, SOBOL_QUADS);
}
