//! The fused kernel: its variants and their source.

use super::adapter::Adapter;
use super::unroll::{Names, unroll};

/// Widths in feature quads for which the fused kernel exists: rows are padded to one of them.
pub(crate) const QUADS: [usize; 8] = [1, 2, 3, 4, 6, 8, 12, 16];

/// The most samples in a cell.
pub(crate) const CELL: usize = 32;

/// How the invocations of a cell divide its work. It does not change the order of any sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// At most this many rows per invocation (1, 2 or 4; fewer if registers do not hold them); sums through workgroup memory.
    Memory(usize),
    /// A subgroup of eight for each cell, whose lanes also share what they read of the table, a texture.
    Spread,
}

/// All of them.
pub const SHARINGS: [Sharing; 4] = [Sharing::Memory(4), Sharing::Memory(2), Sharing::Memory(1), Sharing::Spread];

/// A variant of the fused kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fused {
    pub quads: usize,
    /// Samples in a cell: 8, 16 or 32.
    pub cell: usize,
    pub sharing: Sharing,
    /// Whether it also sums the score-function form of a row.
    pub mixed: bool,
}

/// The smallest width of a fused kernel that holds `quads` feature quads.
pub(crate) fn padded_quads(quads: usize) -> usize {
    QUADS.into_iter().find(|q| *q >= quads).unwrap_or(quads)
}

impl Sharing {
    /// The name of the choice: the end of the kernel's name, and its name in the cache.
    pub fn name(self) -> String {
        match self {
            Sharing::Memory(rows) => format!("memory{rows}"),
            Sharing::Spread => "spread".into(),
        }
    }

    /// The choice for an adapter without measurements.
    pub fn of(adapter: &Adapter) -> Self {
        if Sharing::Spread.runs_on(adapter) { Sharing::Spread } else { Sharing::Memory(4) }
    }

    /// Whether an adapter can run it.
    pub fn runs_on(self, adapter: &Adapter) -> bool {
        self != Sharing::Spread || adapter.subgroup_sizes == [8, 8]
    }

    /// As many rows as 128 registers hold (see `Fused::kept`) and `n_samples` fill.
    pub fn for_rows_of(self, quads: usize, n_samples: usize) -> Self {
        let fit = match quads {
            ..=3 => 4,
            4..=8 => 2,
            _ => 1,
        };
        match self {
            Sharing::Memory(rows) => Sharing::Memory(rows.min(fit).min((n_samples.next_power_of_two() / CELL).max(1))),
            Sharing::Spread => self,
        }
    }
}

impl Fused {
    /// Every variant of the kernel.
    pub fn all() -> impl Iterator<Item = Self> {
        let cells = |quads| [8, 16, CELL].into_iter().map(move |cell| (quads, cell));
        let sharings = |(quads, cell)| SHARINGS.into_iter().map(move |sharing| Self { quads, cell, sharing, mixed: false });
        let plain = QUADS.into_iter().flat_map(cells).flat_map(sharings);
        plain.filter(|f| f.sharing == f.sharing.for_rows_of(f.quads, f.cell_samples())).flat_map(|f| [f, Self { mixed: true, ..f }])
    }

    /// Samples that are enough for any number of rows, or so few that an invocation has one.
    fn cell_samples(self) -> usize {
        if self.cell == CELL { 4 * CELL } else { self.cell }
    }

    /// As in `fused_16x32_spread`: feature quads, samples in a cell, sharing; `mixed` if it sums two forms.
    pub fn name(self) -> String {
        format!("fused_{}x{}_{}{}", self.quads, self.cell, self.sharing.name(), if self.mixed { "_mixed" } else { "" })
    }

    /// Rows per invocation.
    fn rows(self) -> usize {
        match self.sharing {
            Sharing::Memory(rows) => rows,
            Sharing::Spread => self.cell / 8,
        }
    }

    /// Quads of an invocation's draws that stay in registers, beside the posterior means and the eight logits of each row. By a compiler
    /// for AMD cards, more than 128 registers spill.
    fn kept(self) -> usize {
        (28 / self.rows()).saturating_sub(self.quads + 4).min(self.quads)
    }

    /// Invocations per cell.
    fn lanes(self) -> usize {
        self.cell / self.rows()
    }

    fn workgroup(self) -> usize {
        match self.sharing {
            Sharing::Memory(_) => self.cell,
            Sharing::Spread => 64,
        }
    }

    /// Columns of the table: ε by coordinate, and offsets, in whole blocks of eight.
    pub fn columns(self) -> usize {
        (4 * self.quads + 1).next_multiple_of(8)
    }

    /// Cells per workgroup.
    pub fn cells_per_workgroup(self) -> usize {
        self.workgroup() / self.lanes()
    }

    /// Rows of a pair are padded to a multiple of this, so that all cells of a workgroup belong to one pair unless every cell reads for
    /// itself.
    pub fn unit(self) -> usize {
        if self.sharing == Sharing::Spread { self.cell } else { self.cell * self.cells_per_workgroup() }
    }

    /// The source of the kernel, without the alias of draws and the params.
    pub fn text(self) -> String {
        let (features, rows) = (4 * self.quads, self.rows());
        let lanes = self.lanes();
        let spread = self.sharing == Sharing::Spread;
        let counts = [
            ("QUADS", self.quads),
            ("FEATURES", features),
            ("ROWS", rows),
            ("EIGHT", 2),
            ("BLOCKS", self.columns() / 8),
            ("KEPT_QUADS", self.kept()),
            ("KEPT", 4 * self.kept()),
            ("LEVELS", lanes.ilog2() as usize - 2),
            ("SPREAD", usize::from(spread)),
            ("MIXED", usize::from(self.mixed)),
        ];
        let fetch =
            if spread { include_str!("../../../shaders/fused/spread.part") } else { include_str!("../../../shaders/fused/plain.part") };
        let fetch = fetch.replace("OFFSET_BLOCK", &(features / 8).to_string());
        let tree = match self.sharing {
            Sharing::Memory(_) => include_str!("../../../shaders/fused/tree_memory.part"),
            Sharing::Spread => include_str!("../../../shaders/fused/tree_shuffle.part"),
        };
        let mut parts = sections(&fetch);
        parts.extend([("tree", tree), ("mean", include_str!("../../../shaders/fused/mean.part"))]);
        let mut out = String::new();
        for (name, value) in [counts[0], counts[1], counts[2], ("CELL", self.cell), ("WORKGROUP", self.workgroup())] {
            out.push_str(&format!("const {name} = {value}u;\n"));
        }
        if !spread {
            out.push_str("var<workgroup> lane_sums: array<vec4f, WORKGROUP>;\n");
        }
        // If all cells of a workgroup belong to one pair, the table is the same for all lanes, and the compiler should see that.
        let pair_cell = if spread { "own_cell" } else { "first_cell" };
        let template = include_str!("../../../shaders/fused.wgsl")
            .replace("PAIR_CELL", pair_cell)
            .replace("TREE", &pairwise(&(0..rows).map(|r| format!("sum_{r}")).collect::<Vec<_>>()));
        out + &unroll(&template, &Names { counts: &counts, parts: &parts })
    }
}

/// The sections of a file: each begins with a line `//* part name`.
fn sections(text: &str) -> Vec<(&str, &str)> {
    text.split("//* part ").skip(1).map(|part| part.split_once('\n').unwrap_or((part, ""))).collect()
}

/// The sum of terms (a power of two of them) as a pairwise tree.
fn pairwise(terms: &[String]) -> String {
    match terms {
        [one] => one.clone(),
        _ => {
            let (left, right) = terms.split_at(terms.len() / 2);
            format!("({} + {})", pairwise(left), pairwise(right))
        }
    }
}
