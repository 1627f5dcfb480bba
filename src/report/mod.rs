//! Reports: self-contained HTML pages with finding, charts and numbers, from the folders of runs, of sweeps and of learned mixtures.

mod axis;
mod band;
mod bars;
mod bounded;
mod chart;
pub(crate) mod compare;
mod contours;
mod curves;
mod error_bars;
mod finding;
mod folder;
mod heat_map;
mod html;
mod interval;
mod layout;
pub(crate) mod learn;
pub(crate) mod learn_draws;
pub(crate) mod learn_sweep;
mod measured;
mod one_gaussian;
mod paths;
mod plane;
mod quantity;
mod run;
mod run_folder;
mod sweep;
mod sweep_finding;
mod table;
mod view;

pub use compare::{Comparison, compare};
pub use finding::BLIND;
pub use folder::write;
pub use run::write_run;
pub use sweep::write_sweep;
