//! One mixture as one stratum sees it: shifted to the component that dominates at the stratum's centre.
//!
//! With o the mean of that component, ε_l = μ_l − o and e = centre − o, the log-responsibilities at x = centre + z are, up to a
//! constant, ⟨z, ε_l⟩ + ln w_l/w_o − ½⟨ε_l, ε_l − 2e⟩. Differences are taken in double precision, so nothing large is ever
//! cancelled in single precision, wherever the origin is and however far the components are.

use crate::mixture::squared_distance;

#[derive(Debug, Clone)]
pub struct Shifted {
    /// Number of components.
    pub k: usize,
    /// o, shape (rank).
    pub origin: Vec<f64>,
    /// ln w_o.
    pub log_weight: f64,
    /// ε, shape (k, rank).
    pub epsilon: Vec<f32>,
    /// ln w_l/w_o − ½⟨ε_l, ε_l − 2e⟩, shape (k); zero for the origin, negative for the rest.
    pub offset: Vec<f32>,
    /// e, shape (rank).
    pub e: Vec<f32>,
}

impl Shifted {
    /// The mixture (weights (k), means (k, rank)) seen from `centre` (rank).
    pub fn new(weights: &[f64], means: &[f64], centre: &[f64]) -> Self {
        let rank = centre.len();
        let mean = |l: usize| &means[l * rank..(l + 1) * rank];
        let mut best = (0, f64::NEG_INFINITY);
        for l in 0..weights.len() {
            let logit = weights[l].ln() - 0.5 * squared_distance(mean(l), centre);
            if logit > best.1 {
                best = (l, logit);
            }
        }
        let origin = mean(best.0);
        let e: Vec<f64> = centre.iter().zip(origin).map(|(c, o)| c - o).collect();
        let (mut epsilon, mut offset) = (Vec::with_capacity(means.len()), Vec::with_capacity(weights.len()));
        for l in 0..weights.len() {
            let mut inner = 0.0;
            for c in 0..rank {
                let difference = mean(l)[c] - origin[c];
                inner += difference * (difference - 2.0 * e[c]);
                epsilon.push(difference as f32);
            }
            offset.push(((weights[l] / weights[best.0]).ln() - 0.5 * inner) as f32);
        }
        Self {
            k: weights.len(),
            origin: origin.to_vec(),
            log_weight: weights[best.0].ln(),
            epsilon,
            offset,
            e: e.iter().map(|e| *e as f32).collect(),
        }
    }
}
