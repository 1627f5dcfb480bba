//! Hugging Face's .safetensors: a length, a JSON header with places, then the numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo, TensorView};

use super::contents::Contents;
use super::numbers::{Kind, Values, extent, read_values};
use super::open::{at, damaged, open, reading, shown};
use super::{Array, COVARIANCE_TYPE, COVARIANCES, MEANS, VARIANCE, WEIGHTS, write_atomically};
use crate::error::{Error, Result};
use crate::mixture::{CovarianceKind, Mixture};

/// A mixture's header has some hundred bytes; the format itself allows 100 MB.
const LONGEST_HEADER: u64 = 1 << 20;

/// The tensors called `wanted`, and the names of the others.
pub(super) fn read(path: &Path, wanted: &[&str]) -> Result<Contents> {
    let (file, length) = open(path)?;
    at(path, read_tensors(BufReader::new(file), length, wanted))
}

fn read_tensors(mut file: BufReader<File>, length: u64, wanted: &[&str]) -> Result<Contents> {
    let (metadata, data) = header(&mut file, length)?;
    let (wanted, others): (Vec<String>, Vec<String>) = metadata.offset_keys().into_iter().partition(|name| wanted.contains(&name.as_str()));
    let covariance_type = metadata.metadata().as_ref().and_then(|words| words.get(COVARIANCE_TYPE).cloned());
    let mut contents = Contents { others, covariance_type, ..Contents::default() };
    for name in wanted {
        let info = metadata.info(&name).ok_or_else(|| damaged(format!("has no tensor {}", shown(&name))))?;
        let (array, kind) = read_tensor(&mut file, data, &name, info)?;
        contents.push(name, array, kind);
    }
    Ok(contents)
}

/// The checked header and where the numbers start. The crate checks that tensors fill the data without gaps and overlaps.
fn header(file: &mut BufReader<File>, length: u64) -> Result<(Metadata, u64)> {
    let mut declared = [0; 8];
    file.read_exact(&mut declared).map_err(reading)?;
    let declared = u64::from_le_bytes(declared);
    if declared > LONGEST_HEADER || declared > length.saturating_sub(8) {
        return Err(damaged(format!("declares a header of {declared} bytes in {length} (at most {LONGEST_HEADER} are read)")));
    }
    let mut bytes = vec![0; declared as usize];
    file.read_exact(&mut bytes).map_err(reading)?;
    let metadata: Metadata = serde_json::from_slice(&bytes)
        .map_err(|error| damaged(format!("has a header that cannot be used: {}", shown(&error.to_string()))))?;
    let (there, start) = (length - 8 - declared, 8 + declared);
    if metadata.data_len() as u64 != there {
        return Err(damaged(format!("declares {} bytes of numbers, but {there} follow the header", metadata.data_len())));
    }
    Ok((metadata, start))
}

fn read_tensor(file: &mut BufReader<File>, data: u64, name: &str, info: &TensorInfo) -> Result<(Array, Kind)> {
    let kind = match info.dtype {
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        Dtype::I8 => Kind::I8,
        Dtype::I16 => Kind::I16,
        Dtype::I32 => Kind::I32,
        Dtype::I64 => Kind::I64,
        Dtype::U8 => Kind::U8,
        Dtype::U16 => Kind::U16,
        Dtype::U32 => Kind::U32,
        Dtype::U64 => Kind::U64,
        other => return Err(Error::bad_input(format!("the tensor {name} holds {other:?}"), "Save it as F32 or F64")),
    };
    let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
    match extent(&info.shape, kind) {
        Some((count, bytes)) if from.checked_add(bytes) == Some(to) => {
            file.seek(SeekFrom::Start(data + from)).map_err(reading)?;
            Ok((Array { shape: info.shape.clone(), values: read_values(file, kind.into(), count)? }, kind))
        }
        _ => Err(damaged(format!("the tensor {name} of shape {:?} does not fill its place", info.shape))),
    }
}

/// Writes weights, means and variance or covariances as F64; the kind of covariances as metadata.
pub(super) fn write(path: &Path, mixture: &Mixture) -> Result<()> {
    let (k, d, kind) = (mixture.n_components(), mixture.n_features(), mixture.covariance_kind());
    let is_common = kind == CovarianceKind::Common;
    let words = (!is_common).then(|| HashMap::from([(COVARIANCE_TYPE.to_string(), kind.name().to_string())]));
    let parts = [
        (MEANS, vec![k, d], Values::F64(mixture.means())),
        (if is_common { VARIANCE } else { COVARIANCES }, kind.shape(k, d), Values::F64(mixture.covariance().values())),
        (WEIGHTS, vec![k], Values::F64(mixture.weights())),
    ];
    write_atomically(path, |out| {
        let bytes: Vec<Vec<u8>> = parts.iter().map(|(_, _, values)| little_endian(values)).collect::<std::io::Result<_>>()?;
        let mut tensors = Vec::new();
        for ((name, shape, _), bytes) in parts.iter().zip(&bytes) {
            tensors.push((*name, TensorView::new(Dtype::F64, shape.clone(), bytes).map_err(std::io::Error::other)?));
        }
        out.write_all(&safetensors::serialize(tensors, words).map_err(std::io::Error::other)?)
    })
}

fn little_endian(values: &Values) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    values.write(&mut bytes)?;
    Ok(bytes)
}
