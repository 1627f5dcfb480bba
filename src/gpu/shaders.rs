//! The WGSL that this crate can build: every kernel in its variants, put together from `shaders/` at compile time, or written out by
//! `unroll` when first asked for.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use super::fused::Fused;

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
    shader!("logits_16", "rrrrw", "common/f32" "common/params" "common/left_draws" "common/term_product" "common/tile_16" "product"),
    shader!("logits_64", "rrrrw", "common/f32" "common/params" "common/left_draws" "common/term_product" "common/tile_64" "product"),
    shader!("statistics_1", "rwrrrrw", "common/f32" "common/params" "common/lanes_1" "common/lanes" "statistics"),
    shader!("statistics_16", "rwrrrrw", "common/f32" "common/params" "common/lanes_16" "common/lanes" "statistics"),
    shader!("scatter_16", "rrrrrrrw", "common/f32" "common/params" "common/term_product" "common/tile_16" "scatter"),
    shader!("scatter_64", "rrrrrrrw", "common/f32" "common/params" "common/term_product" "common/tile_64" "scatter"),
    shader!("draw_f16", "rrrrww", "common/f16" "common/params" "common/philox" "common/normal" "draw"),
    shader!("logits_16_f16", "rrrrw", "common/f16" "common/params" "common/left_draws" "common/term_product" "common/tile_16" "product"),
    shader!("logits_64_f16", "rrrrw", "common/f16" "common/params" "common/left_draws" "common/term_product" "common/tile_64" "product"),
    shader!("statistics_1_f16", "rwrrrrw", "common/f16" "common/params" "common/lanes_1" "common/lanes" "statistics"),
    shader!("statistics_16_f16", "rwrrrrw", "common/f16" "common/params" "common/lanes_16" "common/lanes" "statistics"),
    shader!("scatter_16_f16", "rrrrrrrw", "common/f16" "common/params" "common/term_product" "common/tile_16" "scatter"),
    shader!("scatter_64_f16", "rrrrrrrw", "common/f16" "common/params" "common/term_product" "common/tile_64" "scatter"),
    shader!("table", "rrrw", "common/params" "table"),
    shader!("origin", "rrrwwww", "common/params" "common/exact" "origin"),
    shader!("projections_16", "rrrrw", "common/params" "common/left_vectors" "common/term_product" "common/tile_16" "product"),
    shader!("posterior_16", "rrrrw", "common/params" "common/term_product" "common/tile_16" "posterior"),
    shader!("distance_16", "rrrw", "common/params" "common/term_distance" "common/tile_16" "distance"),
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
    SHADERS.iter().find(named).or_else(fused).unwrap_or_else(|| panic!("no shader is named {name}"))
}

/// Every composed module.
pub fn all() -> Vec<&'static Shader> {
    SHADERS.iter().chain(Fused::all().map(written)).collect()
}

/// A fused kernel as a module, written out once and kept.
fn written(fused: Fused) -> &'static Shader {
    static WRITTEN: OnceLock<Mutex<HashMap<String, &'static Shader>>> = OnceLock::new();
    let mut written = WRITTEN.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *written.entry(fused.name()).or_insert_with(|| {
        let source = [include_str!("../../shaders/common/f32.wgsl"), include_str!("../../shaders/common/params.wgsl"), &fused.text()];
        Box::leak(Box::new(Shader { name: fused.name().leak(), source: source.join("\n").leak(), bindings: "rrrrw" }))
    })
}

impl Shader {
    /// The module as the standard wants it: what it uses beside the core of WGSL is enabled. (Our compiler knows subgroups without.)
    pub fn standard_source(&self) -> String {
        let enable = if self.source.contains("subgroup") { "enable subgroups;\n" } else { "" };
        format!("{enable}{}", self.source)
    }
}
