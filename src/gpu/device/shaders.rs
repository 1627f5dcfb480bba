//! The kernels in their variants, the parts of each, and the one function that composes a module from `shaders/`.

use super::fused::{Fused, Sharing};
use super::params::Kind;
use super::unroll::{Names, unroll};

/// A kernel in one of its variants. `half`: draws are stored in half precision; `lanes`: invocations per row, 1 or 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kernel {
    // Draws.
    Draw { half: bool },
    Sobol { half: bool },
    Scrambles,
    Axes,
    // Per row.
    Origin,
    Logits { tile: Tile, half: bool },
    Softmax { lanes: usize },
    Posterior { tile: Tile },
    Statistics { lanes: usize, half: bool },
    Projections { tile: Tile },
    Centre { lanes: usize },
    Distance { tile: Tile },
    Nearest,
    // Sums of rows.
    BlockSums,
    Coefficients,
    ScoreFunction { half: bool },
    Scatter { tile: Tile, half: bool },
    Fold,
    Table { texture: bool },
    Fused(Fused),
    // From sums to means.
    Total,
    Join,
    OwnRows,
    Finish,
    Update,
    Walls,
    Cholesky,
    Blend,
    // Piecewise polynomials.
    Cells,
    Hermite,
    Gram { tile: Tile },
    ReverseDiffusion,
    // Known answers and speed limits.
    SobolWords,
    Words,
    Roof,
    Copy,
}

/// The tile of a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// 32 or 64.
    pub columns: usize,
    /// Whether a subgroup of eight shares what it reads from textures, instead of workgroup memory.
    pub spread: bool,
}

/// The parts of a module: params, declarations of the variant, then files.
struct Recipe {
    name: &'static str,
    params: Kind,
    /// For kernels that read or write draws.
    half: Option<bool>,
    lanes: Option<usize>,
    tile: Option<Tile>,
    parts: Vec<&'static str>,
}

macro_rules! text {
    ($file:literal) => {
        include_str!(concat!("../../../shaders/", $file))
    };
}

const PHILOX: &str = text!("common/philox.wgsl");
const NORMAL: &str = text!("common/normal.wgsl");
const SOBOL: &str = text!("common/sobol.wgsl");
const BOTH_SIDES: &str = text!("common/both_sides.wgsl");
const WALLS: &str = text!("common/walls.wgsl");
const PRODUCT: &str = text!("common/term_product.wgsl");
const DISTANCE: &str = text!("common/term_distance.wgsl");

/// The left factor of a product.
const OF_DRAWS: &str = "alias Row4 = Draw4; // the left factor: draws\nconst ADD_OFFSETS = true;\n";
const OF_VECTORS: &str = "alias Row4 = vec4f; // the left factor: numbers in single precision\nconst ADD_OFFSETS = false;\n";

impl Recipe {
    fn new(name: &'static str, params: Kind, parts: &[&'static str]) -> Self {
        Self { name, params, half: None, lanes: None, tile: None, parts: parts.to_vec() }
    }

    fn half(self, half: bool) -> Self {
        Self { half: Some(half), ..self }
    }

    fn lanes(self, lanes: usize) -> Self {
        Self { lanes: Some(lanes), ..self }
    }

    /// Puts the code of a tile, whose sums have these terms, before all parts.
    fn tile(mut self, tile: Tile, term: &'static str) -> Self {
        let text = if tile.spread { text!("common/tile_spread.part") } else { text!("common/tile.part") };
        self.parts.splice(..0, [term, text]);
        Self { tile: Some(tile), ..self }
    }

    /// A tile of a product of rows with means, which a subgroup of eight reads from textures. (There are no textures of half-precision
    /// rows.)
    fn factors(mut self, tile: Tile, rows: &'static str) -> Self {
        let row_texture = tile.spread && self.half != Some(true);
        let row = if row_texture { text!("common/rows_texture.wgsl") } else { text!("common/rows_buffer.wgsl") };
        let mean = if tile.spread { text!("common/means_texture.wgsl") } else { text!("common/means_buffer.wgsl") };
        self.parts.splice(..0, [rows, row, mean]);
        self.tile(tile, PRODUCT)
    }
}

impl Kernel {
    #[rustfmt::skip]
    fn recipe(self) -> Recipe {
        let of = Recipe::new;
        match self {
            Kernel::Draw { half } => of("draw", Kind::Draws, &[PHILOX, NORMAL, text!("draw.wgsl")]).half(half),
            Kernel::Sobol { half } => of("sobol", Kind::Draws, &[PHILOX, NORMAL, SOBOL, text!("sobol.wgsl")]).half(half),
            Kernel::Scrambles => of("scrambles", Kind::Draws, &[PHILOX, SOBOL, text!("scrambles.wgsl")]),
            Kernel::Axes => of("axes", Kind::BothSides, &[BOTH_SIDES, text!("axes.wgsl")]),
            Kernel::Origin => of("origin", Kind::Rows, &[text!("common/exact.wgsl"), text!("origin.wgsl")]),
            Kernel::Logits { tile, half } => of("logits", Kind::Rows, &[text!("product.wgsl")]).half(half).factors(tile, OF_DRAWS),
            Kernel::Softmax { lanes } => of("softmax", Kind::Rows, &[NORMAL, text!("softmax.wgsl")]).lanes(lanes),
            Kernel::Posterior { tile } => of("posterior", Kind::Rows, &[text!("posterior.wgsl")]).factors(tile, OF_VECTORS),
            Kernel::Statistics { lanes, half } => of("statistics", Kind::Rows, &[text!("statistics.wgsl")]).half(half).lanes(lanes),
            Kernel::Projections { tile } => of("projections", Kind::Rows, &[text!("product.wgsl")]).factors(tile, OF_VECTORS),
            Kernel::Centre { lanes } => of("centre", Kind::Rows, &[text!("centre.wgsl")]).lanes(lanes),
            Kernel::Distance { tile } => of("distance", Kind::Rows, &[text!("distance.wgsl")]).tile(tile, DISTANCE),
            Kernel::Nearest => of("nearest", Kind::Rows, &[text!("nearest.wgsl")]),
            Kernel::BlockSums => of("block_sums", Kind::Sums, &[text!("block_sums.wgsl")]),
            Kernel::Coefficients => of("coefficients", Kind::Sums, &[text!("coefficients.wgsl")]),
            Kernel::ScoreFunction { half } => of("score_function", Kind::Sums, &[text!("score_function.wgsl")]).half(half),
            Kernel::Scatter { tile, half } => of("scatter", Kind::Sums, &[text!("scatter.wgsl")]).half(half).tile(tile, PRODUCT),
            Kernel::Fold => of("fold", Kind::Sums, &[text!("fold.wgsl")]),
            Kernel::Table { texture: false } => of("table", Kind::Rows, &[text!("common/table_buffer.wgsl"), text!("table.wgsl")]),
            Kernel::Table { texture: true } => of("table_texture", Kind::Rows, &[text!("common/table_texture.wgsl"), text!("table.wgsl")]),
            Kernel::Fused(_) => of("fused", Kind::Fused, &[]).half(false),
            Kernel::Total => of("total", Kind::Totals, &[text!("common/of_groups.wgsl"), text!("total.wgsl")]),
            Kernel::Join => of("join", Kind::Totals, &[text!("common/of_nodes.wgsl"), text!("total.wgsl")]),
            Kernel::OwnRows => of("own_rows", Kind::Gradient, &[text!("own_rows.wgsl")]),
            Kernel::Finish => of("finish", Kind::Gradient, &[text!("finish.wgsl")]),
            Kernel::Update => of("update", Kind::Gradient, &[text!("update.wgsl")]),
            Kernel::Walls => of("walls", Kind::BothSides, &[BOTH_SIDES, WALLS, text!("walls.wgsl")]),
            Kernel::Cholesky => of("cholesky", Kind::BothSides, &[WALLS, text!("cholesky.wgsl")]),
            Kernel::Blend => of("blend", Kind::BothSides, &[WALLS, text!("blend.wgsl")]),
            Kernel::Cells => of("cells", Kind::Polynomials, &[text!("cells.wgsl")]),
            Kernel::Hermite => of("hermite", Kind::Polynomials, &[text!("hermite.wgsl")]),
            Kernel::Gram { tile } => of("gram", Kind::Polynomials, &[text!("gram.wgsl")]).tile(tile, PRODUCT),
            Kernel::ReverseDiffusion => of("reverse_diffusion", Kind::Polynomials, &[PHILOX, NORMAL, text!("reverse_diffusion.wgsl")]),
            Kernel::SobolWords => of("sobol_words", Kind::Draws, &[PHILOX, SOBOL, text!("sobol_words.wgsl")]),
            Kernel::Words => of("words", Kind::Count, &[PHILOX, NORMAL, text!("words.wgsl")]),
            Kernel::Roof => of("roof", Kind::Count, &[text!("roof.wgsl")]),
            Kernel::Copy => of("copy", Kind::Count, &[text!("copy.wgsl")]),
        }
    }

    /// The kind of params that the kernel reads.
    pub fn params(self) -> Kind {
        self.recipe().params
    }

    /// As in `logits_64_f16_spread`: columns of the tile or lanes per row, half precision, subgroups.
    pub fn name(self) -> String {
        if let Kernel::Fused(fused) = self {
            return fused.name();
        }
        let recipe = self.recipe();
        let number = recipe.lanes.or(recipe.tile.map(|tile| tile.columns)).map_or_else(String::new, |number| format!("_{number}"));
        let half = if recipe.half == Some(true) { "_f16" } else { "" };
        let spread = if recipe.tile.is_some_and(|tile| tile.spread) { "_spread" } else { "" };
        format!("{}{number}{half}{spread}", recipe.name)
    }

    /// The module: WGSL with one entry point, `main`.
    pub fn source(self) -> String {
        let recipe = self.recipe();
        let mut parts = Vec::new();
        parts.extend(
            recipe.half.map(|half| if half { "enable f16;\nalias Draw4 = vec4<f16>;\n" } else { "alias Draw4 = vec4f;\n" }.to_string()),
        );
        parts.push(recipe.params.wgsl());
        if let Some(lanes) = recipe.lanes {
            parts.push(format!("const LANES = {lanes}u; // invocations that share a row\n"));
            parts.push(text!("common/lanes.wgsl").into());
        }
        let quads = recipe.tile.map_or(0, |tile| tile.columns / 4);
        if recipe.tile.is_some() {
            parts.push(format!("const TILE_QUADS = {quads}u;\n"));
        }
        let tile = [("HALVES", 2), ("FOUR", 4), ("QUADS", quads), ("DEPTH", 4), ("BLOCKS", quads / 8)];
        let roof = [("LINKS", 16), ("CHAINS", 3)];
        let names = Names { counts: &[&tile[..], &roof].concat(), parts: &[] };
        parts.extend(recipe.parts.iter().map(|part| unroll(part, &names)));
        if let Kernel::Fused(fused) = self {
            parts.push(fused.text());
        }
        parts.join("\n")
    }

    /// The module with all features enabled that it uses beside the core of WGSL, as the standard requires. (Our compiler knows subgroups
    /// without.)
    pub fn standard_source(self) -> String {
        let spread = match self {
            Kernel::Fused(fused) => fused.sharing == Sharing::Spread,
            _ => self.recipe().tile.is_some_and(|tile| tile.spread),
        };
        format!("{}{}", if spread { "enable subgroups;\n" } else { "" }, self.source())
    }

    /// Every kernel in every variant.
    pub fn all() -> Vec<Self> {
        let alone = [
            Kernel::Scrambles,
            Kernel::Axes,
            Kernel::Origin,
            Kernel::Nearest,
            Kernel::BlockSums,
            Kernel::Coefficients,
            Kernel::Fold,
            Kernel::Total,
            Kernel::Join,
            Kernel::OwnRows,
            Kernel::Finish,
            Kernel::Update,
            Kernel::Walls,
            Kernel::Cholesky,
            Kernel::Blend,
            Kernel::Cells,
            Kernel::Hermite,
            Kernel::ReverseDiffusion,
            Kernel::SobolWords,
            Kernel::Words,
            Kernel::Roof,
            Kernel::Copy,
        ];
        let of_half = |half| [Kernel::Draw { half }, Kernel::Sobol { half }, Kernel::ScoreFunction { half }];
        let of_lanes = |lanes| {
            let statistics = [false, true].map(|half| Kernel::Statistics { lanes, half });
            [Kernel::Softmax { lanes }, Kernel::Centre { lanes }, statistics[0], statistics[1]]
        };
        let tiles = [32, 64].into_iter().flat_map(|columns| [false, true].map(|spread| Tile { columns, spread }));
        let of_tile = |tile| {
            let once = [Kernel::Projections { tile }, Kernel::Posterior { tile }, Kernel::Distance { tile }, Kernel::Gram { tile }];
            let stored = [false, true].into_iter().flat_map(move |half| [Kernel::Logits { tile, half }, Kernel::Scatter { tile, half }]);
            once.into_iter().chain(stored)
        };
        let mut all = alone.to_vec();
        all.extend([false, true].map(|texture| Kernel::Table { texture }));
        all.extend([false, true].into_iter().flat_map(of_half));
        all.extend([1, 16].into_iter().flat_map(of_lanes));
        all.extend(tiles.flat_map(of_tile));
        all.extend(Fused::all().map(Kernel::Fused));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> = Kernel::all().into_iter().map(Kernel::name).collect();
        assert_eq!(names.len(), Kernel::all().len());
        let tile = Tile { columns: 64, spread: true };
        assert_eq!(Kernel::Logits { tile, half: true }.name(), "logits_64_f16_spread");
        assert_eq!(Kernel::Softmax { lanes: 16 }.name(), "softmax_16");
    }
}
