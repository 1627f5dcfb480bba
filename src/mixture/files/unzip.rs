//! Opening a zip archive with the `zip` crate, after some checks that the crate does not make.
//!
//! The crate allocates memory for as many entries as an archive declares, searches for another end if the first is broken, and searches all
//! bytes that belong to no entry. All of this is checked here before the crate sees the archive.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::read::{ArchiveOffset, Config, ZipFileEntry};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::open::{damaged, reading, shown};
use crate::error::{Error, Result};

pub(super) type Archive = ZipArchive<BufReader<File>>;

const MOST_ENTRIES: u64 = 64;
const LONGEST_DIRECTORY: u64 = 1 << 16;
/// More than the size of one entry's header and of what may follow its data.
const LONGEST_HEADER: u64 = 1 << 18;

/// An archive of `length` bytes with at most 64 stored or deflated entries of different names, without overlaps, and described alike by
/// their own headers and by the directory; no comment, one disk.
pub(super) fn open_archive(mut file: File, length: u64) -> Result<Archive> {
    require_plain_end(&mut file, length)?;
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, BufReader::new(file)).map_err(unsound)?;
    if archive.has_duplicate_names() {
        return Err(damaged("has two entries of the same name"));
    }
    let mut most = 0u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(unsound)?;
        require_readable(&entry)?;
        most = most.saturating_add(entry.compressed_size()).saturating_add(LONGEST_HEADER);
    }
    if most < archive.central_directory_start() {
        return Err(damaged(format!("has more than {} bytes that belong to no entry", archive.central_directory_start() - most)));
    }
    archive.validate_header_consistency().map_err(unsound)?;
    Ok(archive)
}

pub(super) fn unsound(error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => reading(error),
        error => damaged(format!("cannot be read: {error}")),
    }
}

fn require_readable(entry: &ZipFileEntry) -> Result<()> {
    let name = entry.name().map_err(unsound)?;
    if entry.encrypted() {
        return Err(Error::bad_input(format!("the entry {} is encrypted", shown(&name)), "Save it without a password"));
    }
    let method = entry.compression();
    let stored = method == CompressionMethod::Stored && entry.size() == entry.compressed_size();
    if !stored && method != CompressionMethod::Deflated {
        return Err(Error::bad_input(
            format!(
                "the entry {} of {} bytes, packed into {} by the method {method}, is not read here",
                shown(&name),
                entry.size(),
                entry.compressed_size()
            ),
            "Write the file with numpy.savez",
        ));
    }
    Ok(())
}

/// A comment after the end of an archive is legal, but could hold another end, so it is refused.
fn no_plain_end(file: &mut File, length: u64) -> Error {
    let mut tail = Vec::new();
    let looked = file.seek(SeekFrom::Start(length.saturating_sub(22 + 0xffff))).and_then(|_| file.read_to_end(&mut tail));
    let comment = |at: usize| tail.get(at + 20..at + 22).map(|bytes| usize::from(bytes[0]) | usize::from(bytes[1]) << 8);
    let ends = |at: &usize| tail[*at..].starts_with(b"PK\x05\x06") && comment(*at).is_some_and(|n| n > 0 && at + 22 + n == tail.len());
    match looked.ok().and_then(|_| (0..tail.len().saturating_sub(21)).find(ends)) {
        Some(at) => Error::bad_input(
            format!("has a comment of {} bytes behind its end, which is not read here", tail.len() - at - 22),
            "Save it with numpy.savez, or remove the comment, as by `zip -z`",
        ),
        None => damaged("has no end of a zip archive"),
    }
}

/// Requires that the last bytes of the archive are its end, in the form in which the crate accepts the first end that it finds, and that it
/// declares no more than the limits.
fn require_plain_end(file: &mut File, length: u64) -> Result<()> {
    // The zip64 end (56 bytes), its locator (20) and the end (22), all numbers little-endian.
    const END: u64 = 22;
    const ALL: u64 = 56 + 20 + END;
    let mut tail = [0; ALL as usize];
    let n = length.min(ALL);
    file.seek(SeekFrom::Start(length - n)).map_err(reading)?;
    file.read_exact(&mut tail[(ALL - n) as usize..]).map_err(reading)?;
    let number = |at: usize, n: usize| tail[at..at + n].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    if &tail[76..80] != b"PK\x05\x06" || number(96, 2) != 0 {
        return Err(no_plain_end(file, length));
    }
    let (mut count, mut size, mut start, mut end) = (number(86, 2), number(88, 4), number(92, 4), length.saturating_sub(END));
    let mut one_disk = number(80, 4) == 0 && number(84, 2) == count;
    if count == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
        end = length.saturating_sub(ALL);
        if &tail[..12] != b"PK\x06\x06\x2c\0\0\0\0\0\0\0" || &tail[56..60] != b"PK\x06\x07" || number(64, 8) != end {
            return Err(damaged("has a broken zip64 end"));
        }
        one_disk &= number(16, 8) == 0 && number(24, 8) == number(32, 8) && number(60, 4) == 0 && number(72, 4) == 1;
        (count, size, start) = (number(32, 8), number(40, 8), number(48, 8));
    }
    if count > MOST_ENTRIES || size > LONGEST_DIRECTORY {
        return Err(Error::bad_input(
            format!("declares {count} entries in a directory of {size} bytes; at most {MOST_ENTRIES} entries are read"),
            "Save only the arrays that are needed",
        ));
    }
    let lies = || damaged("has a zip directory that does not lie where it should");
    if !one_disk || start.checked_add(size) != Some(end) {
        return Err(lies());
    }
    let mut signature = [0; 4];
    file.seek(SeekFrom::Start(start)).map_err(reading)?;
    file.read_exact(&mut signature).map_err(reading)?;
    if count > 0 && &signature != b"PK\x01\x02" { Err(lies()) } else { Ok(()) }
}
