//! The form of a gradient and the source of its points, after all choices are made: `problem` replaces every `auto` before a device sees
//! it.

use super::divergence::{Divergence, Estimator, Sampler, Side};

/// The form of a gradient (formulas: `objective::divergence`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Reverse: each row depends on its own stratum alone.
    Stein,
    /// Reverse: Stein's form, blended row by row with the score-function form across steep walls between components (`objective::estimator`).
    Mixed,
    /// Reverse: the derivative of a reparameterised loss, as automatic differentiation gives it.
    Pathwise,
    /// Reverse: by the score function of the student.
    ScoreFunction,
    /// The one form of the forward gradient.
    Forward,
}

impl Form {
    /// The form that the user's choices stand for. [`Estimator::Auto`] blends two forms, except on a grid, which has no noise.
    pub fn of(divergence: Divergence, estimator: Estimator, sampler: Sampler) -> Form {
        match (divergence, estimator) {
            (Divergence::Forward, _) => Form::Forward,
            (_, Estimator::Auto) if sampler != Sampler::Grid => Form::Mixed,
            (_, Estimator::Auto | Estimator::Stein) => Form::Stein,
            (_, Estimator::Pathwise) => Form::Pathwise,
            (_, Estimator::ScoreFunction) => Form::ScoreFunction,
        }
    }

    /// The mixture whose components are the strata: x = their mean + z.
    pub fn strata(self) -> Side {
        if self == Form::Forward { Side::Teacher } else { Side::Student }
    }

    /// Whether each gradient row depends on its own stratum alone; otherwise every stratum adds to every row.
    pub fn rows_own_strata(self) -> bool {
        matches!(self, Form::Stein | Form::Mixed)
    }

    /// The name that results carry.
    pub fn name(self) -> &'static str {
        match self {
            Form::Stein => "stein",
            Form::Mixed => "stein+score-function",
            Form::Pathwise => "pathwise",
            Form::ScoreFunction => "score-function",
            Form::Forward => "forward",
        }
    }
}

/// The source of the points of each stratum, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draws {
    /// Independent draws.
    Independent(usize),
    /// Pairs z, −z of independent draws; an even number.
    Antithetic(usize),
    /// Sobol points: whole nets, each scrambled on its own.
    Nets(usize),
    /// An equispaced grid of at most this many nodes; `None`: as many as an error of 1e-10 needs.
    Grid(Option<usize>),
}

impl Draws {
    /// Samples of a stratum; for a grid the most nodes, if there is a limit.
    pub fn n_samples(self) -> Option<usize> {
        match self {
            Draws::Independent(n) | Draws::Antithetic(n) | Draws::Nets(n) => Some(n),
            Draws::Grid(cap) => cap,
        }
    }

    /// Whether the points are the nodes of a grid, which have no noise.
    pub fn is_grid(self) -> bool {
        matches!(self, Draws::Grid(_))
    }

    /// Whether the points are nets.
    pub fn is_nets(self) -> bool {
        matches!(self, Draws::Nets(_))
    }

    /// Whether the points are pairs.
    pub fn is_antithetic(self) -> bool {
        matches!(self, Draws::Antithetic(_))
    }

    /// The sampler that a user would name.
    pub fn sampler(self) -> Sampler {
        match self {
            Draws::Independent(_) => Sampler::Philox,
            Draws::Antithetic(_) => Sampler::Antithetic,
            Draws::Nets(_) => Sampler::Sobol,
            Draws::Grid(_) => Sampler::Grid,
        }
    }
}
