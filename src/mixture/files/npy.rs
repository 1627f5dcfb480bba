//! NumPy's .npy: a short header in Python's words, then the numbers.
//!
//! Read by our own few lines, because the crates for it take the memory that a header declares before they look whether the bytes are there.

use std::io::{BufReader, Read};
use std::path::Path;

use super::numbers::{Encoding, Kind, Numbers, Values, extent, read_singles, read_values};
use super::open::{at, damaged, open, reading, shown};
use super::{Array, write_atomically};
use crate::error::{Error, Result};

/// Real headers have some hundred bytes. Version 2 lets a file of 14 bytes declare 4 GiB of it.
const LONGEST_HEADER: u64 = 1 << 16;
const MOST_DIMENSIONS: usize = 8;
/// What to do about another type.
const NUMBERS: &str = "Save float64 numbers: x.astype('<f8')";

/// An array from .npy: floats of 16 to 64 bits or whole numbers of 8 to 64, of either endianness, in C or Fortran order.
pub fn read_npy(path: &Path) -> Result<Array> {
    let (file, length) = open(path)?;
    at(path, read(&mut BufReader::new(file), length)).map(|(array, _)| array)
}

/// Writes an .npy file; `shape` is that of `values` in C order.
///
/// # Errors
/// [`Error::BadInput`] where they differ in size, [`Error::Io`] where writing fails.
pub fn write_npy(path: &Path, shape: &[usize], values: Values) -> Result<()> {
    let header = header(shape, &values)?;
    write_atomically(path, |out| {
        out.write_all(&header)?;
        values.write(out)
    })
}

/// The bytes before the numbers, padded so that these begin at a multiple of 64.
pub(super) fn header(shape: &[usize], values: &Values) -> Result<Vec<u8>> {
    let count = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n));
    if count != Some(values.len()) {
        return Err(Error::bad_input(
            format!("{} numbers do not make an array of shape {shape:?}", values.len()),
            "Give as many numbers as the shape has",
        ));
    }
    let axes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let tuple = if shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({tuple}), }}", values.descr());
    let padding = (10 + text.len() + 1).next_multiple_of(64) - (10 + text.len() + 1);
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

/// Reads an array whose header and numbers are exactly `length` bytes, and the type that these have in the file. Memory is taken only after
/// the header agrees with that.
pub(super) fn read(reader: &mut dyn Read, length: u64) -> Result<(Array, Kind)> {
    let (header, encoding, count) = checked_header(reader, length)?;
    let values = read_values(reader, encoding, count)?;
    let values = if header.fortran_order { c_order(values, &header.shape) } else { values };
    Ok((Array { shape: header.shape, values }, encoding.kind))
}

/// As [`read`], in single precision where the file is: its shape and its numbers.
pub(super) fn read_as_stored(reader: &mut dyn Read, length: u64) -> Result<(Vec<usize>, Numbers)> {
    let (Header { fortran_order, shape, .. }, encoding, count) = checked_header(reader, length)?;
    let numbers = if encoding.kind.is_single() {
        let values = read_singles(reader, encoding, count)?;
        Numbers::F32(if fortran_order { c_order(values, &shape) } else { values })
    } else {
        let values = read_values(reader, encoding, count)?;
        Numbers::F64(if fortran_order { c_order(values, &shape) } else { values })
    };
    Ok((shape, numbers))
}

/// The header, how its numbers lie, and how many follow it: as many as `length` leaves room for.
fn checked_header(reader: &mut dyn Read, length: u64) -> Result<(Header, Encoding, usize)> {
    let (header_length, text) = header_text(reader, length)?;
    let header = Header::parse(&text)?;
    let encoding = encoding(&header.descr)?;
    let there = length - header_length;
    match extent(&header.shape, encoding.kind) {
        Some((count, bytes)) if bytes == there => Ok((header, encoding, count)),
        Some((_, bytes)) => Err(damaged(format!("shape {:?} needs {bytes} bytes, but {there} follow the header", header.shape))),
        None => Err(damaged(format!("shape {:?} is more than any machine can hold, and {there} bytes follow the header", header.shape))),
    }
}

/// The header's text and the bytes up to its end.
pub(super) fn header_text(reader: &mut dyn Read, length: u64) -> Result<(u64, String)> {
    let mut prologue = [0; 8];
    reader.read_exact(&mut prologue).map_err(reading)?;
    if &prologue[..6] != b"\x93NUMPY" {
        return Err(Error::bad_input("is not in NumPy's format", "Write it with numpy.save, or numpy.savez for .npz"));
    }
    let (start, declared) = match prologue[6] {
        1 => {
            let mut bytes = [0; 2];
            reader.read_exact(&mut bytes).map_err(reading)?;
            (10, u64::from(u16::from_le_bytes(bytes)))
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            reader.read_exact(&mut bytes).map_err(reading)?;
            (12, u64::from(u32::from_le_bytes(bytes)))
        }
        version => return Err(damaged(format!("has version {version} of NumPy's format; 1 to 3 are known"))),
    };
    let end = start + declared;
    if declared > LONGEST_HEADER || end > length {
        return Err(damaged(format!("declares a header of {declared} bytes in {length} (at most {LONGEST_HEADER} are read)")));
    }
    let mut bytes = vec![0; declared as usize];
    reader.read_exact(&mut bytes).map_err(reading)?;
    let text = String::from_utf8(bytes).map_err(|_| damaged("has a header that is not text"))?;
    Ok((end, text))
}

/// What a header says.
pub(super) struct Header {
    /// The type, as NumPy writes it.
    pub descr: String,
    fortran_order: bool,
    pub shape: Vec<usize>,
}

impl Header {
    /// A Python dictionary of exactly `descr`, `fortran_order` and `shape`.
    pub(super) fn parse(text: &str) -> Result<Header> {
        let mut words = Words { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        words.expect('{')?;
        while !words.eat('}') {
            let key = words.quoted()?;
            words.expect(':')?;
            let repeated = match key {
                "descr" => descr.replace(words.descr()?).is_some(),
                "fortran_order" => fortran_order.replace(words.boolean()?).is_some(),
                "shape" => shape.replace(words.shape()?).is_some(),
                other => return Err(damaged(format!("has an unknown key `{}` in its header", shown(other)))),
            };
            if repeated {
                return Err(damaged(format!("has the key `{key}` twice in its header")));
            }
            if !words.eat(',') && !words.rest.trim_start().starts_with('}') {
                return Err(words.unexpected());
            }
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) if words.rest.trim().is_empty() => {
                Ok(Header { descr: descr.to_string(), fortran_order, shape })
            }
            (Some(_), Some(_), Some(_)) => Err(words.unexpected()),
            _ => Err(damaged("has a header without descr, fortran_order or shape")),
        }
    }
}

/// What is left of a header's text.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn eat(&mut self, c: char) -> bool {
        let stripped = self.rest.trim_start().strip_prefix(c);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.eat(c) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Error {
        damaged(format!("has a header that breaks off or goes wrong at `{}`", shown(self.rest.trim())))
    }

    fn quoted(&mut self) -> Result<&'a str> {
        let quote = if self.eat('\'') { '\'' } else { '"' };
        if quote == '"' {
            self.expect('"')?;
        }
        let (text, rest) = self.rest.split_once(quote).ok_or_else(|| self.unexpected())?;
        self.rest = rest;
        Ok(text)
    }

    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let (word, rest) = text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len()));
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            _ => Err(self.unexpected()),
        }
    }

    fn shape(&mut self) -> Result<Vec<usize>> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.eat(')') {
            let word = self.word();
            shape.push(word.parse().map_err(|_| damaged(format!("has `{}` as a length in its shape", shown(word))))?);
            if shape.len() > MOST_DIMENSIONS {
                return Err(damaged(format!("has more than {MOST_DIMENSIONS} dimensions")));
            }
            if !self.eat(',') && !self.rest.trim_start().starts_with(')') {
                return Err(self.unexpected());
            }
        }
        Ok(shape)
    }

    fn descr(&mut self) -> Result<&'a str> {
        if self.rest.trim_start().starts_with('[') {
            return Err(Error::bad_input("holds a structured type, not plain numbers", NUMBERS));
        }
        self.quoted()
    }
}

/// How numbers of this type lie.
fn encoding(descr: &str) -> Result<Encoding> {
    let big_endian = descr.starts_with('>');
    let kind = match descr.strip_prefix(['<', '>', '|', '=']).unwrap_or_default() {
        "f2" => Some(Kind::F16),
        "f4" => Some(Kind::F32),
        "f8" => Some(Kind::F64),
        "i1" => Some(Kind::I8),
        "i2" => Some(Kind::I16),
        "i4" => Some(Kind::I32),
        "i8" => Some(Kind::I64),
        "u1" => Some(Kind::U8),
        "u2" => Some(Kind::U16),
        "u4" => Some(Kind::U32),
        "u8" => Some(Kind::U64),
        _ => None,
    };
    if let Some(kind) = kind {
        return Ok(Encoding { kind, big_endian });
    }
    let what = match descr {
        _ if descr.contains('O') => "Python objects, which are never loaded",
        _ if descr.contains('c') => "complex numbers",
        _ if descr.contains('V') => "a structured type",
        _ => "a type that is not read here",
    };
    Err(Error::bad_input(format!("holds {what} (dtype `{}`)", shown(descr)), NUMBERS))
}

/// Column-major numbers in row-major order.
fn c_order<T: Copy>(values: Vec<T>, shape: &[usize]) -> Vec<T> {
    let mut index = vec![0; shape.len()];
    let strides: Vec<usize> = shape.iter().scan(1, |stride, n| Some(std::mem::replace(stride, *stride * n))).collect();
    let mut from = 0;
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        ordered.push(values[from]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            from += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    ordered
}
