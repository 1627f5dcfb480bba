//! A tile: samples of one or several strata of a patch, from draws to responsibilities and posterior means.
//!
//! Of antithetic pairs only one half is drawn and multiplied: the logits of −z are those of z with the opposite sign of the product.

use std::cell::RefCell;
use std::ops::Range;

use faer::{Accum, MatMut, MatRef};

use super::coefficients::Columns;
use super::pair::Samples;
use super::patch::Patch;
use super::product;
use super::strips::{self, STRIP, Strip};
use super::table::Table;
use crate::vector::Buffer;

/// The most rows of a tile: sums in single precision have at most this many terms.
const MOST_ROWS: usize = 256;

/// A limit below every responsibility, so that every column is kept.
pub(super) const KEEP_ALL: f32 = f32::NEG_INFINITY;

pub(super) struct Tile<'a> {
    pub patch: &'a Patch<'a>,
    samples: &'a Samples,
    rank: usize,
    /// The strata, by their index in the patch.
    pub strata: Range<usize>,
    /// The samples of each stratum.
    pub run: Range<usize>,
    /// Rows of each stratum, and how many of them are drawn; the others are their negatives.
    pub rows: usize,
    pub drawn: usize,
    /// Rows between the starts of two columns: for numbers of each row, and for z.
    pub ld: usize,
    pub ldz: usize,
    strips: Vec<Strip>,
}

/// Buffers for one mixture's numbers of a tile.
#[derive(Default)]
pub(super) struct Work {
    /// Products with ε.
    pub x: Buffer,
    /// exp(logit − peak), ld × m.
    pub e: Buffer,
    pub inverse: Buffer,
    /// The peaks of the logits; after the posterior means, the part of the coefficients that depends on them.
    pub c: Buffer,
    /// The components that have columns.
    pub kept: Vec<u32>,
    /// ε, `inner` and squared distances of the components in `kept`.
    epsilon: Buffer,
    inner: Buffer,
    squares: Buffer,
}

/// Buffers of a thread, kept from tile to tile.
#[derive(Default)]
pub(super) struct Scratch {
    pub z: Buffer,
    pub weight: Buffer,
    pub masked: Buffer,
    pub work: [Work; 2],
    pub v: [Buffer; 2],
    pub energy: [Buffer; 2],
    pub half: Buffer,
    pub h: Buffer,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's buffers; `work` must not wait for other tasks.
pub(super) fn with_scratch<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(work)
}

/// Rows of one stratum for `n` samples: whole strips; each half of antithetic pairs is a multiple of eight.
pub(super) fn rows_of(n: usize, mirrored: bool) -> usize {
    if mirrored { 2 * (n / 2).next_multiple_of(STRIP / 2) } else { n.next_multiple_of(STRIP) }
}

/// Rows processed together: few enough for the tile to stay in cache, unless matrix products take most of the time.
pub(super) fn rows_per_tile(patch: &Patch, rank: usize) -> usize {
    let cached = (1usize << 17) * (rank / 64).max(1) / patch.n_components();
    let most = if cached == 0 { 1 } else { 1 << cached.ilog2() };
    most.clamp(64, MOST_ROWS)
}

/// Rows between two columns: an odd number of whole cache lines, so that columns do not map to the same cache sets.
fn padded(rows: usize) -> usize {
    rows.next_multiple_of(2 * STRIP) + STRIP
}

fn matrix(values: &[f32], ld: usize, rows: usize, columns: usize) -> MatRef<'_, f32> {
    MatRef::from_column_major_slice(&values[..ld * columns], ld, columns).subrows(0, rows)
}

fn matrix_mut(values: &mut [f32], ld: usize, rows: usize, columns: usize) -> MatMut<'_, f32> {
    MatMut::from_column_major_slice_mut(&mut values[..ld * columns], ld, columns).subrows_mut(0, rows)
}

impl<'a> Tile<'a> {
    pub(super) fn new(patch: &'a Patch, samples: &'a Samples, strata: Range<usize>, run: Range<usize>) -> Self {
        let rows = rows_of(run.len(), samples.mirrored());
        let drawn = if samples.mirrored() { rows / 2 } else { rows };
        let (ld, ldz) = (padded(strata.len() * rows), padded(strata.len() * drawn));
        let strips = cut(&strata, rows, drawn);
        Self { patch, samples, rank: patch.sides[0].origin.len(), strata, run, rows, drawn, ld, ldz, strips }
    }

    /// ϱ.
    pub(super) fn rank(&self) -> usize {
        self.rank
    }

    /// The strips of all strata.
    pub(super) fn strips(&self) -> &[Strip] {
        &self.strips
    }

    /// The strips of the t-th stratum.
    pub(super) fn strips_of(&self, t: usize) -> &[Strip] {
        &self.strips[t * self.rows / STRIP..(t + 1) * self.rows / STRIP]
    }

    fn n_rows(&self) -> usize {
        self.strata.len() * self.rows
    }

    fn n_drawn(&self) -> usize {
        self.strata.len() * self.drawn
    }

    /// z of the drawn rows, ldz × rank.
    pub(super) fn draw<'b>(&self, z: &'b mut Buffer) -> &'b [f32] {
        let z = z.take(self.ldz * self.rank);
        let first = if self.samples.mirrored() { self.run.start / 2 } else { self.run.start };
        for (t, stratum) in self.strata.clone().enumerate() {
            self.samples.draws(self.patch.draws_as + stratum).distinct(first, self.drawn, &mut z[t * self.drawn..], self.ldz);
        }
        z
    }

    /// The weights of the rows (ld); zero for padding rows.
    pub(super) fn weigh<'b>(&self, weight: &'b mut Buffer) -> &'b [f32] {
        let (weight, run) = (weight.take(self.ld), &self.run);
        weight.fill(0.0);
        for weight in weight[..self.n_rows()].chunks_exact_mut(self.rows) {
            if let Some(weights) = self.samples.weights() {
                weight[..run.len()].copy_from_slice(&weights[run.clone()]);
            } else if self.samples.mirrored() {
                weight.chunks_exact_mut(self.drawn).for_each(|half| half[..run.len() / 2].fill(1.0));
            } else {
                weight[..run.len()].fill(1.0);
            }
        }
        weight
    }

    /// Exponentials of one mixture, without the columns that are below `faint` in every row.
    pub(super) fn exponentials(&self, side: &Table, faint: f32, z: &[f32], work: &mut Work) {
        let (ld, ldz, n, m) = (self.ld, self.ldz, self.n_drawn(), side.m);
        let x = work.x.take(ld * m);
        let epsilon = MatRef::from_column_major_slice(&side.epsilon, self.rank, m);
        product(matrix_mut(x, ldz, n, m), Accum::Replace, matrix(z, ldz, n, self.rank), epsilon);
        let (peak, inverse) = (work.c.take(ld), work.inverse.take(ld));
        strips::softmax(x, ldz, &self.strips, &side.offset, m, faint, work.e.take(ld * m), ld, peak, inverse, &mut work.kept);
    }

    /// v = centre − posterior mean (ld × rank) from exponentials, its energy, and c.
    pub(super) fn posterior(&self, side: &Table, work: &mut Work, v: &mut Buffer, energy: &mut Buffer) {
        let (ld, rows, rank, m) = (self.ld, self.n_rows(), self.rank, work.kept.len());
        let epsilon = MatRef::from_column_major_slice(side.epsilon_of(&work.kept, &mut work.epsilon), rank, m);
        let v = v.take(ld * rank);
        product(matrix_mut(v, ld, rows, rank), Accum::Replace, matrix(work.e.take(ld * m), ld, rows, m), epsilon.transpose());
        let (inverse, c, energy) = (work.inverse.take(ld), work.c.take(ld), energy.take(ld));
        strips::turn_to_centre(v, ld, &self.strips, &side.centre, &side.level, rank, inverse, c, energy);
    }

    /// x_l = ⟨ε_l, b⟩ for b (ld × rank), after [`Tile::posterior`].
    pub(super) fn project(&self, side: &Table, work: &mut Work, b: &[f32]) {
        let (ld, rows, rank, m) = (self.ld, self.n_rows(), self.rank, work.kept.len());
        let epsilon = if m == side.m { &side.epsilon[..] } else { &*work.epsilon.take(m * rank) };
        let epsilon = MatRef::from_column_major_slice(epsilon, rank, m);
        product(matrix_mut(work.x.take(ld * m), ld, rows, m), Accum::Replace, matrix(b, ld, rows, rank), epsilon);
    }

    /// x = D·e from exponentials and the table's squared distances D (m, m); also the energy and c.
    pub(super) fn gram(&self, side: &Table, distances: &[f32], work: &mut Work, energy: &mut Buffer) {
        let (ld, rows, m) = (self.ld, self.n_rows(), work.kept.len());
        let squares = MatRef::from_column_major_slice(side.squares_of(distances, &work.kept, &mut work.squares), m, m);
        let (x, e) = (work.x.take(ld * m), &*work.e.take(ld * m));
        product(matrix_mut(x, ld, rows, m), Accum::Replace, matrix(e, ld, rows, m), squares);
        let inner = side.inner_of(&work.kept, &mut work.inner);
        let (inverse, c, energy) = (work.inverse.take(ld), work.c.take(ld), energy.take(ld));
        strips::gram_offsets(e, x, ld, &self.strips, inner, m, inverse, c, energy);
    }

    /// The results of [`Tile::gram`], or of [`Tile::posterior`] and [`Tile::project`].
    pub(super) fn columns<'b>(&self, side: &'b Table, work: &'b mut Work) -> Columns<'b> {
        let (ld, m) = (self.ld, work.kept.len());
        Columns {
            ld,
            kept: &work.kept,
            inner: side.inner_of(&work.kept, &mut work.inner),
            e: work.e.take(ld * m),
            u: work.x.take(ld * m),
            inverse: work.inverse.take(ld),
            c: work.c.take(ld),
        }
    }

    /// out (m, rank) = Rᵀa + Hᵀz for R (ld × m), a (ld × rank), H (ldz × m) and z.
    pub(super) fn transposed_products(&self, [r, a, h, z]: [&[f32]; 4], out: &mut [f32]) {
        let (rank, m) = (self.rank, out.len() / self.rank);
        let (rows, drawn) = (self.n_rows(), self.n_drawn());
        let r = matrix(r, self.ld, rows, m).transpose();
        product(MatMut::from_row_major_slice_mut(&mut *out, m, rank), Accum::Replace, r, matrix(a, self.ld, rows, rank));
        let h = matrix(h, self.ldz, drawn, m).transpose();
        product(MatMut::from_row_major_slice_mut(out, m, rank), Accum::Add, h, matrix(z, self.ldz, drawn, rank));
    }
}

/// The strips of some strata with `rows` rows each: `drawn` of them are drawn and the rest are their negatives.
fn cut(strata: &Range<usize>, rows: usize, drawn: usize) -> Vec<Strip> {
    let source = |t: usize, row: usize| if row < drawn { (t * drawn + row, 1.0) } else { (t * drawn + row - drawn, -1.0) };
    strata
        .clone()
        .enumerate()
        .flat_map(|(t, stratum)| {
            (0..rows).step_by(STRIP).map(move |row| Strip {
                row: t * rows + row,
                stratum,
                low: source(t, row),
                high: source(t, row + STRIP / 2),
            })
        })
        .collect()
}
