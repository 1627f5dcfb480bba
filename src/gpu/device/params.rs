//! What every kernel is told: the host's twin of `shaders/common/params.wgsl`.

/// One entry of the uniform buffer. Field by field as in the shader, where the comments are; a test compares the offsets.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[allow(missing_docs)]
pub struct Params {
    pub n_strata: u32,
    pub n_components: u32,
    pub component_quads: u32,
    pub feature_quads: u32,
    pub rank: u32,
    pub side: u32,
    pub strata: u32,
    pub all_pairs: u32,
    pub sampler: u32,
    pub first_pair: u32,
    pub n_pairs: u32,
    pub first_sample: u32,
    pub chunk_samples: u32,
    pub rows_per_pair: u32,
    pub n_samples: u32,
    pub block_size: u32,
    pub group_size: u32,
    pub n_groups: u32,
    pub out_groups: u32,
    pub n_replicates: u32,
    pub stein: u32,
    pub teacher_components: u32,
    pub teacher_quads: u32,
    pub own_rows: u32,
    pub zero: u32,
    pub extra: f32,
    pub first_leaf: u32,
    pub end_leaf: u32,
    pub totals_at: u32,
    pub node_starts: u32,
    pub node_quads: u32,
    pub node_at: u32,
    pub net_size: u32,
    pub most_walls: u32,
}

/// Names and offsets of [`Params`], for the test that compares them with the shader's.
pub fn offsets() -> Vec<(&'static str, usize)> {
    macro_rules! offsets {
        ($($field:ident),*) => { vec![$((stringify!($field), std::mem::offset_of!(Params, $field))),*] };
    }
    offsets!(
        n_strata,
        n_components,
        component_quads,
        feature_quads,
        rank,
        side,
        strata,
        all_pairs,
        sampler,
        first_pair,
        n_pairs,
        first_sample,
        chunk_samples,
        rows_per_pair,
        n_samples,
        block_size,
        group_size,
        n_groups,
        out_groups,
        n_replicates,
        stein,
        teacher_components,
        teacher_quads,
        own_rows,
        zero,
        extra,
        first_leaf,
        end_leaf,
        totals_at,
        node_starts,
        node_quads,
        node_at,
        net_size,
        most_walls
    )
}

/// Distance between entries of the uniform buffer: the largest alignment that WebGPU allows an adapter to ask for.
pub const STRIDE: usize = 256;

/// The bytes of a uniform buffer of these entries.
pub fn bytes(entries: &[Params]) -> Vec<u8> {
    let mut out = vec![0; entries.len() * STRIDE];
    for (slot, entry) in out.chunks_exact_mut(STRIDE).zip(entries) {
        slot[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(entry));
    }
    out
}
