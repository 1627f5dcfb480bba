//! Writing a zip archive as a stream: entries stored as they are, fixed dates, so that equal contents give equal bytes.
//!
//! Every size and offset stands in zip64 fields, as NumPy writes them too: small archives then walk the path of those above 4 GiB.

use std::io::{self, Write};

use flate2::Crc;

/// 1 January 1980, the first day that zip can tell.
const DATE: u16 = 1 << 5 | 1;
const SEE_ZIP64: [u8; 4] = u32::MAX.to_le_bytes();
/// Version 4.5 of the format, the first with zip64.
const VERSION: u16 = 45;

/// An archive being written to `out`.
pub struct Writer<'w> {
    out: &'w mut dyn Write,
    at: u64,
    directory: Vec<u8>,
    n_entries: u64,
}

impl<'w> Writer<'w> {
    pub fn new(out: &'w mut dyn Write) -> Self {
        Self { out, at: 0, directory: Vec::new(), n_entries: 0 }
    }

    /// Adds an entry of `size` bytes, which `content` writes; it is called twice, first for the checksum that stands before them.
    pub fn add(&mut self, name: &str, size: u64, content: impl Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut checksum = Checksum(Crc::new());
        content(&mut checksum)?;
        let mut common = vec![0; 4]; // no flags, stored
        common.extend([0; 2]);
        common.extend(DATE.to_le_bytes());
        common.extend(checksum.0.sum().to_le_bytes());
        common.extend([SEE_ZIP64, SEE_ZIP64].concat());
        common.extend((name.len() as u16).to_le_bytes());

        let mut local = [b"PK\x03\x04".as_slice(), &VERSION.to_le_bytes(), &common, &20u16.to_le_bytes(), name.as_bytes()].concat();
        zip64_field(&mut local, &[size, size]);

        let directory = &mut self.directory;
        directory.extend(b"PK\x01\x02");
        directory.extend([VERSION.to_le_bytes(), VERSION.to_le_bytes()].concat());
        directory.extend(&common);
        directory.extend(28u16.to_le_bytes());
        directory.extend([0; 10]); // no comment, first disk, no attributes
        directory.extend(SEE_ZIP64);
        directory.extend(name.as_bytes());
        zip64_field(directory, &[size, size, self.at]);

        self.out.write_all(&local)?;
        content(self.out)?;
        self.at += local.len() as u64 + size;
        self.n_entries += 1;
        Ok(())
    }

    /// Writes the directory and the archive's end.
    pub fn finish(self) -> io::Result<()> {
        let (size, count) = (self.directory.len() as u64, self.n_entries.to_le_bytes());
        let few = (self.n_entries.min(u64::from(u16::MAX)) as u16).to_le_bytes();
        let mut end = self.directory;
        end.extend(b"PK\x06\x06");
        end.extend(44u64.to_le_bytes()); // the bytes of this record after here
        end.extend([VERSION.to_le_bytes(), VERSION.to_le_bytes()].concat());
        end.extend([0; 8]); // one disk
        end.extend([count, count, size.to_le_bytes(), self.at.to_le_bytes()].concat());
        end.extend(b"PK\x06\x07");
        end.extend([0; 4]);
        end.extend((self.at + size).to_le_bytes());
        end.extend(1u32.to_le_bytes());
        end.extend(b"PK\x05\x06");
        end.extend([0; 4]);
        end.extend([few, few].concat());
        end.extend([SEE_ZIP64, SEE_ZIP64].concat());
        end.extend([0; 2]);
        self.out.write_all(&end)
    }
}

fn zip64_field(bytes: &mut Vec<u8>, numbers: &[u64]) {
    bytes.extend(1u16.to_le_bytes());
    bytes.extend((8 * numbers.len() as u16).to_le_bytes());
    numbers.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
}

/// A writer that keeps the checksum of what it is given.
struct Checksum(Crc);

impl Write for Checksum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
