// The components of both mixtures as a stratum uses them, under one index: n < k is the student's, k + j is the
// teacher's j-th.
@group(0) @binding(1) var<storage, read> student_means: array<vec4f>;      // (R, k, quads)
@group(0) @binding(2) var<storage, read> teacher_means: array<vec4f>;      // (R, K, quads)
@group(0) @binding(3) var<storage, read> student_origins: array<u32>;      // (pairs)
@group(0) @binding(4) var<storage, read> teacher_origins: array<u32>;      // (pairs)
@group(0) @binding(5) var<storage, read> student_offsets: array<f32>;      // (pairs, 4·component quads): logits at the centre
@group(0) @binding(6) var<storage, read> teacher_offsets: array<f32>;      // (pairs, 4·teacher quads)

// The difference of a component's mean to its side's origin, on one quad of coordinates.
fn difference(pair: u32, n: u32, quad: u32) -> vec4f {
    let quads = params.feature_quads;
    let replicate = pair / params.n_strata;
    if (n < params.n_components) {
        return student_means[(replicate * params.n_components + n) * quads + quad] - student_means[student_origins[pair] * quads + quad];
    }
    let l = replicate * params.teacher_components + n - params.n_components;
    return teacher_means[l * quads + quad] - teacher_means[teacher_origins[pair] * quads + quad];
}

fn difference_square(pair: u32, n: u32) -> f32 {
    var square = 0.0;
    for (var quad = 0u; quad < params.feature_quads; quad += 1u) {
        let delta = difference(pair, n, quad);
        square += dot(delta, delta);
    }
    return square;
}

// A component's logit at the centre, less that of its side's origin.
fn logit_at_centre(pair: u32, n: u32) -> f32 {
    if (n < params.n_components) {
        return student_offsets[pair * 4u * params.component_quads + n];
    }
    return teacher_offsets[pair * 4u * params.teacher_quads + n - params.n_components];
}
