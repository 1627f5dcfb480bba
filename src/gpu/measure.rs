//! Statistics for the metrics, from draws around the components of either side, or around chosen ones.

use super::resident::ResidentProblem;
use super::step::buffers::Spec;
use super::step::model::{index, padded};
use super::step::recording::Recording;
use crate::backend::MeasureSums;
use crate::backend::share::{Split, joined};
use crate::error::Result;
use crate::objective::divergence::Side;
use crate::objective::groups::Groups;
use crate::random::streams::Purpose;

/// The last measurement of each side; the next one of the same size reuses its buffers.
#[derive(Default)]
pub(super) struct Measures([Option<Measure>; 2]);

struct Measure {
    recording: Recording,
    /// The means of chosen strata: (R, places, feature quads).
    chosen: Option<(usize, wgpu::Buffer)>,
}

impl Measures {
    /// Sums of statistics over this device's pairs and groups, shape (own pairs, own groups, 4). Draws of chosen strata depend on the place
    /// in the list.
    pub(super) fn measure(
        &mut self,
        resident: &ResidentProblem,
        from: Side,
        strata: Option<&[u32]>,
        n_samples: usize,
        step: u64,
    ) -> Result<Vec<f32>> {
        let kept = &mut self.0[index(from)];
        let (groups, n_chosen) = (groups(n_samples), strata.map(<[u32]>::len));
        let serves = |m: &Measure| m.recording.rows.groups == groups && m.chosen.as_ref().map(|(n, _)| *n) == n_chosen;
        // A recording that does not fit frees its memory first.
        let measure = match kept.take().filter(serves) {
            Some(measure) => measure,
            None => Measure::new(resident, from, groups, n_chosen)?,
        };
        if let (Some(strata), Some((_, centres))) = (strata, &measure.chosen) {
            resident.context().write(centres, &gathered(resident, from, strata)?);
        }
        let measure = kept.insert(measure);
        resident.set_step(step);
        resident.run("a measurement", &[&measure.recording.statistics], 1)?;
        measure.recording.rows.statistics(resident.context())
    }
}

impl Measure {
    fn new(resident: &ResidentProblem, from: Side, groups: Groups, n_chosen: Option<usize>) -> Result<Self> {
        let model = &resident.model;
        let centres = |n: usize| (16 * model.n_replicates * n * model.widths.features) as u64;
        let buffer = |n: usize| Ok((n, resident.context().buffer("the means of chosen strata", centres(n))?));
        let chosen = n_chosen.map(buffer).transpose()?;
        let purpose = if from == Side::Student { Purpose::MeasureStudent } else { Purpose::MeasureTeacher };
        let mut spec = resident.spec(from, groups, purpose);
        if let Some((n, centres)) = &chosen {
            spec = Spec { n_strata: *n, centres, ..spec };
        }
        Ok(Self { recording: resident.record(&spec)?, chosen })
    }
}

/// The means of these strata in every replicate, padded as on the device.
fn gathered(resident: &ResidentProblem, from: Side, strata: &[u32]) -> Result<Vec<f32>> {
    let (means, rank) = (resident.means_of(from)?, resident.model.rank);
    let replicates = means.chunks_exact(rank * resident.model.n_components[index(from)]);
    let rows = replicates.flat_map(|means| strata.iter().flat_map(move |s| &means[*s as usize * rank..][..rank]));
    Ok(padded(&rows.copied().collect::<Vec<f64>>(), rank))
}

fn groups(n_samples: usize) -> Groups {
    Groups::new(n_samples, false, 1)
}

/// A measurement of `n_strata` strata, counted through the replicates, from the results of all devices.
pub(super) fn sums(split: Split, parts: &[Vec<f32>], n_strata: usize, n_samples: usize) -> MeasureSums {
    let groups = groups(n_samples);
    let parts: Vec<&[f32]> = parts.iter().map(Vec::as_slice).collect();
    let [half_square, log_ratio, excess, _] = averages(&joined(split, &parts, n_strata, groups.n_groups, 4), &groups, false);
    MeasureSums { groups, half_square, log_ratio, excess }
}

/// Averages over each group from sums of shape (strata, G, 4). The nodes of a deterministic rule have weights that sum to one.
pub(super) fn averages(sums: &[f32], groups: &Groups, deterministic: bool) -> [Vec<f64>; 4] {
    let count = |g: usize| if deterministic { 1.0 } else { groups.range(g).len() as f64 };
    let pick = |c: usize| sums.chunks_exact(4).enumerate().map(|(at, s)| f64::from(s[c]) / count(at % groups.n_groups)).collect();
    [0, 1, 2, 3].map(pick)
}
