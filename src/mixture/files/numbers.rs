//! Numbers as bytes.

use std::io::{self, Read, Write};

use half::{bf16, f16};

use super::open::{damaged, reading};
use crate::error::Result;
use crate::memory::room_for;

/// The number types that are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
}

impl Kind {
    /// Bytes of one number.
    pub(super) fn size(self) -> u64 {
        match self {
            Kind::I8 | Kind::U8 => 1,
            Kind::F16 | Kind::Bf16 | Kind::I16 | Kind::U16 => 2,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
        }
    }

    /// Half a unit in the last place of a number near one; whole numbers are exact.
    pub(super) fn rounding(self) -> f64 {
        match self {
            Kind::F16 => 2f64.powi(-11),
            Kind::Bf16 => 2f64.powi(-8),
            Kind::F32 => 2f64.powi(-24),
            _ => 2f64.powi(-53),
        }
    }

    /// Whether single precision holds all of its numbers.
    pub(super) fn is_single(self) -> bool {
        matches!(self, Kind::F16 | Kind::Bf16 | Kind::F32)
    }
}

/// How numbers lie in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Encoding {
    pub kind: Kind,
    pub big_endian: bool,
}

impl From<Kind> for Encoding {
    fn from(kind: Kind) -> Encoding {
        Encoding { kind, big_endian: false }
    }
}

/// Numbers in the precision in which they are stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Numbers {
    /// In double precision, exactly.
    pub fn into_doubles(self) -> Vec<f64> {
        match self {
            Numbers::F64(values) => values,
            Numbers::F32(values) => values.into_iter().map(f64::from).collect(),
        }
    }

    /// The first that is NaN or infinite, and its place.
    pub(super) fn not_finite(&self) -> Option<(usize, f64)> {
        match self {
            Numbers::F32(x) => x.iter().position(|v| !v.is_finite()).map(|at| (at, f64::from(x[at]))),
            Numbers::F64(x) => x.iter().position(|v| !v.is_finite()).map(|at| (at, x[at])),
        }
    }
}

/// Numbers to write, in the type that the file gets.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    F64(&'a [f64]),
    F32(&'a [f32]),
    I64(&'a [i64]),
    /// A word, which is one element.
    Text(&'a str),
}

/// The number of elements and of bytes of an array; `None` where a product overflows.
pub(super) fn extent(shape: &[usize], kind: Kind) -> Option<(usize, u64)> {
    let count = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n))?;
    Some((count, (count as u64).checked_mul(kind.size())?))
}

/// Reads `count` numbers. The caller has checked that the file can hold that many.
pub(super) fn read_values(reader: &mut dyn Read, encoding: Encoding, count: usize) -> Result<Vec<f64>> {
    let values = read_all(reader, encoding, count, extend)?;
    // Whole numbers beyond 2⁵³ were rounded: they are no counts of anything that we wrote.
    let exact = 2f64.powi(53);
    if matches!(encoding.kind, Kind::I64 | Kind::U64) && values.iter().any(|v: &f64| v.abs() > exact) {
        return Err(damaged("holds whole numbers beyond 2^53, which float64 cannot hold exactly"));
    }
    Ok(values)
}

/// As [`read_values`], of a kind that [is single](Kind::is_single), as it lies in the file.
pub(super) fn read_singles(reader: &mut dyn Read, encoding: Encoding, count: usize) -> Result<Vec<f32>> {
    read_all(reader, encoding, count, |values, kind, bytes| {
        let twos = bytes.as_chunks::<2>().0;
        match kind {
            Kind::F16 => values.extend(twos.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Kind::Bf16 => values.extend(twos.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
            _ => values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
        }
    })
}

/// In parts, each made little-endian first.
fn read_all<T>(reader: &mut dyn Read, encoding: Encoding, count: usize, extend: fn(&mut Vec<T>, Kind, &[u8])) -> Result<Vec<T>> {
    let mut values = room_for(count, "these numbers")?;
    let mut buffer = vec![0u8; 1 << 16];
    let size = encoding.kind.size() as usize;
    while values.len() < count {
        let bytes = &mut buffer[..size * (count - values.len()).min((1 << 16) / size)];
        reader.read_exact(bytes).map_err(reading)?;
        if encoding.big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        extend(&mut values, encoding.kind, bytes);
    }
    Ok(values)
}

fn extend(values: &mut Vec<f64>, kind: Kind, bytes: &[u8]) {
    let twos = bytes.as_chunks::<2>().0;
    let (fours, eights) = (bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
    match kind {
        Kind::F16 => values.extend(twos.iter().map(|b| f64::from(f16::from_le_bytes(*b)))),
        Kind::Bf16 => values.extend(twos.iter().map(|b| f64::from(bf16::from_le_bytes(*b)))),
        Kind::F32 => values.extend(fours.iter().map(|b| f64::from(f32::from_le_bytes(*b)))),
        Kind::I8 => values.extend(bytes.iter().map(|b| f64::from(*b as i8))),
        Kind::U8 => values.extend(bytes.iter().map(|b| f64::from(*b))),
        Kind::I16 => values.extend(twos.iter().map(|b| f64::from(i16::from_le_bytes(*b)))),
        Kind::U16 => values.extend(twos.iter().map(|b| f64::from(u16::from_le_bytes(*b)))),
        Kind::I32 => values.extend(fours.iter().map(|b| f64::from(i32::from_le_bytes(*b)))),
        Kind::U32 => values.extend(fours.iter().map(|b| f64::from(u32::from_le_bytes(*b)))),
        Kind::F64 => values.extend(eights.iter().map(|b| f64::from_le_bytes(*b))),
        Kind::I64 => values.extend(eights.iter().map(|b| i64::from_le_bytes(*b) as f64)),
        Kind::U64 => values.extend(eights.iter().map(|b| u64::from_le_bytes(*b) as f64)),
    }
}

impl Values<'_> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Values::F64(v) => v.len(),
            Values::F32(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::Text(_) => 1,
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all elements.
    pub fn bytes(&self) -> u64 {
        match self {
            Values::F64(_) | Values::I64(_) => 8 * self.len() as u64,
            Values::F32(_) => 4 * self.len() as u64,
            Values::Text(text) => 4 * text.chars().count() as u64,
        }
    }

    /// The type's name in an .npy header.
    pub fn descr(&self) -> String {
        match self {
            Values::F64(_) => "<f8".into(),
            Values::F32(_) => "<f4".into(),
            Values::I64(_) => "<i8".into(),
            Values::Text(text) => format!("<U{}", text.chars().count()),
        }
    }

    /// Writes all elements.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Values::F64(v) => write_chunks(v, out, |x| x.to_le_bytes()),
            Values::F32(v) => write_chunks(v, out, |x| x.to_le_bytes()),
            Values::I64(v) => write_chunks(v, out, |x| x.to_le_bytes()),
            Values::Text(text) => text.chars().try_for_each(|c| out.write_all(&u32::from(c).to_le_bytes())),
        }
    }
}

fn write_chunks<T: Copy, const N: usize>(values: &[T], out: &mut dyn Write, bytes: impl Fn(T) -> [u8; N]) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(8192 * N);
    for chunk in values.chunks(8192) {
        buffer.clear();
        chunk.iter().for_each(|v| buffer.extend(bytes(*v)));
        out.write_all(&buffer)?;
    }
    Ok(())
}
