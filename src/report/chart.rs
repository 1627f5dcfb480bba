//! Charts as plain data, and the one place that draws them: plotters, into an SVG string.

use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::axis::Axis;
use crate::error::{Error, Result};

/// Canvas units per CSS pixel of the nominal size, because plotters rounds to whole units.
const FINE: i32 = 4;

/// Nominal size in CSS pixels: three charts side by side on a wide screen, one on a phone, at nearly the same size of text.
pub(super) const WIDTH: i32 = 400;
pub(super) const HEIGHT: i32 = 310;

/// Nominal pixels around the plotting area; more on the right if there are labels.
const LEFT: i32 = 66;
const RIGHT: i32 = 20; // half of a tick's label
const MOST_RIGHT: i32 = 150;
const TOP: i32 = 12;
const BOTTOM: i32 = 50;

const FONT: i32 = 15;

/// A colour of Okabe and Ito's palette, or a grey: a variable of the page's style sheet, with a light and a dark value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Blue,
    Vermillion,
    Green,
    Text,
    Grey,
}

/// Each colour as plotters writes it, and its variable.
const VARIABLES: [(&str, &str); 5] = [
    ("\"#0072B2\"", "\"var(--blue,#0072B2)\""),
    ("\"#D55E00\"", "\"var(--vermillion,#D55E00)\""),
    ("\"#009E73\"", "\"var(--green,#009E73)\""),
    ("\"#1F1F1F\"", "\"var(--ink,#1F1F1F)\""),
    ("\"#8A8A8A\"", "\"var(--grey,#8A8A8A)\""),
];

impl Ink {
    fn colour(self) -> RGBColor {
        match self {
            Ink::Blue => RGBColor(0x00, 0x72, 0xB2),
            Ink::Vermillion => RGBColor(0xD5, 0x5E, 0x00),
            Ink::Green => RGBColor(0x00, 0x9E, 0x73),
            Ink::Text => RGBColor(0x1F, 0x1F, 0x1F),
            Ink::Grey => RGBColor(0x8A, 0x8A, 0x8A),
        }
    }
}

/// One item of a chart; points are in the axes' units.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// A polyline; `width` in nominal half pixels.
    Line {
        points: Vec<(f64, f64)>,
        ink: Ink,
        width: u32,
        opacity: f64,
    },
    Dashed {
        points: Vec<(f64, f64)>,
        ink: Ink,
    },
    /// A filled polygon.
    Area {
        outline: Vec<(f64, f64)>,
        ink: Ink,
        opacity: f64,
    },
    Ring {
        at: (f64, f64),
        ink: Ink,
    },
    Dot {
        at: (f64, f64),
        ink: Ink,
    },
    /// Small dots, such as the rows that a curve joins.
    Dots {
        points: Vec<(f64, f64)>,
        ink: Ink,
    },
    Cross {
        at: (f64, f64),
        ink: Ink,
    },
    /// A bar with an arrow down: the value is at most this.
    Bound {
        at: (f64, f64),
        ink: Ink,
    },
    /// Text to the right of the plotting area at the height of `y`, moved so that labels do not overlap.
    Label {
        y: f64,
        text: String,
        ink: Ink,
    },
}

/// The items of a chart, in the order of `marks`, later ones on top.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// What the picture shows, for readers who cannot see it.
    pub description: &'static str,
    pub x: Axis,
    pub y: Axis,
    pub marks: Vec<Mark>,
}

type Drawn<'a> = std::result::Result<(), Box<dyn std::error::Error + 'a>>;

/// Width and height of the plotting area of a chart without labels, in nominal pixels.
pub(super) fn plotting_size() -> (f64, f64) {
    (f64::from(WIDTH - LEFT - RIGHT), f64::from(HEIGHT - TOP - BOTTOM))
}

impl Chart {
    /// Whether some value is only known to be at most a bound.
    pub(super) fn has_bounds(&self) -> bool {
        self.marks.iter().any(|mark| matches!(mark, Mark::Bound { .. }))
    }

    /// The chart as an `<svg>` element.
    pub(super) fn svg(&self) -> Result<String> {
        let mut text = String::new();
        self.draw(&mut text)
            .map_err(|error| Error::bad_input(format!("a chart could not be drawn: {error}"), "Report this with the run folder"))?;
        let label = format!("<svg class=\"chart\" role=\"img\" aria-label=\"{}\" ", self.description);
        let coloured = VARIABLES.iter().fold(text, |text, (colour, variable)| text.replace(colour, variable));
        Ok(coloured.replacen("<svg ", &label, 1))
    }

    fn draw<'a>(&self, text: &'a mut String) -> Drawn<'a> {
        let root = SVGBackend::with_string(text, ((WIDTH * FINE) as u32, (HEIGHT * FINE) as u32)).into_drawing_area();
        let longest = self.marks.iter().map(|m| if let Mark::Label { text, .. } = m { text.chars().count() as i32 } else { 0 }).max();
        let right = longest.filter(|n| *n > 0).map_or(RIGHT, |n| (n * 15 / 2 + 14).min(MOST_RIGHT));
        let font = ("sans-serif", f64::from(FONT * FINE) * 1.24).into_font().color(&Ink::Text.colour());
        let mut chart = ChartBuilder::on(&root)
            .margin_top(TOP * FINE)
            .margin_right(right * FINE)
            .x_label_area_size(BOTTOM * FINE)
            .y_label_area_size(LEFT * FINE)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(Ink::Grey.colour().mix(0.25).stroke_width(2))
            .axis_style(Ink::Grey.colour().stroke_width(4))
            .label_style(font.clone())
            .axis_desc_style(font.clone())
            .x_label_formatter(&|v| self.x.format(*v))
            .y_label_formatter(&|v| self.y.format(*v))
            .set_all_tick_mark_size(4 * FINE)
            .x_desc(self.x.title.as_str())
            .y_desc(self.y.title.as_str())
            .draw()?;
        let mut labels = Vec::new();
        for mark in &self.marks {
            match mark {
                Mark::Label { y, text, ink } => labels.push((chart.backend_coord(&(self.x.high, *y)), text, *ink)),
                mark => self.draw_mark(chart.plotting_area(), mark)?,
            }
        }
        labels.sort_by_key(|((_, y), _, _)| *y);
        let mut lowest = 0;
        // Labels are pushed down if they would overlap, with room left for those that follow.
        let mut room = labels.len() as i32;
        for ((x, y), text, ink) in labels {
            let y = (y - 2 * FONT * FINE / 3).min((HEIGHT - BOTTOM + 4) * FINE - room * (FONT + 3) * FINE).max(lowest);
            room -= 1;
            lowest = y + (FONT + 3) * FINE;
            root.draw(&Text::new(text.as_str(), (x + 6 * FINE, y), font.clone().color(&ink.colour())))?;
        }
        root.present()?;
        Ok(())
    }

    /// Draws anything but a label.
    fn draw_mark<'a>(&self, area: &DrawingArea<SVGBackend<'a>, Cartesian2d<Axis, Axis>>, mark: &Mark) -> Drawn<'a> {
        match mark {
            Mark::Line { points, ink, width, opacity } => {
                let style = ink.colour().mix(*opacity).stroke_width(width * FINE as u32 / 2);
                area.draw(&PathElement::new(self.inside(points), style))?;
            }
            Mark::Dashed { points, ink } => {
                let style = ink.colour().stroke_width(6);
                area.draw(&DashedPathElement::new(self.inside(points), 7 * FINE, 5 * FINE, style))?;
            }
            Mark::Area { outline, ink, opacity } => area.draw(&Polygon::new(self.inside(outline), ink.colour().mix(*opacity)))?,
            Mark::Ring { at, ink } => area.draw(&Circle::new(*at, 3 * FINE, ink.colour().stroke_width(5)))?,
            Mark::Dot { at, ink } => area.draw(&Circle::new(*at, 3 * FINE, ink.colour().filled()))?,
            Mark::Dots { points, ink } => {
                for at in self.inside(points) {
                    area.draw(&Circle::new(at, 9 * FINE / 4, ink.colour().filled()))?;
                }
            }
            Mark::Cross { at, ink } => area.draw(&Cross::new(*at, 5 * FINE, ink.colour().stroke_width(9)))?,
            Mark::Bound { at, ink } => {
                let arrow = [(-5, 0), (5, 0), (0, 0), (0, 10), (-3, 7), (0, 10), (3, 7)].map(|(x, y)| (x * FINE, y * FINE));
                area.draw(&(EmptyElement::at(*at) + PathElement::new(arrow.to_vec(), ink.colour().stroke_width(5))))?;
            }
            Mark::Label { .. } => {}
        }
        Ok(())
    }

    /// The points whose coordinates lie on the axes.
    fn inside(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        points.iter().filter(|(x, y)| self.x.holds(*x) && self.y.holds(*y)).copied().collect()
    }
}
