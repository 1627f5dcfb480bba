//! The parameters of kernels: a small struct for each kind of kernel, in Rust and in WGSL from one source, and their entries in a uniform
//! buffer.
//!
//! A row is one sample of one stratum of one replicate; a pair is a (replicate, stratum). A chunk holds the same range of samples of
//! several consecutive pairs, `rows_per_pair` rows each (a multiple of 64, or of the fused kernel's unit, so that a tile stays in one pair;
//! surplus rows have weight 0). A quad is four consecutive numbers of a row of means, draws or logits: rows are padded to whole quads.

/// The struct that a kernel reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Draws,
    Rows,
    Sums,
    Fused,
    BothSides,
    Totals,
    Gradient,
    Polynomials,
    Count,
}

/// One of the structs below.
pub(crate) trait Params: bytemuck::Pod {
    const KIND: Kind;
}

macro_rules! params {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $what:literal])* $field:ident: $type:ident,)* }) => {
        $(#[doc = $doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        #[allow(missing_docs)]
        pub(crate) struct $name {
            $($(#[doc = $what])* pub $field: $type,)*
        }

        impl Params for $name {
            const KIND: Kind = Kind::$name;
        }

        impl $name {
            const WGSL: &str = concat!(
                $("//", $doc, "\n",)*
                "struct Params {\n",
                $("    ", stringify!($field), ": ", stringify!($type), ",", $(" //", $what,)* "\n",)*
                "}\n",
            );
            const LAYOUT: Layout =
                Layout { fields: &[$((stringify!($field), std::mem::offset_of!($name, $field))),*], size: size_of::<$name>() };
        }
    };
}

params! {
    /// For kernels that draw the rows of a chunk.
    Draws {
        n_strata: u32,
        feature_quads: u32,
        rank: u32,
        first_pair: u32,
        n_pairs: u32,
        rows_per_pair: u32,
        first_sample: u32,
        /// samples of each pair in this chunk
        chunk_samples: u32,
        /// 0 independent or Sobol, 1 antithetic, 2 table of nodes
        sampler: u32,
        /// points of a Sobol net: a power of two
        net_size: u32,
    }
}

params! {
    /// For kernels that process each row of a chunk by itself, for one side.
    Rows {
        n_strata: u32,
        n_components: u32,
        component_quads: u32,
        feature_quads: u32,
        /// 0 student, 1 teacher
        side: u32,
        /// the side whose means are the centres
        strata: u32,
        all_pairs: u32,
        first_pair: u32,
        n_pairs: u32,
        rows_per_pair: u32,
        /// 1: for coefficients of the Stein form, 0: for the forms that need the covariance times a
        stein: u32,
        /// always 0, but unknown to the compiler: see common/exact.wgsl
        zero: u32,
    }
}

params! {
    /// For kernels that sum the rows of a chunk over blocks and groups of samples.
    Sums {
        n_strata: u32,
        n_components: u32,
        component_quads: u32,
        feature_quads: u32,
        /// quads of one sum: those of components or of features, or 1
        sum_quads: u32,
        first_pair: u32,
        n_pairs: u32,
        rows_per_pair: u32,
        first_sample: u32,
        /// samples of each pair in this chunk
        chunk_samples: u32,
        block_size: u32,
        group_size: u32,
        n_groups: u32,
        /// 1: coefficients of the Stein form, 0: of the forms that need the covariance times a
        stein: u32,
        /// times ½|a|² is added to ⟨μ − M, a⟩ (score function)
        extra: f32,
    }
}

params! {
    /// For the fused kernel.
    Fused {
        component_quads: u32,
        /// 0 student, 1 teacher
        side: u32,
        all_pairs: u32,
        first_pair: u32,
        n_pairs: u32,
        rows_per_pair: u32,
        /// samples of each pair in this chunk
        chunk_samples: u32,
        /// samples of a cell
        block_size: u32,
        /// always 0, but unknown to the compiler
        zero: u32,
    }
}

params! {
    /// For kernels that read the components of both sides around a range of pairs.
    BothSides {
        n_strata: u32,
        n_components: u32,
        component_quads: u32,
        teacher_components: u32,
        teacher_quads: u32,
        feature_quads: u32,
        rank: u32,
        first_pair: u32,
        n_pairs: u32,
        /// a stratum with more walls uses Stein's form
        most_walls: u32,
        /// the number of groups, or 1 for the total over groups
        out_groups: u32,
        n_samples: u32,
        group_size: u32,
        /// 1: samples are nodes with weights that sum to one
        are_nodes: u32,
    }
}

params! {
    /// For totals over groups, or over nodes that devices have summed.
    Totals {
        n_rows: u32,
        /// of a row
        quads: u32,
        n_groups: u32,
        /// the first group to add …
        first_leaf: u32,
        /// … and the end of the range
        end_leaf: u32,
        /// the place of the total
        totals_at: u32,
        /// bit g: a node begins at group g
        node_starts: u32,
        /// quads of a node
        node_quads: u32,
        /// the place of these sums in a node
        node_at: u32,
    }
}

params! {
    /// For kernels from sums over groups to gradients and means.
    Gradient {
        n_replicates: u32,
        n_strata: u32,
        n_components: u32,
        component_quads: u32,
        teacher_components: u32,
        teacher_quads: u32,
        feature_quads: u32,
        /// the number of groups, or 1 for the total over groups
        out_groups: u32,
        n_samples: u32,
        group_size: u32,
        /// 1: samples are nodes with weights that sum to one
        are_nodes: u32,
        /// 1: the Stein form
        stein: u32,
        /// 1: rows have a part from their own stratum alone
        own_rows: u32,
        /// this device's pairs
        first_pair: u32,
        n_pairs: u32,
    }
}

params! {
    /// For piecewise polynomials. F has one row for each point: its features, then its targets.
    Polynomials {
        rank: u32,
        /// of a point
        rank_quads: u32,
        n_cells: u32,
        n_features: u32,
        /// of a row of F
        column_quads: u32,
        n_rows: u32,
        n_jobs: u32,
        rows_per_job: u32,
        /// 1: rows of F have targets
        has_targets: u32,
    }
}

params! {
    /// For kernels that need one number.
    Count {
        n: u32,
    }
}

/// Names and offsets of a struct's fields, and its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub fields: &'static [(&'static str, usize)],
    pub size: usize,
}

impl Kind {
    /// The struct in WGSL, and its layout on the host.
    fn declared(self) -> (&'static str, Layout) {
        match self {
            Kind::Draws => (Draws::WGSL, Draws::LAYOUT),
            Kind::Rows => (Rows::WGSL, Rows::LAYOUT),
            Kind::Sums => (Sums::WGSL, Sums::LAYOUT),
            Kind::Fused => (Fused::WGSL, Fused::LAYOUT),
            Kind::BothSides => (BothSides::WGSL, BothSides::LAYOUT),
            Kind::Totals => (Totals::WGSL, Totals::LAYOUT),
            Kind::Gradient => (Gradient::WGSL, Gradient::LAYOUT),
            Kind::Polynomials => (Polynomials::WGSL, Polynomials::LAYOUT),
            Kind::Count => (Count::WGSL, Count::LAYOUT),
        }
    }

    /// For the test that compares it with the layout in WGSL.
    pub fn layout(self) -> Layout {
        self.declared().1
    }

    /// The struct in WGSL, its binding, and its functions that several kernels use.
    pub fn wgsl(self) -> String {
        let own: &[&str] = match self {
            Kind::Draws | Kind::Rows => &[include_str!("../../../shaders/common/rows.wgsl")],
            Kind::Sums => &[include_str!("../../../shaders/common/blocks.wgsl"), include_str!("../../../shaders/common/groups.wgsl")],
            Kind::Fused => &[include_str!("../../../shaders/common/blocks.wgsl")],
            Kind::BothSides | Kind::Gradient => &[include_str!("../../../shaders/common/normaliser.wgsl")],
            Kind::Totals | Kind::Polynomials | Kind::Count => &[],
        };
        let binding = "@group(0) @binding(0) var<uniform> params: Params;\n";
        let all = [self.declared().0, binding, include_str!("../../../shaders/common/workgroups.wgsl")];
        [&all[..], own].concat().join("\n")
    }
}

/// Distance between entries of the uniform buffer: the largest alignment that WebGPU allows an adapter to ask for.
pub(crate) const STRIDE: usize = 256;

/// An entry of a uniform buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub kind: Kind,
    /// The offset in bytes.
    pub offset: u32,
}

/// The entries of a uniform buffer that is still to be created.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// The contents of the buffer.
    pub bytes: Vec<u8>,
}

impl Entries {
    /// Adds an entry.
    pub(crate) fn push<P: Params>(&mut self, params: P) -> Entry {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytemuck::bytes_of(&params));
        self.bytes.resize(offset + STRIDE, 0);
        Entry { kind: P::KIND, offset: offset as u32 }
    }
}

/// The bytes of a uniform buffer with one entry.
pub(crate) fn one<P: Params>(params: P) -> (Vec<u8>, Entry) {
    let mut entries = Entries::default();
    let entry = entries.push(params);
    (entries.bytes, entry)
}
