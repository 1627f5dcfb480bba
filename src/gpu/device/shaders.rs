//! The WGSL that this crate can build: every kernel in its variants, put together from `shaders/` at compile time, or written out by
//! `unroll` when first asked for.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use super::unroll::{Names, unroll};
use crate::gpu::step::fused::{Fused, Sharing};

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
        Shader { name: $name, bindings: $bindings, source: concat!($(include_str!(concat!("../../../shaders/", $file, ".wgsl")), "\n"),*) }
    };
}

/// Names end with the tile's columns or the lanes of a row, then with `_f16` where draws are stored in half precision.
#[rustfmt::skip]
pub const SHADERS: &[Shader] = &[
    shader!("draw", "rrrrww", "common/f32" "common/params" "common/philox" "common/normal" "draw"),
    shader!("logits_32", "rrrrw", "common/f32" "common/params" "common/rows_draws" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "product"),
    shader!("logits_64", "rrrrw", "common/f32" "common/params" "common/rows_draws" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "product"),
    shader!("statistics_1", "rwrrrrw", "common/f32" "common/params" "common/lanes_1" "common/lanes" "statistics"),
    shader!("statistics_16", "rwrrrrw", "common/f32" "common/params" "common/lanes_16" "common/lanes" "statistics"),
    shader!("scatter_32", "rrrrrrrw", "common/f32" "common/params" "common/term_product" "common/tile" "scatter"),
    shader!("scatter_64", "rrrrrrrw", "common/f32" "common/params" "common/term_product" "common/tile" "scatter"),
    shader!("draw_f16", "rrrrww", "common/f16" "common/params" "common/philox" "common/normal" "draw"),
    shader!("logits_32_f16", "rrrrw", "common/f16" "common/params" "common/rows_draws" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "product"),
    shader!("logits_64_f16", "rrrrw", "common/f16" "common/params" "common/rows_draws" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "product"),
    shader!("statistics_1_f16", "rwrrrrw", "common/f16" "common/params" "common/lanes_1" "common/lanes" "statistics"),
    shader!("statistics_16_f16", "rwrrrrw", "common/f16" "common/params" "common/lanes_16" "common/lanes" "statistics"),
    shader!("scatter_32_f16", "rrrrrrrw", "common/f16" "common/params" "common/term_product" "common/tile" "scatter"),
    shader!("scatter_64_f16", "rrrrrrrw", "common/f16" "common/params" "common/term_product" "common/tile" "scatter"),
    shader!("sobol", "rrrrrww", "common/f32" "common/params" "common/philox" "common/normal" "common/sobol" "sobol"),
    shader!("sobol_f16", "rrrrrww", "common/f16" "common/params" "common/philox" "common/normal" "common/sobol" "sobol"),
    shader!("scrambles", "rrrw", "common/params" "common/philox" "common/sobol" "scrambles"),
    shader!("axes", "rrrrrrww", "common/params" "common/both_sides" "axes"),
    shader!("sobol_words", "rrw", "common/params" "common/philox" "common/sobol" "sobol_words"),
    shader!("table", "rrrw", "common/params" "common/table_buffer" "table"),
    shader!("table_texture", "rrrs", "common/params" "common/table_texture" "table"),
    shader!("origin", "rrrwwww", "common/params" "common/exact" "origin"),
    shader!("projections_32", "rrrrw", "common/params" "common/rows_vectors" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "product"),
    shader!("posterior_32", "rrrrw", "common/params" "common/rows_vectors" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "posterior"),
    shader!("distance_32", "rrrw", "common/params" "common/term_distance" "common/tile" "distance"),
    shader!("projections_64", "rrrrw", "common/params" "common/rows_vectors" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "product"),
    shader!("posterior_64", "rrrrw", "common/params" "common/rows_vectors" "common/term_product" "common/tile" "common/rows_buffer" "common/means_buffer" "posterior"),
    shader!("distance_64", "rrrw", "common/params" "common/term_distance" "common/tile" "distance"),
    shader!("softmax_1", "wrw", "common/params" "common/lanes_1" "common/lanes" "common/normal" "softmax"),
    shader!("softmax_16", "wrw", "common/params" "common/lanes_16" "common/lanes" "common/normal" "softmax"),
    shader!("centre_1", "rww", "common/params" "common/lanes_1" "common/lanes" "centre"),
    shader!("centre_16", "rww", "common/params" "common/lanes_16" "common/lanes" "centre"),
    shader!("coefficients", "rrrw", "common/params" "coefficients"),
    shader!("score", "rrrrw", "common/f32" "common/params" "score"),
    shader!("score_f16", "rrrrw", "common/f16" "common/params" "score"),
    shader!("walls", "rrrrrrww", "common/params" "common/both_sides" "common/walls" "walls"),
    shader!("cholesky", "rrw", "common/params" "common/walls" "cholesky"),
    shader!("blend", "rrrrrw", "common/params" "common/walls" "blend"),
    shader!("block_sums", "rw", "common/params" "block_sums"),
    shader!("fold", "rw", "common/params" "fold"),
    shader!("total_pairs", "rw", "common/params" "common/of_pairs" "common/of_groups" "total"),
    shader!("total_scattered", "rw", "common/params" "common/of_replicates" "common/of_groups" "total"),
    shader!("join_pairs", "rw", "common/params" "common/of_pairs" "common/of_nodes" "total"),
    shader!("join_scattered", "rw", "common/params" "common/of_replicates" "common/of_nodes" "total"),
    shader!("gradient", "rrrrrrrw", "common/params" "gradient"),
    shader!("finish", "rrrrrw", "common/params" "finish"),
    shader!("update", "rrww", "common/params" "update"),
    shader!("nearest", "rw", "common/params" "nearest"),
    shader!("cells", "rrw", "common/params" "cells"),
    shader!("hermite", "rrrrrrw", "common/params" "hermite"),
    shader!("gram_32", "rrw", "common/params" "common/term_product" "common/tile" "gram"),
    shader!("gram_64", "rrw", "common/params" "common/term_product" "common/tile" "gram"),
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
const TILE: &str = include_str!("../../../shaders/common/tile.wgsl");
const SPREAD_TILE: &str = include_str!("../../../shaders/common/tile_spread.wgsl");

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
