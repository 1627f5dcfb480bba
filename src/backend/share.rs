//! How devices, threads or hosts divide one problem: what is divided, which part belongs to whom, and the tree by which partial sums are
//! added. Nothing here depends on the kind of device.
//!
//! Groups of samples are the leaves of one binary tree, and a total is its root: ((g₀ + g₁) + (g₂ + g₃)) + …; missing leaves add nothing.
//! Each participant sums every subtree whose leaves are all its own. These nodes are exchanged, and everyone adds the nodes above them. So
//! the sum has the same bits wherever the work is cut.

use std::ops::{Add, Range};

use crate::objective::groups::MAX_GROUPS;

/// What is divided among the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Each device has its own replicates.
    Replicates,
    /// Each device has its own strata of every replicate, and their gradient rows: no sum spans two devices.
    Strata,
    /// Each device has its own groups of samples of every stratum of every replicate.
    Samples,
}

/// Part `index` of `of` parts of nearly equal size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub split: Split,
    pub index: usize,
    pub of: usize,
}

impl Part {
    /// All of the work.
    pub(crate) const WHOLE: Self = Self { split: Split::Replicates, index: 0, of: 1 };

    /// All parts of a split, in order.
    pub(crate) fn all(split: Split, of: usize) -> impl Iterator<Item = Self> {
        (0..of).map(move |index| Self { split, index, of })
    }

    /// The replicates of this part, out of n.
    pub(crate) fn replicates(self, n: usize) -> Range<usize> {
        self.of_shared(Split::Replicates, n)
    }

    /// The strata of this part, out of n, counted through its replicates.
    pub(crate) fn strata(self, n: usize) -> Range<usize> {
        self.of_shared(Split::Strata, n)
    }

    /// The groups of samples of this part, out of n.
    pub(crate) fn groups(self, n: usize) -> Range<usize> {
        self.of_shared(Split::Samples, n)
    }

    /// This part's range of n items if the split divides items of this kind; else all of them.
    fn of_shared(self, kind: Split, n: usize) -> Range<usize> {
        if self.split == kind { self.index * n / self.of..(self.index + 1) * n / self.of } else { 0..n }
    }
}

/// A table (strata, groups, width) joined from `parts`, each of shape (own strata, own groups, width).
pub(crate) fn joined<T: Copy + Default>(split: Split, parts: &[&[T]], n_strata: usize, n_groups: usize, width: usize) -> Vec<T> {
    let mut table = vec![T::default(); n_strata * n_groups * width];
    for (part, values) in Part::all(split, parts.len()).zip(parts) {
        let groups = part.groups(n_groups);
        let row = groups.len() * width;
        for (stratum, values) in part.strata(n_strata).zip(values.chunks_exact(row.max(1))) {
            table[(stratum * n_groups + groups.start) * width..][..row].copy_from_slice(values);
        }
    }
    table
}

/// The root of the tree over `leaves`, number by number. Leaves are sums of groups, or of nodes in the place of their first group.
pub(crate) fn total<T: Copy + Add<Output = T>>(leaves: &[Option<&[T]>]) -> Vec<T> {
    subtree(leaves, leaves.len().next_power_of_two()).unwrap_or_default()
}

/// The sum over a subtree with room for `size` leaves; `None` if it has none.
fn subtree<T: Copy + Add<Output = T>>(leaves: &[Option<&[T]>], size: usize) -> Option<Vec<T>> {
    if size == 1 || leaves.is_empty() {
        return leaves.first().copied().flatten().map(<[T]>::to_vec);
    }
    let (left, right) = leaves.split_at(leaves.len().min(size / 2));
    match (subtree(left, size / 2), subtree(right, size / 2)) {
        (Some(left), Some(right)) => Some(left.iter().zip(&right).map(|(l, r)| *l + *r).collect()),
        (left, right) => left.or(right),
    }
}

/// The nodes of the tree that one part of the samples sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnNodes {
    pub groups: Range<usize>,
    /// The leaves of each node.
    pub nodes: Vec<Range<usize>>,
    /// The number of nodes in earlier parts.
    pub first_node: usize,
    /// The number of nodes in all parts.
    pub n_nodes: usize,
    /// Bit g is set if a node begins at group g.
    pub starts: u32,
}

impl OwnNodes {
    pub(crate) fn new(part: Part, n_groups: usize) -> Self {
        let part = if part.split == Split::Samples { part } else { Part::WHOLE };
        let of_part = |part: Part| nodes(part.groups(n_groups), n_groups);
        let parts = || Part::all(part.split, part.of);
        let count = |parts: &mut dyn Iterator<Item = Part>| parts.map(|p| of_part(p).len()).sum();
        let starts = parts().flat_map(of_part).fold(0, |bits, node| bits | 1 << node.start);
        let (first_node, n_nodes) = (count(&mut parts().take(part.index)), count(&mut parts()));
        Self { groups: part.groups(n_groups), nodes: of_part(part), first_node, n_nodes, starts }
    }
}

/// The largest subtrees whose leaves among `n_groups` are all in `range`.
fn nodes(range: Range<usize>, n_groups: usize) -> Vec<Range<usize>> {
    // The leaves after the last group are empty.
    let end = if range.end == n_groups { MAX_GROUPS } else { range.end };
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let mut size = 1;
        while at.is_multiple_of(2 * size) && at + 2 * size <= end {
            size *= 2;
        }
        out.push(at..(at + size).min(range.end));
        at += size;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves of very different sizes, so that another order of sums has other bits; some are −0.
    fn leaves(n: usize) -> Vec<[f32; 2]> {
        (0..n).map(|g| [(g as f32 * 1.7).sin() * 10f32.powi(g as i32 % 5), if g % 3 == 0 { -0.0 } else { 1e-3 / g as f32 }]).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn every_group_is_in_one_node_of_one_part_and_the_root_is_the_same() {
        for (n_groups, of) in (1..=MAX_GROUPS).flat_map(|n| (1..=n.min(9)).map(move |of| (n, of))) {
            let leaves = leaves(n_groups);
            let mut next = 0;
            let mut sums: Vec<Option<Vec<f32>>> = vec![None; n_groups];
            let mut n_nodes = 0;
            for part in Part::all(Split::Samples, of) {
                let own = OwnNodes::new(part, n_groups);
                assert_eq!(own.first_node, n_nodes);
                for node in &own.nodes {
                    assert_eq!(node.start, next);
                    assert_eq!((own.starts & ((1u32 << node.start) - 1)).count_ones() as usize, n_nodes);
                    assert!(node.end <= own.groups.end);
                    let own: Vec<_> = (0..n_groups).map(|g| node.contains(&g).then_some(&leaves[g][..])).collect();
                    sums[node.start] = Some(total(&own));
                    (next, n_nodes) = (node.end, n_nodes + 1);
                }
                assert_eq!((next, own.n_nodes >= n_nodes), (own.groups.end, true));
            }
            assert_eq!(next, n_groups);
            let of_nodes = total(&sums.iter().map(Option::as_deref).collect::<Vec<_>>());
            let of_leaves = total(&leaves.iter().map(|leaf| Some(&leaf[..])).collect::<Vec<_>>());
            assert_eq!(bits(&of_nodes), bits(&of_leaves), "{n_groups} groups in {of} parts");
        }
    }

    #[test]
    fn a_total_is_the_root_of_a_binary_tree() {
        let v = [1e8, 1.0, -1e8, 3.0, 0.1, 0.2, 0.3];
        let rows: Vec<Option<&[f64]>> = v.chunks_exact(1).map(Some).collect();
        assert_eq!(total(&rows), [((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + v[6])]);
        assert_eq!(total(&[None, rows[1], None, None, rows[4], None]), [v[1] + v[4]]);
        assert_eq!(total::<f64>(&[None, None]), [0.0; 0]);
        assert_eq!(total::<f32>(&[]), [0.0; 0]);
    }

    #[test]
    fn equal_powers_of_two_hand_over_one_node_each() {
        for (n_groups, of) in [(32, 2), (32, 4), (32, 8), (16, 4), (20, 1), (2, 2)] {
            let part = Part { split: Split::Samples, index: 0, of };
            assert_eq!(OwnNodes::new(part, n_groups).n_nodes, of, "{n_groups} groups in {of} parts");
        }
    }

    #[test]
    fn tables_come_together_from_parts_of_every_split() {
        let (n_strata, n_groups, width) = (5, 7, 3);
        let table: Vec<usize> = (0..n_strata * n_groups * width).collect();
        for (split, of) in [Split::Strata, Split::Samples].into_iter().flat_map(|split| (1..9).map(move |of| (split, of))) {
            let of_part = |part: Part| -> Vec<usize> {
                let rows = part.strata(n_strata).flat_map(|s| part.groups(n_groups).map(move |g| (s * n_groups + g) * width));
                rows.flat_map(|at| &table[at..at + width]).copied().collect()
            };
            let parts: Vec<Vec<usize>> = Part::all(split, of).map(of_part).collect();
            let parts: Vec<&[usize]> = parts.iter().map(Vec::as_slice).collect();
            assert_eq!(joined(split, &parts, n_strata, n_groups, width), table, "{split:?} in {of}");
        }
        assert_eq!(joined(Split::Replicates, &[&table], n_strata, n_groups, width), table);
        assert_eq!([Part::WHOLE.replicates(5), Part::WHOLE.strata(5), Part::WHOLE.groups(5)], [0..5, 0..5, 0..5]);
    }
}
