// One side's coefficients from draws, without a buffer of (rows × components): two passes over the components. The first takes them eight
// at a time and finds the posterior mean, by a softmax that rescales as it goes; the second takes each logit again, makes
// r_l (1 + ⟨μ_l − M, V⟩) of it, V = centre − M, and adds it up over the samples of a cell. Twin of src/reference/reverse_fisher.rs.
//
// A cell is CELL samples of one pair, by LANES invocations with ROWS consecutive samples each. Its sum is a pairwise tree over the bits of
// the sample's index, lowest first, and every other sum runs in order: no bit depends on ROWS or LANES, or on how the table is kept and read.
//
// src/gpu/device/unroll.rs repeats the lines between `//* for` and `//* end`: c is a coordinate, q its quad, r a row, h a quad of the eight.
@group(0) @binding(1) var<storage, read> z: array<Draw4>;                  // (rows, QUADS)
@group(0) @binding(2) var<storage, read> weight: array<f32>;               // (rows)
//* include table
@group(0) @binding(4) var<storage, read> frames: array<vec4f>;             // (2, pairs, QUADS)
@group(0) @binding(5) var<storage, read_write> partials: array<f32>;       // (chunk's pairs, cells, 4·component quads)
//* for _ in MIXED
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;         // (chunk's pairs, cells, FEATURES): V + f z, the teacher's less the student's
//* end

const LANES = CELL / ROWS;
// Beyond every index of the table: a compiler that sees it knows that no address overflows.
const MOST = 0xfffffu;
// Exponentials are powers of two: the scale is part of a multiply-add.
const LOG2_E = 1.44269504;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
//* for _ in SPREAD
    @builtin(subgroup_invocation_id) sub: u32,
//* end
) {
    let cells_per_pair = params.rows_per_pair / CELL;
    let first_cell = min(workgroup_index(group, groups) * (WORKGROUP / LANES), params.n_pairs * cells_per_pair - 1u);
    let own_cell = min(first_cell + lane / LANES, params.n_pairs * cells_per_pair - 1u);
    let local_pair = PAIR_CELL / cells_per_pair;
    let block = own_cell % cells_per_pair;
    let own = workgroup_index(group, groups) * (WORKGROUP / LANES) + lane / LANES == own_cell && block < blocks_per_pair();
    let first = own_cell * CELL + lane % LANES * ROWS;
    let quads = params.component_quads;
    let start = local_pair * ((quads + 1u) / 2u * 2u);

//* for r in ROWS
//* for q in QUADS
    var m_$r_$q = vec4f();
//* end
    var top_$r = 0.0; // the largest logit times log₂e so far; the origin's logit is 0
    var mass_$r = 0.0;
//* end
//* include begin
    for (var quad = 0u; quad < quads; quad += 2u) {
        let at = (start + quad) & MOST;
//* include offsets
//* for r in ROWS
//* for h in EIGHT
        var x_$r_$h = offset_$h;
//* end
//* end
//* include logits
//* for r in ROWS
        let both_$r = max(x_$r_0, x_$r_1);
        let next_$r = max(top_$r, LOG2_E * max(max(both_$r.x, both_$r.y), max(both_$r.z, both_$r.w)));
        let scale_$r = exp2(top_$r - next_$r);
        // The rounding of the product is a factor common to the row, and it is far from ∞ for logits up to 10⁹.
        let p_$r_0 = exp2(fma(x_$r_0, vec4f(LOG2_E), vec4f(-next_$r)));
        let p_$r_1 = exp2(fma(x_$r_1, vec4f(LOG2_E), vec4f(-next_$r)));
        top_$r = next_$r;
        mass_$r = fma(mass_$r, scale_$r, p_$r_0.x) + p_$r_0.y + p_$r_0.z + p_$r_0.w + p_$r_1.x + p_$r_1.y + p_$r_1.z + p_$r_1.w;
//* end
//* include means
    }

    // V = e − M replaces M; and ⟨M, V⟩: if one component has all the responsibility, its ⟨μ − M, V⟩ is exactly zero.
    let frame = (params.side * params.all_pairs + params.first_pair + local_pair) * QUADS;
//* for r in ROWS
    let per_mass_$r = 1.0 / mass_$r;
    let counts_$r = vec4<bool>(weight[first + $ru] > 0.0);
    var mean_$r = 0.0;
//* for _ in MIXED
    var energy_$r = 0.0; // f = ½|V|² − ½|e|²
//* end
//* end
//* for c in FEATURES
//* every 4 c
    let frame_$c/4 = frames[frame + $c/4u];
//* end
//* for r in ROWS
    m_$r_$c/4.$c%4 *= per_mass_$r;
    let v_$r_$c = frame_$c/4.$c%4 - m_$r_$c/4.$c%4;
    mean_$r = fma(v_$r_$c, m_$r_$c/4.$c%4, mean_$r);
//* for _ in MIXED
    energy_$r = fma(-0.5 * m_$r_$c/4.$c%4, v_$r_$c + frame_$c/4.$c%4, energy_$r);
//* end
    m_$r_$c/4.$c%4 = v_$r_$c;
//* end
//* end
//* for _ in MIXED

    // The score function's form of the row. The student's dispatch comes first. (The condition always holds, but no compiler knows: they
    // would read all draws beforehand, for which there are no registers.)
//* for q in QUADS
    if (params.zero == 0u) {
//* include draws
//* for r in ROWS
        let sum_$r = select(vec4f(), fma(vec4f(energy_$r), z_$r_$q, m_$r_$q), counts_$r);
//* end
        let sum = TREE;
//* include tree
        if (own && lane % LANES < 4u) {
            let at = (local_pair * blocks_per_pair() + block) * FEATURES + 4u * $qu + channel;
            scores[at] = total - select(0.0, scores[at], params.side == 1u);
        }
    }
//* end
//* end

    for (var quad = 0u; quad < quads; quad += 1u) {
        let at = (start + quad) & MOST;
//* include offset
//* for r in ROWS
        var x_$r = offset;
        var u_$r = vec4f();
//* end
//* for c in FEATURES
//* include again
        {
//* include column
//* for r in ROWS
            x_$r = fma(vec4f(z_$r_$c/4.$c%4), e, x_$r);
            u_$r = fma(vec4f(m_$r_$c/4.$c%4), e, u_$r);
//* end
        }
//* end
//* for r in ROWS
        let r_$r = per_mass_$r * exp2(fma(x_$r, vec4f(LOG2_E), vec4f(-top_$r)));
        // Padding rows add nothing. (Compilers reorder sums of products, but not sums of choices.)
        let sum_$r = select(vec4f(), fma(r_$r, u_$r - vec4f(mean_$r), r_$r), counts_$r);
//* end
        let sum = TREE;
//* include tree
        if (own && lane % LANES < 4u) {
            partials[4u * ((local_pair * blocks_per_pair() + block) * quads + quad) + channel] = total;
        }
    }
}
