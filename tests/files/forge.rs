//! Makes files byte by byte, so that any of their fields can lie. Shares no code with the crate.

use std::io::Write;

/// An .npy file of version 1 with this dictionary and these bytes.
pub(crate) fn npy(header: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(payload);
    bytes
}

/// An .npy file of float64 whose header says `shape`.
pub(crate) fn doubles(shape: &str, values: &[f64]) -> Vec<u8> {
    let payload: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy(&format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"), &payload)
}

/// An entry of a zip archive. `None` fields are what they should be.
#[derive(Clone, Default)]
pub(crate) struct Entry {
    pub name: String,
    /// The bytes as they lie in the archive.
    pub packed: Vec<u8>,
    pub size: u32,
    pub method: u16,
    pub flags: u16,
    pub crc: u32,
    pub offset: Option<u32>,
    pub local_name: Option<String>,
    pub local_size: Option<u32>,
}

pub(crate) fn stored(name: &str, content: &[u8]) -> Entry {
    Entry { name: name.into(), packed: content.to_vec(), size: content.len() as u32, crc: crc(content), ..Entry::default() }
}

pub(crate) fn deflated(name: &str, content: &[u8]) -> Entry {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    Entry { packed: encoder.finish().unwrap(), method: 8, ..stored(name, content) }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A zip archive of these entries with a plain end.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_with_count(entries, entries.len() as u16)
}

pub(crate) fn zip_with_count(entries: &[Entry], count: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = bytes.len() as u32;
        let common = |size: u32, name: &str| {
            let mut fields = Vec::new();
            for field in [entry.flags, entry.method, 0, 33] {
                fields.extend(field.to_le_bytes());
            }
            for field in [entry.crc, entry.packed.len() as u32, size] {
                fields.extend(field.to_le_bytes());
            }
            fields.extend((name.len() as u16).to_le_bytes());
            fields.extend([0; 2]);
            fields
        };
        let local_name = entry.local_name.as_ref().unwrap_or(&entry.name);
        bytes.extend(b"PK\x03\x04\x14\x00");
        bytes.extend(common(entry.local_size.unwrap_or(entry.size), local_name));
        bytes.extend(local_name.as_bytes());
        bytes.extend(&entry.packed);
        directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        directory.extend(common(entry.size, &entry.name));
        directory.extend([0; 10]);
        directory.extend(entry.offset.unwrap_or(at).to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// The archive with a zip64 end that declares `count` entries and a record of `size` bytes beyond the usual ones.
pub(crate) fn zip_with_wide_end(entries: &[Entry], count: u64, size: u64) -> Vec<u8> {
    let mut bytes = zip(entries);
    let end = bytes.split_off(bytes.len() - 22);
    let at = bytes.len() as u64;
    let field = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    bytes.extend(b"PK\x06\x06");
    bytes.extend((44 + size).to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([count, count, field(12), field(16)].map(u64::to_le_bytes).concat());
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(at.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    bytes
}

/// A .safetensors file with this header and `n` zero bytes.
pub(crate) fn safetensors(header: &str, n: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + n, 0);
    bytes
}
