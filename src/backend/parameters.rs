//! The parameters that a session moves, and how a step moves them.

/// Where the flat parameters of one replicate lie: the means, row by row. What else comes to learn follows behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// (k, rank)
    pub means: [usize; 2],
}

impl Layout {
    /// Numbers of one replicate.
    pub fn len(&self) -> usize {
        self.means[0] * self.means[1]
    }

    /// True for a mixture of nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A step of gradient descent: μᵢ ← μᵢ − c ∂L/∂μᵢ, or with `divide_by_weight` − c ∂L/∂μᵢ / wᵢ, by the weights that the device has then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// c, in users' units.
    pub step_size: f64,
    pub divide_by_weight: bool,
    /// Users' units of length in one of the device's, s: in its coordinates c becomes c/s⁴ (y = μ/s, and L has 1/s²).
    pub unit: f64,
}

impl Rule {
    /// In coordinates that are users' own.
    pub fn new(step_size: f64, divide_by_weight: bool) -> Self {
        Self { step_size, divide_by_weight, unit: 1.0 }
    }

    /// What ∂L/∂μᵢ is multiplied by in the device's coordinates, shape (k), at these weights.
    pub fn rates(&self, weights: &[f64]) -> Vec<f64> {
        let units = self.unit.powi(4);
        weights.iter().map(|w| if self.divide_by_weight { self.step_size / w } else { self.step_size } / units).collect()
    }
}
