//! Reading zip archives: the strict part of the format that NumPy writes, each number checked against the others.
//!
//! Stored and deflated entries, zip64, no encryption, no comment, one disk, at most 64 entries that do not overlap.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use flate2::{CrcReader, read::DeflateDecoder};

use super::open::{damaged, reading, shown};
use crate::error::{Error, Result};

pub const MOST_ENTRIES: u64 = 64;
const LONGEST_DIRECTORY: u64 = 1 << 16;
const SEE_ZIP64: u64 = u32::MAX as u64;
/// Deflate's options, a descriptor behind the data (its numbers are in the directory too), and names in UTF-8.
const HARMLESS_FLAGS: u16 = 0x080e;

/// An entry whose bytes lie inside of the archive.
pub struct Entry {
    pub name: String,
    /// Bytes when unpacked; what comes out is checked against it.
    pub size: u64,
    /// Bytes in the archive.
    pub packed: u64,
    pub deflated: bool,
    crc: u32,
    header: u64,
    start: u64,
}

impl Entry {
    /// Gives the unpacked bytes to `read`, which must use all of them, and checks their number and checksum.
    pub fn read<T>(&self, file: &File, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let mut file = file;
        file.seek(SeekFrom::Start(self.start)).map_err(reading)?;
        let packed = BufReader::new(file.take(self.packed));
        let plain: Box<dyn Read> = if self.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        let mut checked = CrcReader::new(plain.take(self.size.saturating_add(1)));
        let result = read(&mut checked)?;
        if checked.read(&mut [0]).map_err(reading)? != 0 {
            return Err(damaged("unpacks to more bytes than it declares"));
        }
        if checked.crc().sum() != self.crc {
            return Err(damaged("has a wrong checksum"));
        }
        Ok(result)
    }
}

/// The entries of an archive of `length` bytes, in the directory's order.
pub fn entries(file: &File, length: u64) -> Result<Vec<Entry>> {
    let (count, start, end) = directory_place(file, length)?;
    let directory = bytes_at(file, start, end - start)?;
    let mut fields = Fields(&directory);
    let mut entries = (0..count).map(|_| directory_entry(&mut fields)).collect::<Result<Vec<Entry>>>()?;
    if !fields.0.is_empty() {
        return Err(damaged("has more in its zip directory than it declares"));
    }
    for entry in &mut entries {
        entry.start = data_start(file, entry, start)?;
    }
    refuse_overlaps(&entries, start)?;
    Ok(entries)
}

/// The number of entries, and where the directory starts and ends.
fn directory_place(file: &File, length: u64) -> Result<(u64, u64, u64)> {
    let no_end = || damaged("has no end of a zip archive");
    let tail = bytes_at(file, length.checked_sub(22).ok_or_else(no_end)?, 22)?;
    let mut end = Fields(&tail);
    end.signature(b"PK\x05\x06").map_err(|_| no_end())?;
    end.zeros(4, "is spread over several disks")?;
    let (here, count, size, start) = (u64::from(end.u16()?), u64::from(end.u16()?), u64::from(end.u32()?), u64::from(end.u32()?));
    end.zeros(2, "has a zip comment")?;
    let mut place = (count, size, start, length - 22);
    if let Some(wide) = zip64_end(file, length - 22)? {
        let agree = |small: u64, most: u64, wide: u64| small == wide || small == most;
        if !(agree(count, 0xffff, wide.0) && agree(size, SEE_ZIP64, wide.1) && agree(start, SEE_ZIP64, wide.2)) {
            return Err(damaged("has two ends of its zip archive that contradict each other"));
        }
        place = wide;
    }
    let (count, size, start, end) = place;
    if count > MOST_ENTRIES || size > LONGEST_DIRECTORY {
        return Err(Error::bad_input(
            format!("declares {count} entries in a directory of {size} bytes; at most {MOST_ENTRIES} entries are read"),
            "Save only the arrays that are needed",
        ));
    }
    if start.checked_add(size) != Some(end) || (here != count && here != 0xffff) {
        return Err(damaged("has a zip directory that does not lie where it should"));
    }
    Ok((count, start, end))
}

/// Count, size, start and end of the directory by the zip64 records before `end`, where there are any.
fn zip64_end(file: &File, end: u64) -> Result<Option<(u64, u64, u64, u64)>> {
    let Some(start) = end.checked_sub(20 + 56) else { return Ok(None) };
    let records = bytes_at(file, start, 20 + 56)?;
    let mut locator = Fields(&records[56..]);
    if locator.signature(b"PK\x06\x07").is_err() {
        return Ok(None);
    }
    locator.zeros(4, "is spread over several disks")?;
    let mut record = Fields(&records);
    if locator.u64()? != start || record.signature(b"PK\x06\x06").is_err() || record.u64()? != 44 {
        return Err(damaged("has a broken zip64 end"));
    }
    record.take(4)?; // versions
    record.zeros(8, "is spread over several disks")?;
    let here = record.u64()?;
    let count = record.u64()?;
    if here != count {
        return Err(damaged("is spread over several disks"));
    }
    Ok(Some((count, record.u64()?, record.u64()?, start)))
}

fn directory_entry(fields: &mut Fields) -> Result<Entry> {
    fields.signature(b"PK\x01\x02")?;
    fields.take(4)?; // versions
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.take(4)?; // time and date
    let crc = fields.u32()?;
    let (packed, size) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.zeros(2, "is spread over several disks")?;
    fields.take(6)?; // attributes
    let header = u64::from(fields.u32()?);
    let name = String::from_utf8(fields.take(name.into())?.to_vec()).map_err(|_| damaged("has an entry whose name is not text"))?;
    let mut zip64 = zip64_extra(fields.take(extra.into())?)?;
    fields.take(comment.into())?;
    let mut widen = |small: u64| if small == SEE_ZIP64 { zip64.u64() } else { Ok(small) };
    let (size, packed, header) = (widen(size)?, widen(packed)?, widen(header)?);
    if flags & 0x2041 != 0 {
        return Err(Error::bad_input(format!("the entry {} is encrypted", shown(&name)), "Save it without a password"));
    }
    if flags & !HARMLESS_FLAGS != 0 || !matches!(method, 0 | 8) || (method == 0 && size != packed) {
        return Err(Error::bad_input(
            format!("the entry {} is packed in a way that is not read here (method {method}, flags {flags:#x})", shown(&name)),
            "Write the file with numpy.savez",
        ));
    }
    Ok(Entry { name, size, packed, deflated: method == 8, crc, header, start: 0 })
}

/// The numbers of the zip64 field among the extra fields; none where it is missing.
fn zip64_extra(extra: &[u8]) -> Result<Fields<'_>> {
    let mut fields = Fields(extra);
    while !fields.0.is_empty() {
        let (id, length) = (fields.u16()?, fields.u16()?);
        let field = fields.take(length.into())?;
        if id == 1 {
            return Ok(Fields(field));
        }
    }
    Ok(fields)
}

/// Where an entry's bytes start, after its own header, which must tell the same as the directory.
fn data_start(file: &File, entry: &Entry, directory: u64) -> Result<u64> {
    let lies = || damaged(format!("the entry {} does not lie where the zip directory says", shown(&entry.name)));
    let name_end = entry.header.checked_add(30 + entry.name.len() as u64).filter(|end| *end <= directory).ok_or_else(lies)?;
    let bytes = bytes_at(file, entry.header, name_end - entry.header)?;
    let mut local = Fields(&bytes);
    local.signature(b"PK\x03\x04").map_err(|_| lies())?;
    local.take(2)?; // version
    let described_behind = local.u16()? & 8 != 0;
    let method = local.u16()?;
    local.take(4)?; // time and date
    let (crc, packed, size) = (local.u32()?, u64::from(local.u32()?), u64::from(local.u32()?));
    let (name, extra) = (local.u16()?, local.u16()?);
    let agree = |small: u64, size: u64| small == size || small == SEE_ZIP64;
    let numbers_agree = described_behind || (crc == entry.crc && agree(packed, entry.packed) && agree(size, entry.size));
    if usize::from(name) != entry.name.len() || local.0 != entry.name.as_bytes() || (method == 8) != entry.deflated || !numbers_agree {
        return Err(damaged(format!("the entry {} has a header that contradicts the zip directory", shown(&entry.name))));
    }
    let start = name_end + u64::from(extra);
    start.checked_add(entry.packed).filter(|end| *end <= directory).ok_or_else(lies)?;
    Ok(start)
}

fn refuse_overlaps(entries: &[Entry], directory: u64) -> Result<()> {
    let mut places: Vec<(u64, u64)> = entries.iter().map(|entry| (entry.header, entry.start + entry.packed)).collect();
    places.push((directory, directory));
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(damaged("has overlapping entries"));
    }
    Ok(())
}

fn bytes_at(mut file: &File, start: u64, length: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.seek(SeekFrom::Start(start)).map_err(reading)?;
    file.read_exact(&mut bytes).map_err(reading)?;
    Ok(bytes)
}

/// Little-endian numbers, taken from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(|| damaged("has a zip directory that breaks off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn signature(&mut self, expected: &[u8; 4]) -> Result<()> {
        if &self.array()? == expected { Ok(()) } else { Err(damaged("has a broken zip directory")) }
    }

    fn zeros(&mut self, n: usize, otherwise: &str) -> Result<()> {
        if self.take(n)?.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(damaged(otherwise)) }
    }
}
