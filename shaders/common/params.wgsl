// What every kernel is told. Twin of src/gpu/params.rs; a test compares the offsets.
//
// A row is one sample of one stratum of one replicate; a pair is a (replicate, stratum). A chunk holds the same range of samples of
// several consecutive pairs, `rows_per_pair` rows each (a multiple of 64, or of the fused kernel's unit, so that a tile stays in one pair; the surplus has weight 0).
// A quad is four consecutive numbers of a row of means, draws or logits: rows are padded to whole quads.
struct Params {
    n_strata: u32,
    n_components: u32,
    component_quads: u32,
    feature_quads: u32,
    rank: u32,
    side: u32,           // 0 student, 1 teacher
    strata: u32,         // the side whose means are the centres
    all_pairs: u32,
    sampler: u32,        // 0 independent or Sobol, 1 antithetic, 2 table of nodes
    first_pair: u32,
    n_pairs: u32,
    first_sample: u32,
    chunk_samples: u32,
    rows_per_pair: u32,
    n_samples: u32,
    block_size: u32,
    group_size: u32,
    n_groups: u32,
    out_groups: u32,     // n_groups, or 1 for the total over groups
    n_replicates: u32,
    stein: u32,          // 1: coefficients of the Stein form, 0: of the forms that need the covariance times a
    teacher_components: u32,
    teacher_quads: u32,
    own_rows: u32,       // 1: rows of the gradient have a part that their own stratum owns
    zero: u32,           // 0, but no compiler knows: see common/exact.wgsl
    extra: f32,          // times ½|a|² is added to ⟨μ − M, a⟩ (score function)
    first_leaf: u32,     // the groups that are added up: from here …
    end_leaf: u32,       // … to here
    totals_at: u32,      // where their total goes
    node_starts: u32,    // bit g: what a device has added up begins at group g
    node_quads: u32,     // quads of such a node
    node_at: u32,        // where in a node these sums are
    net_size: u32,       // points of a Sobol net: a power of two
    most_walls: u32,     // a stratum with more walls keeps to Stein's form
}

@group(0) @binding(0) var<uniform> params: Params;

// Dispatches of more than 65535 workgroups are folded into two dimensions.
fn workgroup_index(group: vec3u, groups: vec3u) -> u32 {
    return group.y * groups.x + group.x;
}

fn pair_of_row(row: u32) -> u32 {
    return params.first_pair + row / params.rows_per_pair;
}

fn n_rows() -> u32 {
    return params.n_pairs * params.rows_per_pair;
}

fn blocks_per_pair() -> u32 {
    return (params.chunk_samples + params.block_size - 1u) / params.block_size;
}

// The groups of samples that this chunk touches.
fn first_group() -> u32 {
    return params.first_sample / params.group_size;
}

fn chunk_groups() -> u32 {
    return (params.first_sample + params.chunk_samples - 1u) / params.group_size + 1u - first_group();
}

// One over the number of samples behind an output group; the nodes of a table have weights that sum to one.
fn group_normaliser(group: u32) -> f32 {
    if (params.sampler == 2u) {
        return 1.0;
    }
    if (params.out_groups == 1u) {
        return 1.0 / f32(params.n_samples);
    }
    return 1.0 / f32(min(params.group_size, params.n_samples - group * params.group_size));
}
