//! What the tests and benchmarks of this repository compare besides the public items. No other program should use it: nothing here is kept
//! from one version to the next.

pub mod backend {
    pub use crate::backend::exchange::Exchange;
    pub use crate::backend::share::Split;
    pub use crate::backend::split::Policy;
}

pub mod diffusion {
    pub use crate::diffusion::data::Data;
    pub use crate::diffusion::islands::Islands;
    pub use crate::diffusion::noised::{Address, Noised};
    pub use crate::diffusion::points_of::draw;
    pub use crate::diffusion::presets::PRESETS;
    pub use crate::diffusion::regression::Piecewise;
    pub use crate::diffusion::score_matching::loss;
    pub use crate::diffusion::seeding::best_starts;
    pub use crate::diffusion::tiles::Tiles;
    pub mod draws {
        pub use crate::diffusion::draws::*;
    }
    pub mod compare {
        pub use crate::diffusion::compare::*;
    }
    pub mod em {
        pub use crate::diffusion::em::*;
    }
    pub mod em_general {
        pub use crate::diffusion::em_general::*;
    }
    pub mod moments {
        pub use crate::diffusion::moments::*;
    }
    pub mod pass {
        pub use crate::diffusion::pass::*;
    }
    pub mod search {
        pub use crate::diffusion::search::*;
    }
}

pub mod experiment {
    pub use crate::experiment::learn_source::source;
    pub use crate::experiment::sweep::table::{Cell, CellState};
}

#[cfg(feature = "gpu")]
pub mod gpu {
    pub use crate::gpu::device::bindings::{Access, Binding};
    pub use crate::gpu::device::fused::{SHARINGS, Sharing};
    pub use crate::gpu::device::shaders::Kernel;
    pub mod bindings {
        pub use crate::gpu::device::bindings::*;
    }
}

pub mod metrics {
    pub mod quadrature {
        pub use crate::metrics::quadrature::*;
    }
}

pub mod objective {
    pub use crate::objective::groups::Groups;
    pub use crate::objective::hermite::Basis;
    pub mod estimator {
        pub use crate::objective::estimator::*;
    }
}

pub mod random {
    pub use crate::random::normal::normal_f64;
    pub use crate::random::philox::{Philox, philox};
    pub use crate::random::streams::{Purpose, RNG_VERSION, key, stream};
    pub mod rows {
        pub use crate::random::rows::*;
    }
    pub mod sobol {
        pub use crate::random::sobol::*;
    }
}

pub mod reference {
    pub use crate::reference::Components;
    pub use crate::reference::draw::draw;
    pub use crate::reference::moments::moments;
    pub use crate::reference::posterior::Point;
    pub mod reverse_fisher {
        pub use crate::reference::reverse_fisher::*;
    }
}
