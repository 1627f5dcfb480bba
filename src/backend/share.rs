//! Devices that share samples: who works on which groups of samples, and which sums they hand to each other. No GPU is named here.
//!
//! The groups of samples are the leaves of one binary tree, and a total is its root: ((g₀ + g₁) + (g₂ + g₃)) + …, where a leaf that is
//! not there adds nothing. A device adds up every subtree whose leaves are all its own; these nodes are exchanged, and each device adds
//! what lies above them. So the sum is the same, bit for bit, wherever the cuts between devices are.

use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::objective::groups::MAX_GROUPS;

/// Makes known to all what each device found: the sums of every device, in order. In one process they are known already; where devices
/// are in several, this is the one place where they talk.
pub type Gather = Arc<dyn Fn(Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>> + Send + Sync>;

/// The `index`-th of `of` devices that share samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub index: usize,
    pub of: usize,
}

impl Part {
    /// A device that has all samples.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Its groups.
    pub fn groups(self, n_groups: usize) -> Range<usize> {
        self.index * n_groups / self.of..(self.index + 1) * n_groups / self.of
    }
}

/// The part of the tree that a device adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub groups: Range<usize>,
    /// The leaves of each of its nodes.
    pub nodes: Vec<Range<usize>>,
    /// Nodes of the devices before it.
    pub first_node: usize,
    /// Nodes of all devices.
    pub n_nodes: usize,
    /// Bit g: a node begins at group g.
    pub starts: u32,
}

impl Share {
    pub fn new(part: Part, n_groups: usize) -> Self {
        let of_device = |index: usize| nodes(Part { index, ..part }.groups(n_groups), n_groups);
        let count = |devices: Range<usize>| devices.map(|d| of_device(d).len()).sum();
        let starts = (0..part.of).flat_map(of_device).fold(0, |bits, node| bits | 1 << node.start);
        let nodes = of_device(part.index);
        Self { groups: part.groups(n_groups), nodes, first_node: count(0..part.index), n_nodes: count(0..part.of), starts }
    }
}

/// The largest subtrees whose leaves among `n_groups` are all in `range`.
fn nodes(range: Range<usize>, n_groups: usize) -> Vec<Range<usize>> {
    // After the last group come leaves that are nobody's.
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

    /// The root of the tree over `leaves`, as the kernel adds it.
    fn root(leaves: &[f32; MAX_GROUPS]) -> f32 {
        let mut sums = leaves.to_vec();
        while sums.len() > 1 {
            sums = sums.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect();
        }
        sums[0]
    }

    fn only(leaves: &[f32; MAX_GROUPS], range: &Range<usize>) -> [f32; MAX_GROUPS] {
        std::array::from_fn(|g| if range.contains(&g) { leaves[g] } else { 0.0 })
    }

    #[test]
    fn every_group_is_in_one_node_of_one_device_and_the_root_is_the_same() {
        for (n_groups, of) in (1..=MAX_GROUPS).flat_map(|n| (1..=n.min(9)).map(move |of| (n, of))) {
            let leaves: [f32; MAX_GROUPS] =
                std::array::from_fn(|g| if g < n_groups { (g as f32 * 1.7).sin() * 10f32.powi(g as i32 % 5) } else { 0.0 });
            let mut next = 0;
            let mut node_at = [0.0; MAX_GROUPS];
            let mut n_nodes = 0;
            for index in 0..of {
                let share = Share::new(Part { index, of }, n_groups);
                assert_eq!(share.first_node, n_nodes);
                for node in &share.nodes {
                    assert_eq!(node.start, next);
                    assert_eq!((share.starts & ((1u32 << node.start) - 1)).count_ones() as usize, n_nodes);
                    assert!(node.end <= share.groups.end);
                    node_at[node.start] = root(&only(&leaves, node));
                    (next, n_nodes) = (node.end, n_nodes + 1);
                }
                assert_eq!(next, share.groups.end);
            }
            assert_eq!(next, n_groups);
            assert_eq!(root(&node_at).to_bits(), root(&leaves).to_bits(), "{n_groups} groups on {of} devices");
        }
    }

    #[test]
    fn equal_powers_of_two_hand_over_one_node_each() {
        for (n_groups, of) in [(32, 2), (32, 4), (32, 8), (16, 4), (20, 1), (2, 2)] {
            assert_eq!(Share::new(Part { index: 0, of }, n_groups).n_nodes, of, "{n_groups} groups on {of} devices");
        }
    }
}
