//! Reading the undamaged entries of a damaged metrics table or trajectory, step by step.

/// The entry of one logged step in a journal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub step: u64,
    /// As in the journal.
    pub bytes: Vec<u8>,
}

/// The rows of a table whose `header` is known, in the program's own form: other separators, line ends, decimal commas and orders of
/// columns are understood. Steps must rise up to `last`, and each must have a row of every replicate. A last line without a line feed is
/// incomplete and left out.
pub(super) fn rows_by_step(text: &str, header: &str, n_replicates: usize, last: u64) -> Vec<Entry> {
    let text = text.trim_start_matches('\u{feff}');
    let text = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
    let first_line = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|s| first_line.bytes().filter(|b| b == s).count()).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let Ok(found) = reader.headers().cloned() else { return Vec::new() };
    let columns: Vec<Option<usize>> = header.trim().split(',').map(|name| found.iter().position(|other| other.trim() == name)).collect();
    let mut groups: Vec<(u64, Vec<Vec<String>>)> = Vec::new();
    for record in reader.records().flatten().filter(|record| record.len() == found.len()) {
        let cell = |at: &Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default().trim().replace(',', ".");
        let cells: Vec<String> = columns.iter().map(cell).collect();
        let Ok(step) = cells[0].parse() else { continue };
        if !cells.iter().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok_and(f64::is_finite)) {
            continue;
        }
        match groups.last_mut() {
            Some((last, rows)) if *last == step => rows.push(cells),
            _ => groups.push((step, vec![cells])),
        }
    }
    let is_whole = |rows: &[Vec<String>]| {
        let numbered = |(r, cells): (usize, &Vec<String>)| n_replicates == 1 || cells.last().is_some_and(|cell| *cell == r.to_string());
        rows.len() == n_replicates && rows.iter().enumerate().all(numbered)
    };
    let whole = groups.into_iter().filter(|(step, rows)| *step <= last && is_whole(rows));
    with_rising_steps(whole.map(|(step, rows)| {
        let lines = rows.iter().map(|cells| cells.join(",") + "\n");
        Entry { step, bytes: lines.collect::<String>().into_bytes() }
    }))
}

/// The records of a trajectory, each of `length` bytes: a step, and finite means. Steps must rise up to `last`.
pub(super) fn trajectory_records(bytes: &[u8], length: usize, last: u64) -> Vec<Entry> {
    let record = |bytes: &[u8]| {
        let (words, _) = bytes.as_chunks::<8>();
        let step = u64::from_le_bytes(words[0]);
        let is_finite = words[1..].iter().all(|word| f64::from_le_bytes(*word).is_finite());
        (is_finite && step <= last).then(|| Entry { step, bytes: bytes.to_vec() })
    };
    with_rising_steps(bytes.chunks_exact(length).filter_map(record))
}

/// The entries whose step is larger than every earlier one.
fn with_rising_steps(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        if kept.last().is_none_or(|last| last.step < entry.step) {
            kept.push(entry);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "step,seconds,a,b,replicate\n";

    fn steps(text: &str, n_replicates: usize) -> Vec<u64> {
        rows_by_step(text, HEADER, n_replicates, 10).iter().map(|entry| entry.step).collect()
    }

    #[test]
    fn tables_of_other_programs_are_read_as_they_were() {
        let own = format!("{HEADER}0,0.000,0.5,,0\n0,0.000,1.5e-7,2,1\n5,0.125,0.25,,0\n5,0.125,1,1,1\n");
        let entries = rows_by_step(&own, HEADER, 2, 5);
        assert_eq!(HEADER.to_string() + &entries.iter().map(|e| String::from_utf8_lossy(&e.bytes)).collect::<String>(), own);
        let quoted = own.lines().map(|line| format!("\"{}\"\r\n", line.replace(',', "\",\""))).collect::<String>();
        let european = own.replace(',', ";").replace('.', ",");
        let tabs = own.replace(',', "\t");
        for foreign in [quoted, european, tabs] {
            assert_eq!(rows_by_step(&foreign, HEADER, 2, 5), entries, "{foreign}");
        }
        // Another order of columns, one of them missing.
        let moved = "replicate,b,step,seconds\n0,7,0,0.5\n";
        assert_eq!(rows_by_step(moved, HEADER, 1, 0)[0].bytes, b"0,0.5,,7,0\n");
    }

    #[test]
    fn half_rows_half_steps_and_nonsense_are_left_out() {
        let line = |step: &str, replicate: &str| format!("{step},0.1,1,2,{replicate}\n");
        let whole = [line("0", "0"), line("0", "1"), line("5", "0"), line("5", "1")].concat();
        for (damage, kept) in [
            ("", &[0, 5][..]),
            ("10,0.1,1,2,0\n", &[0, 5]),               // one of two replicates
            ("10,0.1,1,2,0\n10,0.1,1,2,1", &[0, 5]),   // no line feed
            ("10,0.1,1\n10,0.1,1,2,1\n", &[0, 5]),     // too few cells
            ("10,0.1,x,2,0\n10,0.1,1,2,1\n", &[0, 5]), // no number
            ("5,0.1,1,2,0\n5,0.1,1,2,1\n", &[0]),      // the same step twice: unclear which is right
            ("3,0.1,1,2,0\n3,0.1,1,2,1\n", &[0, 5]),   // descending
            ("10,0.1,1,2,0\n10,0.1,1,2,1\n", &[0, 5, 10]),
            ("11,0.1,1,2,0\n11,0.1,1,2,1\n", &[0, 5]), // after the last step
        ] {
            assert_eq!(steps(&format!("{HEADER}{whole}{damage}"), 2), kept, "{damage}");
        }
        assert!(steps("", 2).is_empty() && steps("\u{0}\u{1}\n\n", 2).is_empty() && steps("a,b\n1,2\n", 2).is_empty());
    }

    #[test]
    fn records_end_where_they_are_no_longer_whole() {
        let record = |step: u64, x: f64| [step.to_le_bytes(), x.to_le_bytes()].concat();
        let bytes =
            [record(0, 1.0), record(4, f64::NAN), record(8, 2.0), record(2, 3.0), record(99, 3.0), record(9, 4.0), record(9, 4.0)].concat();
        let steps: Vec<u64> = trajectory_records(&bytes[..bytes.len() - 1], 16, 10).iter().map(|entry| entry.step).collect();
        assert_eq!(steps, [0, 8, 9]);
    }
}
