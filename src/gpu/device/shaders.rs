//! The WGSL that this crate can build: every kernel in its variants, put together from `shaders/` at compile time, or written out by
//! `unroll` when first asked for.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use super::fused::{Fused, Sharing};
use super::unroll::{Names, unroll};

/// A composed module with one entry point, `main`.
#[derive(Debug, Clone, Copy)]
pub struct Shader {
    pub name: &'static str,
    pub source: &'static str,
    /// The bindings after the uniform at 0: `r` read-only storage, `w` storage that is written, `t` a texture that is read, `s` one that is
    /// stored to.
    pub bindings: &'static str,
}

macro_rules! shader {
    ($name:literal, $bindings:literal, $($file:literal)*) => {
        Shader { name: $name, bindings: $bindings, source: concat!($(include_str!(concat!("../../../shaders/", $file)), "\n"),*) }
    };
}

/// Names end with the tile's columns or the lanes of a row, then with `_f16` where draws are stored in half precision.
#[rustfmt::skip]
pub const SHADERS: &[Shader] = &[
    shader!("draw", "rrrrww", "common/f32.wgsl" "common/params.wgsl" "common/philox.wgsl" "common/normal.wgsl" "draw.wgsl"),
    shader!("logits_32", "rrrrw", "common/f32.wgsl" "common/params.wgsl" "common/rows_draws.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "product.wgsl"),
    shader!("logits_64", "rrrrw", "common/f32.wgsl" "common/params.wgsl" "common/rows_draws.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "product.wgsl"),
    shader!("statistics_1", "rwrrrrw", "common/f32.wgsl" "common/params.wgsl" "common/lanes_1.wgsl" "common/lanes.wgsl" "statistics.wgsl"),
    shader!("statistics_16", "rwrrrrw", "common/f32.wgsl" "common/params.wgsl" "common/lanes_16.wgsl" "common/lanes.wgsl" "statistics.wgsl"),
    shader!("scatter_32", "rrrrrrrw", "common/f32.wgsl" "common/params.wgsl" "common/term_product.wgsl" "common/tile.part" "scatter.wgsl"),
    shader!("scatter_64", "rrrrrrrw", "common/f32.wgsl" "common/params.wgsl" "common/term_product.wgsl" "common/tile.part" "scatter.wgsl"),
    shader!("draw_f16", "rrrrww", "common/f16.wgsl" "common/params.wgsl" "common/philox.wgsl" "common/normal.wgsl" "draw.wgsl"),
    shader!("logits_32_f16", "rrrrw", "common/f16.wgsl" "common/params.wgsl" "common/rows_draws.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "product.wgsl"),
    shader!("logits_64_f16", "rrrrw", "common/f16.wgsl" "common/params.wgsl" "common/rows_draws.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "product.wgsl"),
    shader!("statistics_1_f16", "rwrrrrw", "common/f16.wgsl" "common/params.wgsl" "common/lanes_1.wgsl" "common/lanes.wgsl" "statistics.wgsl"),
    shader!("statistics_16_f16", "rwrrrrw", "common/f16.wgsl" "common/params.wgsl" "common/lanes_16.wgsl" "common/lanes.wgsl" "statistics.wgsl"),
    shader!("scatter_32_f16", "rrrrrrrw", "common/f16.wgsl" "common/params.wgsl" "common/term_product.wgsl" "common/tile.part" "scatter.wgsl"),
    shader!("scatter_64_f16", "rrrrrrrw", "common/f16.wgsl" "common/params.wgsl" "common/term_product.wgsl" "common/tile.part" "scatter.wgsl"),
    shader!("sobol", "rrrrrww", "common/f32.wgsl" "common/params.wgsl" "common/philox.wgsl" "common/normal.wgsl" "common/sobol.wgsl" "sobol.wgsl"),
    shader!("sobol_f16", "rrrrrww", "common/f16.wgsl" "common/params.wgsl" "common/philox.wgsl" "common/normal.wgsl" "common/sobol.wgsl" "sobol.wgsl"),
    shader!("scrambles", "rrrw", "common/params.wgsl" "common/philox.wgsl" "common/sobol.wgsl" "scrambles.wgsl"),
    shader!("axes", "rrrrrrww", "common/params.wgsl" "common/both_sides.wgsl" "axes.wgsl"),
    shader!("sobol_words", "rrw", "common/params.wgsl" "common/philox.wgsl" "common/sobol.wgsl" "sobol_words.wgsl"),
    shader!("table", "rrrw", "common/params.wgsl" "common/table_buffer.wgsl" "table.wgsl"),
    shader!("table_texture", "rrrs", "common/params.wgsl" "common/table_texture.wgsl" "table.wgsl"),
    shader!("origin", "rrrwwww", "common/params.wgsl" "common/exact.wgsl" "origin.wgsl"),
    shader!("projections_32", "rrrrw", "common/params.wgsl" "common/rows_vectors.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "product.wgsl"),
    shader!("posterior_32", "rrrrw", "common/params.wgsl" "common/rows_vectors.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "posterior.wgsl"),
    shader!("distance_32", "rrrw", "common/params.wgsl" "common/term_distance.wgsl" "common/tile.part" "distance.wgsl"),
    shader!("projections_64", "rrrrw", "common/params.wgsl" "common/rows_vectors.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "product.wgsl"),
    shader!("posterior_64", "rrrrw", "common/params.wgsl" "common/rows_vectors.wgsl" "common/term_product.wgsl" "common/tile.part" "common/rows_buffer.wgsl" "common/means_buffer.wgsl" "posterior.wgsl"),
    shader!("distance_64", "rrrw", "common/params.wgsl" "common/term_distance.wgsl" "common/tile.part" "distance.wgsl"),
    shader!("softmax_1", "wrw", "common/params.wgsl" "common/lanes_1.wgsl" "common/lanes.wgsl" "common/normal.wgsl" "softmax.wgsl"),
    shader!("softmax_16", "wrw", "common/params.wgsl" "common/lanes_16.wgsl" "common/lanes.wgsl" "common/normal.wgsl" "softmax.wgsl"),
    shader!("centre_1", "rww", "common/params.wgsl" "common/lanes_1.wgsl" "common/lanes.wgsl" "centre.wgsl"),
    shader!("centre_16", "rww", "common/params.wgsl" "common/lanes_16.wgsl" "common/lanes.wgsl" "centre.wgsl"),
    shader!("coefficients", "rrrw", "common/params.wgsl" "coefficients.wgsl"),
    shader!("score_function", "rrrrw", "common/f32.wgsl" "common/params.wgsl" "score_function.wgsl"),
    shader!("score_function_f16", "rrrrw", "common/f16.wgsl" "common/params.wgsl" "score_function.wgsl"),
    shader!("walls", "rrrrrrww", "common/params.wgsl" "common/both_sides.wgsl" "common/walls.wgsl" "walls.wgsl"),
    shader!("cholesky", "rrw", "common/params.wgsl" "common/walls.wgsl" "cholesky.wgsl"),
    shader!("blend", "rrrrrw", "common/params.wgsl" "common/walls.wgsl" "blend.wgsl"),
    shader!("block_sums", "rw", "common/params.wgsl" "block_sums.wgsl"),
    shader!("fold", "rw", "common/params.wgsl" "fold.wgsl"),
    shader!("total_pairs", "rw", "common/params.wgsl" "common/of_pairs.wgsl" "common/of_groups.wgsl" "total.wgsl"),
    shader!("total_scattered", "rw", "common/params.wgsl" "common/of_replicates.wgsl" "common/of_groups.wgsl" "total.wgsl"),
    shader!("join_pairs", "rw", "common/params.wgsl" "common/of_pairs.wgsl" "common/of_nodes.wgsl" "total.wgsl"),
    shader!("join_scattered", "rw", "common/params.wgsl" "common/of_replicates.wgsl" "common/of_nodes.wgsl" "total.wgsl"),
    shader!("own_rows", "rrrrrrrw", "common/params.wgsl" "own_rows.wgsl"),
    shader!("finish", "rrrrrw", "common/params.wgsl" "finish.wgsl"),
    shader!("update", "rrww", "common/params.wgsl" "update.wgsl"),
    shader!("nearest", "rw", "common/params.wgsl" "nearest.wgsl"),
    shader!("cells", "rrw", "common/params.wgsl" "cells.wgsl"),
    shader!("hermite", "rrrrrrw", "common/params.wgsl" "hermite.wgsl"),
    shader!("gram_32", "rrw", "common/params.wgsl" "common/term_product.wgsl" "common/tile.part" "gram.wgsl"),
    shader!("gram_64", "rrw", "common/params.wgsl" "common/term_product.wgsl" "common/tile.part" "gram.wgsl"),
    shader!("reverse_diffusion", "rrrrrrw", "common/params.wgsl" "common/philox.wgsl" "common/normal.wgsl" "reverse_diffusion.wgsl"),
    shader!("words", "rww", "common/params.wgsl" "common/philox.wgsl" "common/normal.wgsl" "words.wgsl"),
    shader!("roof", "w", "common/params.wgsl" "roof.wgsl"),
    shader!("copy", "rw", "common/params.wgsl" "copy.wgsl"),
];

/// The shader of that name.
///
/// # Panics
/// Where there is none: names are written in this crate only, and a test opens every kernel.
pub fn find(name: &str) -> &'static Shader {
    let fused = || Fused::all().find(|f| f.name() == name).map(written);
    named(name).map(expanded).or_else(fused).unwrap_or_else(|| panic!("no shader is named {name}"))
}

/// As [`find`], but of a product the variant by a subgroup of eight.
///
/// # Panics
/// As [`find`].
pub fn find_spread(name: &str) -> &'static Shader {
    match named(name).filter(|shader| shader.is_product()) {
        Some(product) => with_tile(product, true),
        None => find(name),
    }
}

/// Every composed module.
pub fn all() -> Vec<&'static Shader> {
    let spread = SHADERS.iter().filter(|shader| shader.is_product()).map(|shader| find_spread(shader.name));
    SHADERS.iter().map(expanded).chain(spread).chain(Fused::all().map(written)).collect()
}

fn named(name: &str) -> Option<&'static Shader> {
    SHADERS.iter().find(|shader| shader.name == name)
}

/// The tile of a product, through workgroup memory and by a subgroup of eight.
const TILE: &str = include_str!("../../../shaders/common/tile.part");
const SPREAD_TILE: &str = include_str!("../../../shaders/common/tile_spread.part");

/// The factors of a product; a subgroup of eight reads them from textures.
const ROWS: &str = include_str!("../../../shaders/common/rows_buffer.wgsl");
const MEANS: &str = include_str!("../../../shaders/common/means_buffer.wgsl");
const SPREAD_ROWS: &str = include_str!("../../../shaders/common/rows_texture.wgsl");
const SPREAD_MEANS: &str = include_str!("../../../shaders/common/means_texture.wgsl");

/// The shader with its repetitions written out.
fn expanded(shader: &'static Shader) -> &'static Shader {
    if shader.is_product() {
        return with_tile(shader, false);
    }
    if !shader.source.contains("//* ") {
        return shader;
    }
    kept(shader.name, shader.bindings, || unroll(shader.source, &Names { counts: &[("LINKS", 16), ("CHAINS", 3)], parts: &[] }))
}

/// A product with its tile written out, or in the variant by a subgroup of eight; its name has the tile's columns.
fn with_tile(product: &Shader, spread: bool) -> &'static Shader {
    let (name, template) = if spread { (format!("{}_spread", product.name), SPREAD_TILE) } else { (product.name.into(), TILE) };
    let textures = spread && product.source.contains(MEANS);
    // Rows in half precision have no texture of their kind.
    let row_texture = textures && !product.name.ends_with("_f16");
    let bindings = if row_texture {
        "ttrrw"
    } else if textures {
        "rtrrw"
    } else {
        product.bindings
    };
    kept(&name, bindings, || {
        let quads = if product.name.contains("_32") { 8 } else { 16 };
        let counts = [("HALVES", 2), ("FOUR", 4), ("QUADS", quads), ("DEPTH", 4), ("BLOCKS", quads / 8)];
        let tile = format!("const TILE_QUADS = {quads}u;\n{}", unroll(template, &Names { counts: &counts, parts: &[] }));
        let (rows, means) = (if row_texture { SPREAD_ROWS } else { ROWS }, if textures { SPREAD_MEANS } else { MEANS });
        product.source.replace(TILE, &tile).replace(ROWS, rows).replace(MEANS, means)
    })
}

/// A fused kernel as a module.
fn written(fused: Fused) -> &'static Shader {
    let bindings = match (fused.sharing, fused.mixed) {
        (Sharing::Memory(_), false) => "rrrrw",
        (Sharing::Memory(_), true) => "rrrrww",
        (Sharing::Spread, false) => "rrtrw",
        (Sharing::Spread, true) => "rrtrww",
    };
    kept(&fused.name(), bindings, || {
        let common = [include_str!("../../../shaders/common/f32.wgsl"), include_str!("../../../shaders/common/params.wgsl")];
        [common[0], common[1], &fused.text()].join("\n")
    })
}

/// A module that is written out when first asked for, and kept.
fn kept(name: &str, bindings: &'static str, source: impl FnOnce() -> String) -> &'static Shader {
    static KEPT: OnceLock<Mutex<HashMap<String, &'static Shader>>> = OnceLock::new();
    let mut kept = KEPT.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let leak = |text: String| -> &'static str { text.leak() };
    kept.entry(name.into()).or_insert_with(|| Box::leak(Box::new(Shader { name: leak(name.into()), source: leak(source()), bindings })))
}

impl Shader {
    /// Whether it has a tile that is yet to be written out.
    fn is_product(&self) -> bool {
        self.source.contains(TILE)
    }

    /// The module as the standard wants it: what it uses beside the core of WGSL is enabled. (Our compiler knows subgroups without.)
    pub fn standard_source(&self) -> String {
        let enable = if self.source.contains("subgroup") { "enable subgroups;\n" } else { "" };
        format!("{enable}{}", self.source)
    }
}
