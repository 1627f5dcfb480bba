//! The page of a learned mixture: density and score field against the points, drawn points, noise levels, likelihood.

use std::path::Path;

use super::axis::Axis;
use super::chart::{Chart, Ink, Mark};
use super::contours::contours;
use super::html::{Figure, Page, Table};
use super::learn_draws;
use super::plane::Plane;
use crate::diffusion::ladder::Row;
use crate::error::Result;
use crate::experiment::learn_summary::LearnSummary;
use crate::mixture::files::write_atomically;
use crate::mixture::{CovarianceKind, GaussianMixture, Mixture};
use crate::number::{minus, short, word};
use crate::objective::groups::Estimate;
use crate::random::rows;

/// The most points that are drawn.
const MOST_POINTS: usize = 1500;
/// The levels of the contours, as fractions of the largest density.
const LEVELS: [f64; 5] = [0.8, 0.4, 0.1, 1e-2, 1e-3];
/// Standard deviations of a component at which its ellipses lie, and sides of these.
const DEVIATIONS: [f64; 2] = [1.0, 2.0];
const ELLIPSE: usize = 72;
/// Arrows of the score field in each direction.
const ARROWS: usize = 17;

/// The contents of a page of `mixscore learn`.
pub(crate) struct Content<'a> {
    pub summary: &'a LearnSummary,
    pub mixture: &'a GaussianMixture,
    /// What was learned, where covariances are of another kind than the common variance: `mixture` then has its means.
    pub general: Option<&'a Mixture>,
    /// (samples, d)
    pub samples: &'a [f64],
    /// (n, d)
    pub points: &'a [f64],
    pub truth: Option<&'a GaussianMixture>,
}

/// Writes the page to `path`.
pub(crate) fn write_learned(path: &Path, content: &Content) -> Result<()> {
    let summary = content.summary;
    let page = Page {
        title: format!("mixscore learn {}", summary.data),
        finding: finding(summary),
        warning: "Weights come from the points' responsibilities, not from score matching, which hardly sees the relative weights of separated modes."
            .into(),
        facts: facts(summary),
        figures: figures(content)?,
        table: levels_table(summary),
        notes: summary.notes.clone(),
        listings: summary.draws.iter().map(learn_draws::listing).collect(),
    };
    write_atomically(path, |out| out.write_all(page.html().as_bytes()))
}

fn finding(summary: &LearnSummary) -> String {
    let mut text = format!("{} components in {} dimensions", summary.components, summary.features);
    let truth = summary.against_truth.as_ref();
    if let Some(Estimate { value, standard_error }) = summary.held_out_log_likelihood {
        text += &format!("; held-out log-likelihood {} ± {standard_error:.4}", minus(value, 4));
        if let Some(own) = truth.and_then(|truth| truth.truth_held_out_log_likelihood) {
            text += &format!(", the truth’s {}", minus(own.value, 4));
        }
        text += " nats per point";
    }
    if let Some(truth) = truth {
        text += &format!("; total variation to the truth {:.4}", truth.total_variation.value);
    }
    if let Some(sampled) = summary.sampled() {
        let (value, chance) = (sampled.total_variation.value, sampled.by_chance);
        text += &format!("; of the drawn points by histogram {value:.4}, where chance alone makes {chance:.4}");
    }
    text + "."
}

fn facts(summary: &LearnSummary) -> Vec<(String, String)> {
    let LearnSummary { data, points, held_out, components_why, samples, samples_from, seed, .. } = summary;
    let is_common = summary.covariance_type == CovarianceKind::Common;
    let facts = [
        ("Data", data.clone()),
        ("Points", points.to_string()),
        ("Held out", held_out.to_string()),
        ("Method", word(summary.method)),
        ("Why so many components", components_why.clone()),
        ("Covariances", if is_common { String::new() } else { summary.covariance_type.to_string() }),
        (if is_common { "Common variance" } else { "Mean variance of a coordinate" }, short(summary.variance)),
        ("Variance was given", if is_common { summary.variance_was_given.to_string() } else { String::new() }),
        ("Principal directions", summary.principal_directions.to_string()),
        ("Log-likelihood of training points (nat)", short(summary.train_log_likelihood)),
        ("Points drawn", samples.to_string()),
        ("Drawn by", samples_from.clone()),
        ("Numbers of components tried", tried_in_words(summary)),
        ("EM iterations", summary.em_iterations.map_or(String::new(), |n| n.to_string())),
        ("Last EM step gained (nat per point)", summary.em_last_gain.map_or(String::new(), short)),
        ("Seconds per EM iteration", summary.em_seconds_per_iteration.map_or(String::new(), short)),
        ("Seed", seed.to_string()),
        ("Seconds", short(summary.seconds)),
    ];
    let named = facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_string(), value));
    named
        .chain(learn_draws::facts(summary.draws.as_ref()))
        .chain(summary.stages.iter().map(|(stage, s)| (format!("Seconds: {stage}"), short(*s))))
        .collect()
}

fn tried_in_words(summary: &LearnSummary) -> String {
    match (summary.tried.first(), summary.tried.last()) {
        (Some(first), Some(last)) => format!("{}, from {} to {}", summary.tried.len(), first.components, last.components),
        _ => String::new(),
    }
}

fn figures(content: &Content) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    if let Some(plane) = Plane::new(content.mixture, content.truth.map_or(&[], |truth| truth.means())) {
        let view = View::new(content, plane);
        if let Some((x, y)) = view.axes() {
            let seen = if view.plane.principal {
                " The plane is that of the first two principal directions of the learned means; densities are those of the projection."
            } else {
                ""
            };
            let truth = if content.truth.is_some() { " Orange crosses: the truth’s means." } else { "" };
            figures.push(Figure {
                title: "Learned density and the points".into(),
                svg: view.density(content.points, &x, &y).svg()?,
                caption: format!("Grey: points. Blue: {}.{truth}{seen}", view.lines_in_words()),
            });
            if !content.samples.is_empty() {
                let from = &content.summary.samples_from;
                figures.push(Figure {
                    title: "Drawn points".into(),
                    svg: view.density(content.samples, &x, &y).svg()?,
                    caption: format!("Grey: points drawn from {from}. Lines and means as before, of the parametric mixture.{truth}"),
                });
            }
            let score_field = if view.general.is_none() { Some(view.score_field(&x, &y).svg()?) } else { None };
            figures.extend(score_field.map(|svg| Figure {
                title: "Learned score field".into(),
                svg,
                caption: "The score ∇ln p of the learned mixture: lines begin at the dots and point uphill; their length grows with the square root of the score’s."
                    .into(),
            }));
        }
    }
    if let Some(chart) = criteria(content.summary) {
        figures.push(Figure {
            title: "How many components".into(),
            svg: chart.svg()?,
            caption: format!(
                "The Bayesian information criterion, −2 ln L + parameters · ln n, of the best mixture found with each number of components, above the lowest; the ring is what was chosen. {} numbers were tried.",
                content.summary.tried.len()
            ),
        });
    }
    if let Some(chart) = errors(content.summary) {
        figures.push(Figure {
            title: "Error of each noise level".into(),
            svg: chart.svg()?,
            caption: "Root-mean-square difference per direction, in σ, between the regression’s posterior mean and that of the mixture. Time runs from right to left.".into(),
        });
    }
    Ok(figures)
}

/// The data projected to one plane.
struct View<'a> {
    plane: Plane,
    mixture: &'a GaussianMixture,
    general: Option<&'a Mixture>,
    truth: Option<&'a GaussianMixture>,
    centres: Vec<(f64, f64)>,
}

impl<'a> View<'a> {
    fn new(content: &Content<'a>, plane: Plane) -> Self {
        let mixture = content.mixture;
        let centres = (0..mixture.n_components()).map(|j| plane.project(mixture.mean(j))).collect();
        View { plane, mixture, general: content.general, truth: content.truth, centres }
    }

    /// Axes around the learned means with the same length for a unit in both directions.
    fn axes(&self) -> Option<(Axis, Axis)> {
        if self.general.is_some() {
            let ellipses = self.ellipses(3.0);
            return self.plane.axes(ellipses.iter().flatten().copied());
        }
        let reach = 4.0 * self.mixture.variance().sqrt();
        self.plane.axes(self.centres.iter().flat_map(|c| [(c.0 - reach, c.1 - reach), (c.0 + reach, c.1 + reach)]))
    }

    fn density(&self, points: &[f64], x: &Axis, y: &Axis) -> Chart {
        let d = self.mixture.n_features();
        let small = 0.004 * (x.high - x.low);
        let shown = rows::chosen(points.len() / d, MOST_POINTS, 0).into_iter();
        let places = shown.map(|i| self.plane.project(&points[i * d..][..d]));
        let weighted: Vec<_> = self.centres.iter().copied().zip(self.mixture.weights().iter().copied()).collect();
        let lines = match self.general {
            Some(_) => DEVIATIONS.iter().flat_map(|deviations| self.ellipses(*deviations)).collect(),
            None => contours(&weighted, self.mixture.variance(), (x.low, x.high), (y.low, y.high), &LEVELS),
        };
        let mut marks: Vec<Mark> = lines.into_iter().map(|points| Mark::Line { points, ink: Ink::Blue, width: 3, opacity: 0.9 }).collect();
        // Only points, because lines would hide them.
        let dots = places.filter(|(a, b)| x.holds(*a) && x.holds(a + small) && y.holds(*b));
        marks.extend(dots.map(|(a, b)| Mark::Line { points: vec![(a, b), (a + small, b)], ink: Ink::Text, width: 6, opacity: 0.5 }));
        marks.extend(self.centres.iter().map(|at| Mark::Dot { at: *at, ink: Ink::Blue }));
        for truth in self.truth.iter().filter(|t| t.n_components() <= 100) {
            let crosses = (0..truth.n_components()).map(|j| self.plane.project(truth.mean(j)));
            marks.extend(crosses.filter(|at| x.holds(at.0) && y.holds(at.1)).map(|at| Mark::Cross { at, ink: Ink::Vermillion }));
        }
        Chart { description: "Points, and contours of the learned density", x: x.clone(), y: y.clone(), marks }
    }

    /// What the blue lines are.
    fn lines_in_words(&self) -> &'static str {
        match self.general {
            Some(_) => "each component's mean, and its covariance as ellipses at one and two standard deviations",
            None => "contours of the learned density at 0.8, 0.4, 0.1, 0.01 and 0.001 of its peak, and its means",
        }
    }

    /// The covariance of each component, projected to the plane, at so many standard deviations.
    fn ellipses(&self, deviations: f64) -> Vec<Vec<(f64, f64)>> {
        let Some(general) = self.general else { return Vec::new() };
        let of = |(l, centre): (usize, &(f64, f64))| {
            let [xx, xy, yy] = self.plane.covariance(&general.covariance().matrix(l, general.n_features()));
            let a = xx.max(0.0).sqrt().max(f64::MIN_POSITIVE); // the factor (a, 0; b, c)
            let (b, c) = (xy / a, (yy - xy * xy / (a * a)).max(0.0).sqrt());
            let at = |i: usize| (i as f64 / ELLIPSE as f64 * std::f64::consts::TAU).sin_cos();
            let on = |(s, t): (f64, f64)| (centre.0 + deviations * a * t, centre.1 + deviations * (b * t + c * s));
            (0..=ELLIPSE).map(|i| on(at(i))).collect()
        };
        self.centres.iter().enumerate().map(of).collect()
    }

    fn score_field(&self, x: &Axis, y: &Axis) -> Chart {
        let step = ((x.high - x.low) / ARROWS as f64, (y.high - y.low) / ARROWS as f64);
        let nodes = (0..ARROWS * ARROWS).map(|i| (i / ARROWS, i % ARROWS));
        let places: Vec<(f64, f64)> = nodes.map(|(i, j)| (x.low + (i as f64 + 0.5) * step.0, y.low + (j as f64 + 0.5) * step.1)).collect();
        let scores: Vec<(f64, f64)> = places.iter().map(|at| self.score(*at)).collect();
        let longest = scores.iter().map(|s| s.0.hypot(s.1)).fold(0.0, f64::max);
        let mut marks = Vec::new();
        for (at, s) in places.iter().zip(&scores) {
            let length = s.0.hypot(s.1);
            let factor = if length > 0.0 { 0.9 * step.0.min(step.1) * (length / longest).sqrt() / length } else { 0.0 };
            let end = (at.0 + factor * s.0, at.1 + factor * s.1);
            marks.push(Mark::Line { points: vec![*at, end], ink: Ink::Blue, width: 3, opacity: 0.9 });
            let small = 0.003 * (x.high - x.low);
            marks.push(Mark::Line { points: vec![*at, (at.0 + small, at.1)], ink: Ink::Text, width: 7, opacity: 1.0 });
        }
        marks.extend(self.centres.iter().map(|at| Mark::Ring { at: *at, ink: Ink::Vermillion }));
        Chart { description: "The score field of the learned mixture", x: x.clone(), y: y.clone(), marks }
    }

    /// (M − x)/σ² of the projection.
    fn score(&self, at: (f64, f64)) -> (f64, f64) {
        let variance = self.mixture.variance();
        let logit = |(c, w): (&(f64, f64), &f64)| w.ln() - 0.5 * ((at.0 - c.0).powi(2) + (at.1 - c.1).powi(2)) / variance;
        let logits: Vec<f64> = self.centres.iter().zip(self.mixture.weights()).map(logit).collect();
        let peak = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        let mass: f64 = logits.iter().map(|v| (v - peak).exp()).sum();
        let mean = self.centres.iter().zip(&logits).fold((0.0, 0.0), |m, (c, v)| {
            let r = (v - peak).exp() / mass;
            (m.0 + r * c.0, m.1 + r * c.1)
        });
        ((mean.0 - at.0) / variance, (mean.1 - at.1) / variance)
    }
}

/// The criterion for each number of components, relative to the lowest plus one, so that the lowest is on the logarithmic axis.
fn criteria(summary: &LearnSummary) -> Option<Chart> {
    let tried = &summary.tried;
    let lowest = tried.iter().map(|t| t.criterion).fold(f64::INFINITY, f64::min);
    let points: Vec<(f64, f64)> = tried.iter().map(|t| (t.components as f64, t.criterion - lowest + 1.0)).collect();
    let x = Axis::logarithmic("components", points.iter().map(|p| p.0))?;
    let y = Axis::logarithmic("criterion above the lowest, + 1", points.iter().map(|p| p.1))?;
    let chosen = points.iter().find(|p| p.0 == summary.components as f64).map(|at| Mark::Ring { at: *at, ink: Ink::Vermillion });
    let line = Mark::Line { points: points.clone(), ink: Ink::Blue, width: 3, opacity: 1.0 };
    let marks = [line, Mark::Dots { points, ink: Ink::Blue }].into_iter().chain(chosen).collect();
    Some(Chart { description: "The Bayesian information criterion against the number of components", x, y, marks })
}

fn errors(summary: &LearnSummary) -> Option<Chart> {
    let points = summary.levels.iter().filter_map(|row| Some((row.noise, row.distance_to_model.filter(|error| *error > 0.0)?)));
    let points: Vec<(f64, f64)> = points.collect();
    let x = Axis::logarithmic("noise level t (σ²)", points.iter().map(|p| p.0))?;
    let y = Axis::logarithmic("error of the posterior mean (σ)", points.iter().map(|p| p.1))?;
    let marks = vec![Mark::Line { points, ink: Ink::Blue, width: 4, opacity: 1.0 }];
    Some(Chart { description: "Error of the posterior mean against the noise level", x, y, marks })
}

fn levels_table(summary: &LearnSummary) -> Table {
    let header = ["t (σ²)", "Cells", "Terms of a polynomial", "Held-out squared error (σ²)", "Difference from the mixture (σ)", "Seconds"];
    let row = |row: &Row| {
        let (cells, terms) = (row.cells as f64, row.features as f64);
        let numbers = [Some(row.noise), Some(cells), Some(terms), Some(row.held_out_error), row.distance_to_model, Some(row.seconds)];
        numbers.map(|v| v.filter(|v| v.is_finite()).map_or("–".into(), short)).to_vec()
    };
    let name = if summary.levels.is_empty() { "Noise levels (this method has none)" } else { "Noise levels" };
    Table { name: name.into(), header: header.map(String::from).to_vec(), rows: summary.levels.iter().map(row).collect() }
}
