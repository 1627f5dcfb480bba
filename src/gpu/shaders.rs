//! The WGSL that this crate can build: every kernel in its variants, put together from `shaders/` at compile time, or written out by
//! `unroll` when first asked for.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use super::fused::Fused;
use super::unroll::{Names, unroll};

/// A composed module with one entry point, `main`.
#[derive(Debug, Clone, Copy)]
pub struct Shader {
    pub name: &'static str,
    pub source: &'static str,
    /// The bindings after the uniform at 0: `r` read-only storage, `w` storage that is written.
    pub bindings: &'static str,
}

macro_rules! shader {
    ($name:literal, $bindings:literal, $($file:literal)*) => {
        Shader { name: $name, bindings: $bindings, source: concat!($(include_str!(concat!("../../shaders/", $file, ".wgsl")), "\n"),*) }
    };
}

/// Names end with the tile's columns or the lanes of a row, then with `_f16` where draws are stored in half precision.
#[rustfmt::skip]
pub const SHADERS: &[Shader] = &[
    shader!("draw", "rrrrww", "common/f32" "common/params" "common/philox" "common/normal" "draw"),
    shader!("logits_32", "rrrrw", "common/f32" "common/params" "common/left_draws" "common/term_product" "common/tile_32" "product"),
    shader!("logits_64", "rrrrw", "common/f32" "common/params" "common/left_draws" "common/term_product" "common/tile_64" "product"),
    shader!("statistics_1", "rwrrrrw", "common/f32" "common/params" "common/lanes_1" "common/lanes" "statistics"),
    shader!("statistics_16", "rwrrrrw", "common/f32" "common/params" "common/lanes_16" "common/lanes" "statistics"),
    shader!("scatter_32", "rrrrrrrw", "common/f32" "common/params" "common/term_product" "common/tile_32" "scatter"),
    shader!("scatter_64", "rrrrrrrw", "common/f32" "common/params" "common/term_product" "common/tile_64" "scatter"),
    shader!("draw_f16", "rrrrww", "common/f16" "common/params" "common/philox" "common/normal" "draw"),
    shader!("logits_32_f16", "rrrrw", "common/f16" "common/params" "common/left_draws" "common/term_product" "common/tile_32" "product"),
    shader!("logits_64_f16", "rrrrw", "common/f16" "common/params" "common/left_draws" "common/term_product" "common/tile_64" "product"),
    shader!("statistics_1_f16", "rwrrrrw", "common/f16" "common/params" "common/lanes_1" "common/lanes" "statistics"),
    shader!("statistics_16_f16", "rwrrrrw", "common/f16" "common/params" "common/lanes_16" "common/lanes" "statistics"),
    shader!("scatter_32_f16", "rrrrrrrw", "common/f16" "common/params" "common/term_product" "common/tile_32" "scatter"),
    shader!("scatter_64_f16", "rrrrrrrw", "common/f16" "common/params" "common/term_product" "common/tile_64" "scatter"),
    shader!("table", "rrrw", "common/params" "table"),
    shader!("origin", "rrrwwww", "common/params" "common/exact" "origin"),
    shader!("projections_32", "rrrrw", "common/params" "common/left_vectors" "common/term_product" "common/tile_32" "product"),
    shader!("posterior_32", "rrrrw", "common/params" "common/term_product" "common/tile_32" "posterior"),
    shader!("distance_32", "rrrw", "common/params" "common/term_distance" "common/tile_32" "distance"),
    shader!("projections_64", "rrrrw", "common/params" "common/left_vectors" "common/term_product" "common/tile_64" "product"),
    shader!("posterior_64", "rrrrw", "common/params" "common/term_product" "common/tile_64" "posterior"),
    shader!("distance_64", "rrrw", "common/params" "common/term_distance" "common/tile_64" "distance"),
    shader!("softmax_1", "wrw", "common/params" "common/lanes_1" "common/lanes" "common/normal" "softmax"),
    shader!("softmax_16", "wrw", "common/params" "common/lanes_16" "common/lanes" "common/normal" "softmax"),
    shader!("centre_1", "rw", "common/params" "common/lanes_1" "common/lanes" "centre"),
    shader!("centre_16", "rw", "common/params" "common/lanes_16" "common/lanes" "centre"),
    shader!("coefficients", "rrrw", "common/params" "coefficients"),
    shader!("block_sums", "rw", "common/params" "block_sums"),
    shader!("fold", "rw", "common/params" "fold"),
    shader!("total_pairs", "rw", "common/params" "common/of_pairs" "total"),
    shader!("total_scattered", "rw", "common/params" "common/of_replicates" "total"),
    shader!("gradient", "rrrrrrrw", "common/params" "gradient"),
    shader!("finish", "rrrrrw", "common/params" "finish"),
    shader!("update", "rrww", "common/params" "update"),
    shader!("nearest", "rw", "common/params" "nearest"),
    shader!("cells", "rrw", "common/params" "cells"),
    shader!("hermite", "rrrrrrw", "common/params" "hermite"),
    shader!("gram_32", "rrw", "common/params" "common/term_product" "common/tile_32" "gram"),
    shader!("gram_64", "rrw", "common/params" "common/term_product" "common/tile_64" "gram"),
    shader!("reverse", "rrrrrrw", "common/params" "common/philox" "common/normal" "reverse"),
    shader!("words", "rww", "common/params" "common/philox" "common/normal" "words"),
    shader!("roof", "w", "common/params" "roof"),
    shader!("copy", "rw", "common/params" "copy"),
];

/// The shader of that name.
///
/// # Panics
/// Where there is none: names are written in this crate only, and a test opens every kernel.
pub fn find(name: &str) -> &'static Shader {
    let named = |shader: &&Shader| shader.name == name;
    let fused = || Fused::all().find(|f| f.name() == name).map(written);
    let spread = || name.strip_suffix(SPREAD).map(|base| spread_tile(find(base)));
    SHADERS.iter().find(named).or_else(fused).or_else(spread).unwrap_or_else(|| panic!("no shader is named {name}"))
}

/// Every composed module.
pub fn all() -> Vec<&'static Shader> {
    let tiled = SHADERS.iter().filter(|shader| shader.tile().is_some()).map(spread_tile);
    SHADERS.iter().chain(tiled).chain(Fused::all().map(written)).collect()
}

/// Ends the names of products by a subgroup of eight.
pub const SPREAD: &str = "_spread";

/// The tiles of products: columns, text.
const TILES: [(usize, &str); 2] =
    [(32, include_str!("../../shaders/common/tile_32.wgsl")), (64, include_str!("../../shaders/common/tile_64.wgsl"))];

/// The same product with its tile by a subgroup of eight.
fn spread_tile(shader: &Shader) -> &'static Shader {
    let (columns, text) = shader.tile().unwrap_or_else(|| panic!("{} has no tile", shader.name));
    kept(&format!("{}{SPREAD}", shader.name), shader.bindings, || {
        let quads = columns / 4;
        let counts = [("HALVES", 2), ("FOUR", 4), ("QUADS", quads), ("DEPTH", 4), ("BLOCKS", quads.div_ceil(8))];
        let template = include_str!("../../shaders/common/tile_spread.wgsl");
        let tile = format!("const TILE_QUADS = {quads}u;\n{}", unroll(template, &Names { counts: &counts, parts: &[] }));
        shader.source.replace(text, &tile)
    })
}

/// A fused kernel as a module.
fn written(fused: Fused) -> &'static Shader {
    kept(&fused.name(), "rrrrw", || {
        let common = [include_str!("../../shaders/common/f32.wgsl"), include_str!("../../shaders/common/params.wgsl")];
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
    /// Columns and text of its tile, where it is a product.
    pub fn tile(&self) -> Option<(usize, &'static str)> {
        TILES.into_iter().find(|tile| self.source.contains(tile.1))
    }

    /// The module as the standard wants it: what it uses beside the core of WGSL is enabled. (Our compiler knows subgroups without.)
    pub fn standard_source(&self) -> String {
        let enable = if self.source.contains("subgroup") { "enable subgroups;\n" } else { "" };
        format!("{enable}{}", self.source)
    }
}
