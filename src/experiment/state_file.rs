//! A descent's state as the bytes of a `.state` file: one line of JSON, then the coordinates in little-endian float64 with every bit: the
//! current ones, those at the last logged step, and those at the last good one.

use serde::{Deserialize, Serialize};

use crate::descent::monitor::Monitor;
use crate::descent::state::State;
use crate::descent::stop::Stop;
use crate::problem::gaps::Gaps;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    step: u64,
    seconds: f64,
    descent_seconds: f64,
    logged_step: Option<u64>,
    stop: Option<Stop>,
    /// The number of coordinates: R·k·ϱ.
    numbers: usize,
    /// The unit of the coordinates: [`State::unit`].
    unit: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<Gaps>,
    #[serde(default)]
    good_step: Option<u64>,
    #[serde(default, alias = "watch")]
    monitor: Monitor,
}

/// The bytes of the file.
pub(crate) fn encode(state: &State) -> Vec<u8> {
    let header = Header {
        step: state.step,
        seconds: state.seconds,
        descent_seconds: state.descent_seconds,
        logged_step: state.logged.as_ref().map(|(step, _)| *step),
        stop: state.stop.clone(),
        numbers: state.coordinates.len(),
        unit: state.unit,
        gaps: state.gaps.clone(),
        good_step: state.good.as_ref().map(|(step, _)| *step),
        monitor: state.monitor.clone(),
    };
    let mut bytes = serde_json::to_vec(&header).expect("a header of plain numbers is JSON");
    bytes.push(b'\n');
    let others = state.logged.iter().chain(&state.good).flat_map(|(_, coordinates)| coordinates);
    bytes.extend(state.coordinates.iter().chain(others).flat_map(|v| v.to_le_bytes()));
    bytes
}

/// The state that [`encode`] wrote; `None` if the bytes are no state with finite numbers.
pub(crate) fn decode(bytes: &[u8]) -> Option<State> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let header: Header = serde_json::from_slice(&bytes[..end]).ok()?;
    let (chunks, rest) = bytes[end + 1..].as_chunks::<8>();
    let mut values: Vec<f64> = chunks.iter().map(|c| f64::from_le_bytes(*c)).collect();
    let whole = header.numbers.checked_mul(1 + usize::from(header.logged_step.is_some()) + usize::from(header.good_step.is_some()))?;
    let is_whole = rest.is_empty() && values.len() == whole && values.iter().all(|v| v.is_finite());
    if !(is_whole && header.unit > 0.0 && header.unit.is_finite()) {
        return None;
    }
    let mut others = values.split_off(header.numbers);
    let good = header.good_step.map(|step| (step, others.split_off(others.len() - header.numbers)));
    Some(State {
        step: header.step,
        coordinates: values,
        unit: header.unit,
        gaps: header.gaps,
        logged: header.logged_step.map(|step| (step, others)),
        good,
        monitor: header.monitor,
        seconds: header.seconds,
        descent_seconds: header.descent_seconds,
        stop: header.stop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::gaps::Margin;

    #[test]
    fn states_come_back_bit_for_bit_and_others_are_refused() {
        let coordinates = vec![1.0 / 3.0, -0.0, f64::MIN_POSITIVE / 2.0, 20.0];
        let state = State {
            step: 20,
            coordinates,
            unit: 1.0,
            gaps: vec![Gaps::of(&[0.0, 1e7], &[0.1, 1e7 + 0.1], 1, 1.0, Margin::Wide)],
            logged: Some((10, vec![0.1; 4])),
            good: Some((0, vec![0.3; 4])),
            monitor: Monitor::default(),
            seconds: 0.1,
            descent_seconds: 1e-9,
            stop: Some(Stop::MaxSteps { steps: 20 }),
        };
        let again = decode(&encode(&state)).unwrap();
        assert_eq!(again, state);
        assert_eq!(
            again.coordinates.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            state.coordinates.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        );
        let not_finite = State { coordinates: vec![f64::NAN; 4], ..state.clone() };
        let no_unit = State { unit: 0.0, ..state.clone() };
        let uneven = State { logged: Some((10, vec![0.1; 3])), ..state };
        for bad in [&not_finite, &no_unit, &uneven] {
            assert_eq!(decode(&encode(bad)), None, "{bad:?}");
        }
    }
}
