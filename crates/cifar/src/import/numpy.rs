//! Arrays of numpy and plain values in a pickle, decoded from the calls that would make them.

use std::borrow::Cow;

use pickle::{Global, Made, Pickle, Value};

/// An array of integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array<'p> {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, as many as the shape's product says.
    bytes: Cow<'p, [u8]>,
    element: Element,
    /// Whether the first index runs fastest.
    fortran: bool,
}

/// An integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Whether its first bit is a sign.
    pub signed: bool,
    /// Its bytes.
    pub size: usize,
    big_endian: bool,
}

/// Its name without the order of its bytes: `u1`, `i8`.
impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}{}", if self.signed { "i" } else { "u" }, self.size)
    }
}

/// The text that `value` is; bytes count where they are UTF-8, as Python 2 wrote text.
pub fn text<'p>(pickle: &'p Pickle<'p>, value: Value<'p>) -> Option<Cow<'p, str>> {
    if let Some(text) = pickle.text(value) {
        return Some(Cow::Borrowed(text));
    }
    let bytes = bytes(pickle, value)?;
    std::str::from_utf8(&bytes).ok().map(|text| Cow::Owned(text.to_owned()))
}

/// The bytes that `value` is: plain ones, or those of the calls that write them in protocols without
/// an opcode for bytes.
pub fn bytes<'p>(pickle: &'p Pickle<'p>, value: Value<'p>) -> Option<Cow<'p, [u8]>> {
    if let Some(bytes) = pickle.bytes(value) {
        return Some(Cow::Borrowed(bytes));
    }
    let made = pickle.made(value)?;
    let by = pickle.global(made.by)?;
    match (by.module, by.name, pickle.arguments(made)) {
        ("_codecs", "encode", [text, code])
        | ("builtins" | "__builtin__", "bytearray", [text, code]) => {
            let latin = ["latin1", "latin-1"].contains(&pickle.text(*code)?);
            let byte = |c: char| u8::try_from(c).ok().filter(|_| latin);
            pickle.text(*text)?.chars().map(byte).collect::<Option<_>>().map(Cow::Owned)
        }
        ("builtins" | "__builtin__", "bytes" | "bytearray", []) => Some(Cow::Borrowed(&[])),
        ("builtins" | "__builtin__", "bytearray", [bytes]) => {
            pickle.bytes(*bytes).map(Cow::Borrowed)
        }
        _ => None,
    }
}

/// The integer that `value` is: one of Python or a scalar of numpy.
pub fn int<'p>(pickle: &'p Pickle<'p>, value: Value<'p>) -> Option<i64> {
    if let Value::Int(n) = value {
        return Some(n);
    }
    let made = pickle.made(value)?;
    match (numpy(pickle.global(made.by)?), pickle.arguments(made)) {
        (Some("multiarray.scalar"), [kind, data]) => {
            let (element, data) = (element(pickle, *kind).ok()?, bytes(pickle, *data)?);
            (data.len() == element.size).then(|| element.read(&data))
        }
        _ => None,
    }
}

/// The integers of a list, a tuple or an array of one dimension.
pub fn ints<'p>(pickle: &'p Pickle<'p>, value: Value<'p>) -> Result<Vec<i64>, String> {
    if let Some(items) = pickle.items(value) {
        let one = |v: &Value<'p>| {
            int(pickle, *v).ok_or_else(|| format!("{}, not an integer", pickle.describe(*v)))
        };
        return items.iter().map(one).collect();
    }
    let array = array(pickle, value)?;
    match array.shape[..] {
        [_] => Ok(array.bytes.chunks(array.element.size).map(|b| array.element.read(b)).collect()),
        _ => Err(format!("an array of shape {:?}; expected one dimension", array.shape)),
    }
}

/// The array that `value` is.
pub fn array<'p>(pickle: &'p Pickle<'p>, value: Value<'p>) -> Result<Array<'p>, String> {
    let made =
        pickle.made(value).ok_or_else(|| format!("{}, not an array", pickle.describe(value)))?;
    let arguments = pickle.arguments(made);
    match pickle.global(made.by).and_then(numpy) {
        Some("multiarray._reconstruct") => reconstructed(pickle, made),
        Some("numeric._frombuffer") => match arguments {
            [data, kind, shape, order, ..] => {
                let fortran = match pickle.text(*order) {
                    Some("C") => false,
                    Some("F") => true,
                    _ => {
                        return Err(
                            "an array of a mixed order of axes; save a contiguous one".to_owned()
                        );
                    }
                };
                whole(pickle, (*shape, *kind, *data), fortran)
            }
            _ => Err("an array of too few parts".to_owned()),
        },
        _ => Err(format!("{}, not an array; nothing of it was run", pickle.describe(value))),
    }
}

/// The function of numpy's core that `global` names; the core has moved once.
fn numpy(global: Global<'_>) -> Option<&'static str> {
    let module = global.module.strip_prefix("numpy.")?;
    let module = module.strip_prefix("core.").or_else(|| module.strip_prefix("_core."))?;
    match (module, global.name) {
        ("multiarray", "_reconstruct") => Some("multiarray._reconstruct"),
        ("multiarray", "scalar") => Some("multiarray.scalar"),
        ("numeric", "_frombuffer") => Some("numeric._frombuffer"),
        _ => None,
    }
}

/// An array by its state: (version, shape, element type, Fortran order, bytes).
fn reconstructed<'p>(pickle: &'p Pickle<'p>, made: &Made<'p>) -> Result<Array<'p>, String> {
    match made.state.and_then(|state| pickle.items(state)) {
        Some([_, shape, kind, Value::Bool(fortran), data]) => {
            whole(pickle, (*shape, *kind, *data), *fortran)
        }
        _ => Err("an array whose state is not (version, shape, type, order, bytes)".to_owned()),
    }
}

/// An array of shape, element type and data, which have to agree.
fn whole<'p>(
    pickle: &'p Pickle<'p>,
    (shape, kind, data): (Value<'p>, Value<'p>, Value<'p>),
    fortran: bool,
) -> Result<Array<'p>, String> {
    let element = element(pickle, kind)?;
    let size = |v: &Value<'p>| int(pickle, *v).and_then(|n| usize::try_from(n).ok());
    let shape: Option<Vec<usize>> =
        pickle.items(shape).unwrap_or_default().iter().map(size).collect();
    let shape = shape.ok_or("an array with a size that is no number")?;
    let bytes = bytes(pickle, data).ok_or("an array whose data are no bytes")?;
    let expected = shape.iter().try_fold(element.size, |n, d| n.checked_mul(*d));
    if expected != Some(bytes.len()) {
        let (found, size) = (bytes.len(), element.size);
        return Err(format!(
            "an array of shape {shape:?} with {size} bytes an element has {found} bytes"
        ));
    }
    Ok(Array { shape, bytes, element, fortran })
}

/// The element type of a `numpy.dtype`: its name, and the byte order of its state.
fn element<'p>(pickle: &'p Pickle<'p>, value: Value<'p>) -> Result<Element, String> {
    let made = pickle.made(value).ok_or("an array without an element type")?;
    let by = pickle.global(made.by);
    let first = pickle.arguments(made).first().and_then(|v| pickle.text(*v));
    let (Some(Global { module: "numpy", name: "dtype" }), Some(name)) = (by, first) else {
        return Err(format!("an array of {}, not of a numpy.dtype", pickle.describe(value)));
    };
    let state = made.state.and_then(|s| pickle.items(s)).unwrap_or_default();
    let big_endian = state.get(1).and_then(|v| pickle.text(*v)) == Some(">");
    Element::named(name, big_endian).ok_or_else(|| {
        let name: String = name.chars().take(20).flat_map(char::escape_debug).collect();
        format!("an array of {name}; expected u1 (bytes) or another integer type")
    })
}

impl Element {
    /// The type of this name, such as `u1`.
    fn named(name: &str, big_endian: bool) -> Option<Self> {
        let (kind, size) = name.split_at_checked(1)?;
        let known = ["u", "i"].contains(&kind) && ["1", "2", "4", "8"].contains(&size);
        let size = size.parse().ok().filter(|_| known)?;
        Some(Self { signed: kind == "i", size, big_endian })
    }

    /// The type that an array's `descr` names, such as `|u1` or `<i8`.
    pub fn of(descr: &str) -> Option<Self> {
        let (order, name) = descr.split_at_checked(1)?;
        Self::named(name, order == ">").filter(|_| ["|", "<", ">", "="].contains(&order))
    }

    /// The element whose bytes are `b`; one beyond 63 bits becomes negative.
    pub fn read(self, b: &[u8]) -> i64 {
        let join = |n: i64, byte: &u8| n << 8 | i64::from(*byte);
        let most = if self.big_endian { b.first() } else { b.last() };
        let start = if self.signed && most.is_some_and(|m| *m >= 0x80) { -1 } else { 0 };
        if self.big_endian { b.iter().fold(start, join) } else { b.iter().rev().fold(start, join) }
    }
}

impl Array<'_> {
    /// The bytes row by row, if it is a matrix of bytes.
    pub fn rows(&self) -> Option<Vec<u8>> {
        let [rows, columns] = self.shape[..] else { return None };
        if self.element.size != 1 || self.element.signed {
            return None;
        }
        if !self.fortran {
            return Some(self.bytes.to_vec());
        }
        let at = |i: usize| self.bytes[i % columns * rows + i / columns];
        Some((0..self.bytes.len()).map(at).collect())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use pickle::writer::{Item, call, numbers, text};

    /// A `numpy.dtype`, as numpy pickles it.
    pub fn dtype(name: &str, order: &str) -> Item {
        let fields = [Item::Int(3), text(order), Item::None, Item::None, Item::None];
        let state =
            Item::Tuple([&fields[..], &[Item::Int(-1), Item::Int(-1), Item::Int(0)]].concat());
        let made = call("numpy", "dtype", &[text(name), Item::Bool(false), Item::Bool(true)]);
        Item::Build(Box::new(made), Box::new(state))
    }

    /// An array by `_reconstruct`, as protocols up to 4 have it.
    pub fn reconstructed(module: &'static str, shape: &[usize], data: Item, fortran: bool) -> Item {
        let empty = [Item::Global("numpy", "ndarray"), numbers(&[0]), Item::Bytes(b"b".to_vec())];
        let state = [Item::Int(1), numbers(shape), dtype("u1", "|"), Item::Bool(fortran), data];
        let made = call(module, "_reconstruct", &empty);
        Item::Build(Box::new(made), Box::new(Item::Tuple(state.to_vec())))
    }

    /// An array by `_frombuffer`, as protocol 5 has it.
    pub fn from_buffer(kind: Item, shape: &[usize], data: &[u8], order: &str) -> Item {
        let data = [&[0x96][..], &(data.len() as u64).to_le_bytes(), data].concat();
        let parts = [Item::Raw(data), kind, numbers(shape), text(order)];
        call("numpy._core.numeric", "_frombuffer", &parts)
    }

    /// What `decode` gives for `item` in each of the protocols 2 to 5.
    fn check<T: std::fmt::Debug>(
        item: &Item,
        decode: impl for<'p> Fn(&'p Pickle<'p>, Value<'p>) -> T,
        expected: &str,
    ) {
        for protocol in 2..=5 {
            let bytes = pickle::writer::pickle(item, protocol);
            let pickle = pickle::read_whole(&bytes).expect("a whole pickle");
            let found = format!("{:?}", decode(&pickle, pickle.top));
            assert!(found.contains(expected), "protocol {protocol}: {found} lacks {expected}");
        }
    }

    fn shape_and_rows<'p>(
        pickle: &'p Pickle<'p>,
        v: Value<'p>,
    ) -> Result<(Vec<usize>, Option<Vec<u8>>), String> {
        array(pickle, v).map(|a| (a.shape.clone(), a.rows()))
    }

    #[test]
    fn arrays_of_every_form() {
        let data = || Item::Bytes(vec![1, 2, 3, 4, 5, 6]);
        let expected = "Ok(([2, 3], Some([1, 2, 3, 4, 5, 6])))";
        for module in ["numpy.core.multiarray", "numpy._core.multiarray"] {
            check(&reconstructed(module, &[2, 3], data(), false), shape_and_rows, expected);
        }
        // Bytes as Python 3 writes them in protocol 2.
        let latin = call("_codecs", "encode", &[text("\u{1}\u{2}\u{3}\u{ff}"), text("latin1")]);
        let item = reconstructed("numpy.core.multiarray", &[1, 4], latin, false);
        check(&item, shape_and_rows, "Ok(([1, 4], Some([1, 2, 3, 255])))");
        let item = from_buffer(dtype("u1", "|"), &[2, 3], &[1, 2, 3, 4, 5, 6], "C");
        check(&item, shape_and_rows, expected);
        let columns = [1, 4, 2, 5, 3, 6];
        check(&from_buffer(dtype("u1", "|"), &[2, 3], &columns, "F"), shape_and_rows, expected);
        let item =
            reconstructed("numpy.core.multiarray", &[2, 3], Item::Bytes(columns.to_vec()), true);
        check(&item, shape_and_rows, expected);
    }

    #[test]
    fn integers_of_python_and_numpy() {
        check(&Item::Tuple(vec![Item::Int(3), Item::Int(-1)]), ints, "Ok([3, -1])");
        let item = from_buffer(dtype("i4", "<"), &[2], &[3, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff], "C");
        check(&item, ints, "Ok([3, -2])");
        check(&from_buffer(dtype("u2", ">"), &[1], &[1, 2], "C"), ints, "Ok([258])");
        let scalar = [dtype("i8", "<"), Item::Bytes(vec![5, 0, 0, 0, 0, 0, 0, 0])];
        let scalar = call("numpy._core.multiarray", "scalar", &scalar);
        check(&Item::List(vec![scalar]), ints, "Ok([5])");
        check(&Item::List(vec![text("x")]), ints, "text, not an integer");
    }

    #[test]
    fn what_is_no_array_of_integers_is_refused() {
        let refused = |item: &Item, expected: &str| check(item, shape_and_rows, expected);
        refused(&text("x"), "text, not an array");
        refused(
            &call("os", "system", &[text("ls")]),
            "a call of os.system, not an array; nothing of it",
        );
        refused(&from_buffer(dtype("f4", "<"), &[1], &[0; 4], "C"), "an array of f4; expected u1");
        refused(&from_buffer(text("u1"), &[1], &[0], "C"), "without an element type");
        refused(&from_buffer(dtype("u1", "|"), &[2, 3], &[0; 5], "C"), "has 5 bytes");
        refused(&from_buffer(dtype("u1", "|"), &[1, 1], &[0], "K"), "a mixed order of axes");
        let odd = call("numpy._core.multiarray", "_reconstruct", &[]);
        refused(&odd, "whose state is not");
        let item = reconstructed("numpy.core.multiarray", &[1], text("x"), false);
        refused(&item, "whose data are no bytes");
    }
}
