//! An axis, linear or logarithmic, with ticks at round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Larger numbers are not drawn, so that sums and squares of the others stay finite.
const LARGEST: f64 = 1e100;

/// The scale of an axis and its kind of ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// Linear with ticks at whole numbers only.
    Whole,
    Logarithmic,
    /// Whole numbers from 0, with v placed at log(1 + v), so that the start is on the axis; ticks are the numbers themselves.
    Steps,
}

/// The range and the title (with its unit) of one direction of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub title: String,
    pub low: f64,
    pub high: f64,
    pub scale: Scale,
}

/// Whether a number can be drawn.
pub(super) fn drawable(v: f64) -> bool {
    v.is_finite() && v.abs() <= LARGEST
}

impl Axis {
    /// A logarithmic axis around the positive ones of `values`; `None` when there is none.
    pub(super) fn logarithmic(title: &str, values: impl IntoIterator<Item = f64>) -> Option<Axis> {
        let (low, high) = ends(values.into_iter().filter(|v| *v >= 1e-100))?;
        let margin = ((high / low).log10() * 0.04).max(0.05);
        let (low, high) = (low / 10f64.powf(margin), high * 10f64.powf(margin));
        Some(Axis { title: title.into(), low, high, scale: Scale::Logarithmic })
    }

    /// An axis of steps that holds those from `first` to `last`.
    pub(super) fn steps(first: f64, last: f64) -> Option<Axis> {
        let (low, high) = ends([first, last].into_iter().filter(|v| *v >= 0.0))?;
        let margin = ((high.ln_1p() - low.ln_1p()) * 0.04).max(0.02);
        let (low, high) = ((low.ln_1p() - margin).exp_m1(), (high.ln_1p() + margin).exp_m1());
        Some(Axis { title: "step, on a scale of log(1 + step)".into(), low, high, scale: Scale::Steps })
    }

    /// A linear axis around `values`; `None` when there is none.
    pub(super) fn linear(title: &str, values: impl IntoIterator<Item = f64>) -> Option<Axis> {
        let (low, high) = ends(values)?;
        let margin = ((high - low) * 0.04).max(high.abs().max(1e-3) * 1e-3);
        Some(Axis { title: title.into(), low: low - margin, high: high + margin, scale: Scale::Linear })
    }

    /// A linear axis with given ends.
    pub(super) fn between(title: &str, low: f64, high: f64) -> Axis {
        Axis { title: title.into(), low, high, scale: Scale::Linear }
    }

    /// An axis of `n` items counted from 0.
    pub(super) fn counting(title: &str, n: usize) -> Axis {
        Axis { title: title.into(), low: -0.6, high: n as f64 - 0.4, scale: Scale::Whole }
    }

    /// True for a logarithmic axis.
    pub(super) fn is_logarithmic(&self) -> bool {
        self.scale == Scale::Logarithmic
    }

    /// Whether `v` lies on the axis.
    pub(super) fn holds(&self, v: f64) -> bool {
        self.low <= v && v <= self.high
    }

    /// The label of a tick.
    pub(super) fn format(&self, v: f64) -> String {
        match self.scale {
            Scale::Linear | Scale::Whole => crate::number::short(v),
            // Powers if one label needs them, so that all labels are of one kind.
            Scale::Logarithmic | Scale::Steps => {
                let plain = |v: &f64| *v == 0.0 || (0.99e-2..=1.01e3).contains(v);
                if self.ticks().iter().all(plain) { crate::number::short(v) } else { power_label(v) }
            }
        }
    }

    /// The values with labels.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => return linear_ticks(self.low, self.high),
            Scale::Whole if self.high < 12.0 => return (0..=self.high as i32).map(f64::from).collect(),
            Scale::Whole => return linear_ticks(self.low, self.high).into_iter().filter(|v| v.fract() == 0.0).collect(),
            Scale::Steps => return step_ticks(self.low, self.high),
            Scale::Logarithmic => {}
        }
        let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
        let decades = last - first + 1;
        if decades >= 3 {
            let stride = (decades + 6) / 7;
            return (first..=last).filter(|e| e.rem_euclid(stride) == 0).map(|e| 10f64.powi(e)).collect();
        }
        let fine: Vec<f64> =
            (first - 1..=last).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(e))).filter(|v| self.holds(*v)).collect();
        if fine.len() >= 2 { fine } else { linear_ticks(self.low, self.high) }
    }
}

/// The smallest and the largest value that can be drawn.
fn ends(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| drawable(*v)).fold(None, |ends: Option<(f64, f64)>, v| match ends {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

/// About five multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    (0..=((last - first).clamp(0.0, 12.0) as i32)).map(|i| (first + f64::from(i)) * step).collect()
}

/// 0 and powers of ten; round numbers if these are fewer than three.
fn step_ticks(low: f64, high: f64) -> Vec<f64> {
    let last = high.max(1.0).log10().floor() as i32;
    let stride = (last + 5) / 6;
    let powers = (0..=last).filter(|e| stride < 2 || e % stride == 0).map(|e| 10f64.powi(e));
    let ticks: Vec<f64> = std::iter::once(0.0).chain(powers).filter(|v| (low..=high).contains(v)).collect();
    if ticks.len() >= 3 { ticks } else { linear_ticks(low.max(0.0), high).into_iter().filter(|v| v.fract() == 0.0).collect() }
}

/// 0, 1, 10, and other numbers by their power of ten.
fn power_label(v: f64) -> String {
    if v == 0.0 {
        return "0".into();
    }
    let exponent = v.log10().floor() as i32;
    let exponent = if 10f64.powi(exponent + 1) <= v * (1.0 + 1e-9) { exponent + 1 } else { exponent };
    let mantissa = v / 10f64.powi(exponent);
    let power = match exponent {
        0 | 1 => return crate::number::short(v),
        _ => format!("10{}", crate::number::superscript(exponent)),
    };
    if (mantissa - 1.0).abs() <= 1e-6 { power } else { format!("{}·{power}", crate::number::short(mantissa)) }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = match self.scale {
            Scale::Linear | Scale::Whole => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
            Scale::Steps => (value.ln_1p() - self.low.ln_1p()) / (self.high.ln_1p() - self.low.ln_1p()),
        };
        limit.0 + (place.clamp(-1.0, 2.0) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Bold grid lines only.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        self.format(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_ticks_at_themselves() {
        let labels = |last: f64| {
            let axis = Axis::steps(0.0, last).unwrap();
            axis.ticks().iter().map(|v| axis.format(*v)).collect::<Vec<_>>()
        };
        assert_eq!(labels(300.0), ["0", "1", "10", "100"]);
        assert_eq!(labels(20_000.0), ["0", "1", "10", "10²", "10³", "10⁴"]);
        assert_eq!(labels(1e9), ["0", "1", "10²", "10⁴", "10⁶", "10⁸"]);
        assert_eq!(labels(5.0), ["0", "2", "4"]);
        let axis = Axis::steps(0.0, 99.0).unwrap();
        assert!((axis.map(&0.0, (0, 10_000)) - 370).abs() <= 2); // the margin: 0.04 of 1.08
        assert!((axis.map(&9.0, (0, 10_000)) - 5000).abs() <= 2); // log 10 is half of log 100
        assert!(axis.holds(0.0) && axis.holds(99.0) && Axis::steps(f64::NAN, -1.0).is_none());
    }

    #[test]
    fn one_axis_has_labels_of_one_kind() {
        let labels = |low, high| {
            let axis = Axis::logarithmic("", [low, high]).unwrap();
            axis.ticks().iter().map(|v| axis.format(*v)).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.01, 10.0), ["0.01", "0.1", "1", "10"]);
        assert_eq!(labels(1e-4, 10.0), ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1", "10"]);
    }
}
