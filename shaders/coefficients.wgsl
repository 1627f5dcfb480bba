// Sums over blocks of samples: of r_l (1 + ⟨μ_l − M, V⟩) in the Stein form, else of r_l (⟨μ_l − M, a⟩ + extra·½|a|²).
// One invocation: four components of one block. Twin of src/reference/reverse_fisher.rs.
@group(0) @binding(1) var<storage, read> responsibilities: array<vec4f>;   // (rows, component quads)
@group(0) @binding(2) var<storage, read> projections: array<vec4f>;        // (rows, component quads): ⟨μ_l − M, V⟩ or ⟨μ_l − M, a⟩
@group(0) @binding(3) var<storage, read> statistics: array<vec4f>;         // (rows, 2)
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;     // (chunk's pairs, blocks, component quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.component_quads;
    let quad = index % quads;
    let block = index / quads % blocks_per_pair();
    let pair = index / quads / blocks_per_pair();
    if (pair >= params.n_pairs) {
        return;
    }
    let first = block * params.block_size;
    let end = min(first + params.block_size, params.chunk_samples);
    var sum = vec4f();
    for (var sample = first; sample < end; sample += 1u) {
        let row = pair * params.rows_per_pair + sample;
        let own = statistics[2u * row + 1u];
        let base = select(params.extra * own.x, 1.0, params.stein == 1u);
        sum += own.y * (responsibilities[row * quads + quad] * (vec4f(base) + projections[row * quads + quad]));
    }
    partials[index] = sum;
}
