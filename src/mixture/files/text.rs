//! One word in an .npy array: a NumPy string without axes, `<U4` or `|S4`.

use std::io::Read;

use super::npy::{Header, header_text};
use super::open::{damaged, reading, shown};
use crate::error::{Error, Result};

/// More characters than any word has that is asked for here.
const LONGEST: usize = 64;

/// The word of an array whose header and characters are exactly `length` bytes.
pub(super) fn read(reader: &mut dyn Read, length: u64) -> Result<String> {
    let (header_length, text) = header_text(reader, length)?;
    let Header { descr, shape, .. } = Header::parse(&text)?;
    let no_word = || {
        Error::bad_input(format!("holds no word (dtype `{}`, shape {shape:?})", shown(&descr)), "Save one string: numpy.array(\"full\")")
    };
    let (width, digits) = match descr.split_at_checked(2) {
        Some(("<U" | ">U", digits)) => (4, digits),
        Some(("|S", digits)) => (1, digits),
        _ => return Err(no_word()),
    };
    let count = digits.parse::<usize>().ok().filter(|count| *count <= LONGEST && shape.iter().all(|n| *n == 1)).ok_or_else(no_word)?;
    if (count * width) as u64 != length - header_length {
        return Err(damaged(format!(
            "dtype `{}` needs {} bytes, but {} follow the header",
            shown(&descr),
            count * width,
            length - header_length
        )));
    }
    let mut bytes = vec![0; count * width];
    reader.read_exact(&mut bytes).map_err(reading)?;
    let code = |bytes: &[u8]| match bytes.try_into() {
        Ok(four) if descr.starts_with('>') => u32::from_be_bytes(four),
        Ok(four) => u32::from_le_bytes(four),
        Err(_) => u32::from(bytes[0]),
    };
    let word: Option<String> = bytes.chunks_exact(width).map(code).filter(|code| *code != 0).map(char::from_u32).collect();
    word.ok_or_else(|| damaged("holds what is no text"))
}
