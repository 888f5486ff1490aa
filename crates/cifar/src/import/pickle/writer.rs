//! Pickles for tests, opcode by opcode as Python 2 and numpy 1 wrote the official files.

fn string(text: &str) -> Vec<u8> {
    [&[b'U', text.len() as u8], text.as_bytes()].concat()
}

fn long_string(bytes: &[u8]) -> Vec<u8> {
    [&[b'T'][..], &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

fn int(n: usize) -> Vec<u8> {
    [&[b'J'][..], &(n as u32).to_le_bytes()].concat()
}

fn array_body(bytes: &[u8], (rows, columns): (usize, usize), fortran: bool) -> Vec<u8> {
    [
        b"cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07".to_vec(),
        b"(K\x01".to_vec(),
        int(rows),
        int(columns),
        b"\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09".to_vec(),
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb".to_vec(),
        vec![if fortran { 0x88 } else { 0x89 }],
        long_string(bytes),
        b"q\x0atb".to_vec(),
    ]
    .concat()
}

/// An array alone.
pub fn array(bytes: &[u8], shape: (usize, usize), fortran: bool) -> Vec<u8> {
    [b"\x80\x02".to_vec(), array_body(bytes, shape, fortran), b".".to_vec()].concat()
}

/// A batch: `data` of 3072 columns, `labels`, and the other keys of the official files.
pub fn batch(data: &[u8], labels: &[u8], fortran: bool) -> Vec<u8> {
    let labels: Vec<u8> = labels.iter().flat_map(|l| [b'K', *l]).collect();
    [
        b"\x80\x02}q\x01(".to_vec(),
        string("batch_label"),
        string("training batch 1 of 5"),
        string("labels"),
        [b"]q\x04(", &labels[..], b"e"].concat(),
        string("data"),
        array_body(data, (data.len() / 3072, 3072), fortran),
        b"u.".to_vec(),
    ]
    .concat()
}

/// `batches.meta` with these class names.
pub fn meta(classes: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = classes.iter().flat_map(|c| string(c)).collect();
    [b"\x80\x02}q\x01".to_vec(), string("label_names"), b"]q\x02(".to_vec(), names, b"es.".to_vec()]
        .concat()
}
