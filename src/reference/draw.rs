//! z of one sample, in double precision, from the same words as every other device.
//!
//! GPU twins: `shaders/draw.wgsl`, and `shaders/sobol.wgsl` for Sobol points.

use crate::objective::form::Draws;
use crate::objective::groups::Groups;
use crate::random::normal::normal_f64;
use crate::random::sobol;
use crate::random::streams::words;

/// z (rank) of `sample` in `stratum` at `step`. Antithetic samples 2j and 2j+1 are draw j and its negative. For Sobol points each group is
/// a net.
pub fn draw(key: [u32; 2], draws: Draws, groups: &Groups, step: u32, stratum: u32, sample: u32, z: &mut [f64]) {
    let antithetic = draws.is_antithetic();
    let (index, sign) = if antithetic { (sample / 2, if sample % 2 == 1 { -1.0 } else { 1.0 }) } else { (sample, 1.0) };
    for (block, z) in z.chunks_mut(4).enumerate() {
        for (z, word) in z.iter_mut().zip(words(key, step, stratum, index, block as u32)) {
            *z = sign * normal_f64(word);
        }
    }
    if draws.is_nets() {
        let (net, index) = (sample / groups.group_size as u32, sample % groups.group_size as u32);
        for (c, z) in z.iter_mut().take(sobol::COORDINATES).enumerate() {
            *z = normal_f64(sobol::word(key, step, stratum, net, index, c));
        }
    }
}
