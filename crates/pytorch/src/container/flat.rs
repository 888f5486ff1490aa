//! safetensors: names, types and stretches in a header, no program at all.

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use super::Source;
use crate::Selection;
use crate::fault::Fault;
use crate::load::Entry;
use crate::strided::View;
use crate::tensor::{Body, Strided};

/// The length of the header's length.
const COUNT: usize = 8;
/// The longest header that safetensors allows.
const MOST_HEADER: u64 = 100_000_000;

/// Whether `bytes` begin as a safetensors file: a header's length and its brace.
pub fn is_one(bytes: &[u8]) -> bool {
    let length = bytes.first_chunk::<COUNT>().map(|b| u64::from_le_bytes(*b));
    length.is_some_and(|n| n <= MOST_HEADER) && bytes.get(COUNT) == Some(&b'{')
}

/// The tensors of the file `bytes`.
pub fn open<'a>(
    bytes: &'a [u8],
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Source<'a>), Fault> {
    if selection.key.is_some() {
        let text = "a safetensors file holds its tensors at the top level; leave --key away";
        return Err(Fault::Question(text.to_owned()));
    }
    let parsed = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("not a whole safetensors file ({} bytes): {e:?}", bytes.len()))?;
    let mut tensors = parsed.tensors();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let stretches = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.data())).collect();
    let entry = |(name, tensor): (String, TensorView)| {
        let body = Body::Dense(Strided {
            dtype: dtype_name(tensor.dtype()),
            key: name.clone(),
            bytes: tensor.data().len(),
            part: (0, tensor.data().len()),
            view: View::whole(tensor.shape()),
        });
        (name, body)
    };
    let all = selection.choose(tensors.into_iter().map(entry).collect(), notes)?;
    let entries = all.into_iter().map(|(name, body)| Entry { name, body }).collect();
    Ok((entries, Source::Stretches(stretches)))
}

/// `torch`'s name of a type, or, of one that is not read, the format's own.
fn dtype_name(of: safetensors::Dtype) -> String {
    use safetensors::Dtype as D;
    match of {
        D::F64 => "float64".to_owned(),
        D::F32 => "float32".to_owned(),
        D::F16 => "float16".to_owned(),
        D::BF16 => "bfloat16".to_owned(),
        D::U8 => "uint8".to_owned(),
        D::BOOL => "bool".to_owned(),
        D::I8 => "int8".to_owned(),
        D::I16 => "int16".to_owned(),
        D::I32 => "int32".to_owned(),
        D::I64 => "int64".to_owned(),
        other => format!("{other:?}"),
    }
}
