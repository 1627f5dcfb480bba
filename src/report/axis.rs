//! An axis, linear or logarithmic, with ticks at round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Numbers beyond this are not drawn: sums and squares of those below stay finite.
const LARGEST: f64 = 1e100;

/// How values are placed, and where ticks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Linear with ticks at whole numbers only.
    Whole,
    Logarithmic,
}

/// The range and the title (with its unit) of one direction of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub title: String,
    pub low: f64,
    pub high: f64,
    pub scale: Scale,
}

/// True for numbers that can be drawn.
pub fn drawable(v: f64) -> bool {
    v.is_finite() && v.abs() <= LARGEST
}

impl Axis {
    /// A logarithmic axis around the positive ones of `values`; `None` when there is none.
    pub fn logarithmic(title: &str, values: impl IntoIterator<Item = f64>) -> Option<Axis> {
        let (low, high) = ends(values.into_iter().filter(|v| *v >= 1e-100))?;
        let margin = ((high / low).log10() * 0.04).max(0.05);
        let (low, high) = (low / 10f64.powf(margin), high * 10f64.powf(margin));
        Some(Axis { title: title.into(), low, high, scale: Scale::Logarithmic })
    }

    /// A linear axis around `values`; `None` when there is none.
    pub fn linear(title: &str, values: impl IntoIterator<Item = f64>) -> Option<Axis> {
        let (low, high) = ends(values)?;
        let margin = ((high - low) * 0.04).max(high.abs().max(1e-3) * 1e-3);
        Some(Axis { title: title.into(), low: low - margin, high: high + margin, scale: Scale::Linear })
    }

    /// A linear axis with given ends.
    pub fn between(title: &str, low: f64, high: f64) -> Axis {
        Axis { title: title.into(), low, high, scale: Scale::Linear }
    }

    /// An axis of `n` things counted from 0.
    pub fn counting(title: &str, n: usize) -> Axis {
        Axis { title: title.into(), low: -0.6, high: n as f64 - 0.4, scale: Scale::Whole }
    }

    /// True for a logarithmic axis.
    pub fn is_logarithmic(&self) -> bool {
        self.scale == Scale::Logarithmic
    }

    /// True where `v` lies on the axis.
    pub fn holds(&self, v: f64) -> bool {
        self.low <= v && v <= self.high
    }

    /// The label of a tick.
    pub fn format(&self, v: f64) -> String {
        if self.is_logarithmic() { logarithmic_label(v) } else { super::number::short(v) }
    }

    /// Where the labels are.
    pub fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => return linear_ticks(self.low, self.high),
            Scale::Whole if self.high < 12.0 => return (0..=self.high as i32).map(f64::from).collect(),
            Scale::Whole => return linear_ticks(self.low, self.high).into_iter().filter(|v| v.fract() == 0.0).collect(),
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

fn logarithmic_label(v: f64) -> String {
    let exponent = v.log10().floor() as i32;
    let exponent = if 10f64.powi(exponent + 1) <= v * (1.0 + 1e-9) { exponent + 1 } else { exponent };
    let mantissa = v / 10f64.powi(exponent);
    if exponent.abs() <= 2 {
        return super::number::short(v);
    }
    let power = format!("10{}", super::number::superscript(exponent));
    if (mantissa - 1.0).abs() <= 1e-6 { power } else { format!("{}·{power}", super::number::short(mantissa)) }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = if self.is_logarithmic() {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
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
