//! `NumPy`'s archive: a zip of one `.npy` file a tensor.

use std::io::{Cursor, Write as _};

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The bytes of an archive with every tensor of `tensors` under its name.
pub fn encode(tensors: &Tensors) -> Result<Vec<u8>> {
    let failed = |e: zip::result::ZipError| Error::Resource(format!("an .npz archive: {e}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // A fixed date: the same tensors give the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, tensor) in tensors {
        archive.start_file(format!("{name}.npy"), options).map_err(failed)?;
        archive.write_all(&npy(tensor)).map_err(|e| failed(e.into()))?;
    }
    Ok(archive.finish().map_err(failed)?.into_inner())
}

/// Version 1.0 of the format: magic, header length, header padded to 64 bytes, values.
fn npy(tensor: &Tensor) -> Vec<u8> {
    let sizes = tensor.shape.iter().fold(String::new(), |text, n| text + &format!("{n},"));
    let descr = if tensor.as_u8().is_some() { "|u1" } else { "<f4" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let ends = (10 + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', ends - 11 - header.len()));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(tensor.as_u8().unwrap_or_default());
    bytes.extend(tensor.as_f32().unwrap_or_default().iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_aligned_and_values_follow() {
        let check = |shape: &[usize], expected: &str| {
            let count: usize = shape.iter().product();
            let bytes = npy(&Tensor::f32(shape, vec![1.5; count]));
            let values = bytes.len() - 4 * count;
            assert!(values.is_multiple_of(64), "{values}");
            let header = String::from_utf8_lossy(&bytes[10..values]);
            assert!(header.contains(expected) && header.ends_with('\n'), "{header}");
            assert_eq!(bytes[values..], 1.5_f32.to_le_bytes().repeat(count));
            assert_eq!(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), values - 10);
        };
        check(&[2, 3], "'shape': (2,3,), ");
        check(&[4], "'descr': '<f4', 'fortran_order': False, 'shape': (4,), ");
        check(&[], "'shape': (), ");
    }
}
