//! The parameters that a session moves, and how a step moves them.

/// The layout of one replicate's flat parameters: the means, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// (k, rank)
    pub means: [usize; 2],
}

impl Layout {
    /// The number of parameters of one replicate.
    pub fn len(&self) -> usize {
        self.means[0] * self.means[1]
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A step of gradient descent: μᵢ ← μᵢ − c ∂L/∂μᵢ, or μᵢ ← μᵢ − c ∂L/∂μᵢ / wᵢ with `divide_by_weight`, where wᵢ are the device's current
/// weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// c, in users' units.
    pub step_size: f64,
    pub divide_by_weight: bool,
    /// s, the length of the device's unit in users' units: in the device's coordinates c becomes c/s⁴ (y = μ/s, and L has 1/s²).
    pub unit: f64,
}

impl Rule {
    /// A rule for coordinates in users' own units.
    pub fn new(step_size: f64, divide_by_weight: bool) -> Self {
        Self { step_size, divide_by_weight, unit: 1.0 }
    }

    /// What ∂L/∂μᵢ is multiplied by in the device's coordinates, shape (k), at these weights.
    pub fn rates(&self, weights: &[f64]) -> Vec<f64> {
        let units = self.unit.powi(4);
        weights.iter().map(|w| if self.divide_by_weight { self.step_size / w } else { self.step_size } / units).collect()
    }
}
