//! Lines with error bars, for sweeps along one numeric axis: one curve per value of the other axes.

use super::axis::{Axis, drawable};
use super::chart::{Chart, Ink, Mark};
use super::interval::Interval;
use super::layout::{Layout, MOST_CURVES, Panel, Side, number};
use super::quantity::Quantity;
use crate::experiment::sweep::table::{CellState, SweepTable};

const INKS: [Ink; MOST_CURVES] = [Ink::Blue, Ink::Vermillion, Ink::Green, Ink::Text, Ink::Grey];

/// The most letters beside a chart.
const MOST_LETTERS: usize = 16;

/// The text under every such chart.
pub(super) const KEY: &str = "A cross at the foot is a cell that failed, a ring there one that was not run or has no value.";

/// The chart of a quantity; `None` if no number can be drawn.
pub(super) fn chart(table: &SweepTable, layout: &Layout, quantity: Quantity, numbers: &[Option<Interval>]) -> Option<Chart> {
    let side = layout.rows.as_ref()?;
    let x = x_axis(side)?;
    let ends = numbers.iter().flatten().flat_map(|i| [i.value, i.low, i.high]);
    let y = match quantity {
        Quantity::Divergence { .. } => Axis::logarithmic("L (1/unit²)", ends)?,
        _ => Axis::between(quantity.title(), -0.03, 1.05),
    };
    let mut chart = Chart { description: "A number of the sweep against its numeric axis, with intervals", x, y, marks: Vec::new() };
    for (at, (panel, ink)) in layout.panels.iter().zip(INKS).enumerate() {
        // Shifted a little, so that bars at the same value can be told apart.
        let shift = (at as f64 - 0.5 * (layout.panels.len() as f64 - 1.0)) * 0.007;
        add_curve(&mut chart, table, side, panel, numbers, ink, shift);
    }
    Some(chart)
}

fn x_axis(side: &Side) -> Option<Axis> {
    let values: Vec<f64> = side.values.iter().filter_map(|v| number(v)).filter(|v| drawable(*v)).collect();
    let (low, high) = (values.first()?, values.last()?);
    if *low > 0.0 && high / low >= 30.0 { Axis::logarithmic(&side.name, values) } else { Axis::linear(&side.name, values) }
}

fn add_curve(chart: &mut Chart, table: &SweepTable, side: &Side, panel: &Panel, numbers: &[Option<Interval>], ink: Ink, shift: f64) {
    let (x, y) = (chart.x.clone(), chart.y.clone());
    let at = |row: usize| {
        let v = number(&side.values[row]).filter(|v| drawable(*v))?;
        Some(if x.is_logarithmic() { v * (x.high / x.low).powf(shift) } else { v + shift * (x.high - x.low) })
    };
    // The line has a gap if a cell has no value.
    let mut lines = vec![Vec::new()];
    for (row, cell) in panel.cells.iter().map(|row| row[0]).enumerate() {
        let (Some(at), Some(cell)) = (at(row).filter(|v| x.holds(*v)), cell) else { continue };
        match &numbers[cell] {
            Some(i) if y.holds(i.value) => {
                lines.last_mut().into_iter().for_each(|line| line.push((at, i.value)));
                let points = vec![(at, i.low.max(y.low)), (at, i.high.min(y.high))];
                chart.marks.push(Mark::Line { points, ink, width: 3, opacity: 1.0 });
                chart.marks.push(Mark::Dot { at: (at, i.value), ink });
            }
            _ => {
                lines.push(Vec::new());
                let failed = matches!(table.cells[cell].state, CellState::Failed(_));
                chart.marks.push(if failed { Mark::Cross { at: (at, y.low), ink } } else { Mark::Ring { at: (at, y.low), ink } });
            }
        }
    }
    if let Some((_, end)) = lines.iter().flatten().last().copied() {
        // With one other axis the label is the value alone, because the margin is narrow.
        let label = if panel.name.matches(" = ").count() == 1 { panel.name.split(" = ").last() } else { Some(panel.name.as_str()) };
        let label: String = label.unwrap_or_default().chars().take(MOST_LETTERS).collect();
        if !label.is_empty() {
            chart.marks.push(Mark::Label { y: end, text: label, ink });
        }
    }
    for points in lines.into_iter().filter(|line| line.len() > 1) {
        chart.marks.push(Mark::Line { points, ink, width: 2, opacity: 0.7 });
    }
}
