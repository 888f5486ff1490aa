//! Sparse tensors, as `PyTorch` pickles them, come out dense.

use artifact::tensors::Tensor;

use crate::writer::{
    Item, bytes, call, dict, legacy, numbers, storage, tensor, text, vector, zipped,
};
use crate::{read, refuse};

fn longs(all: &[i64]) -> Vec<u8> {
    all.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// A tensor of 64-bit integers, the whole storage `key`.
fn indices(key: &str, shape: &[usize]) -> Item {
    let stride: Vec<usize> = (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect();
    tensor(storage("LongStorage", key, shape.iter().product()), 0, shape, &stride)
}

fn sparse(layout: &str, parts: &[Item]) -> Item {
    let layout = call("torch.serialization", "_get_layout", &[text(layout)]);
    call("torch._utils", "_rebuild_sparse_tensor", &[layout, Item::Tuple(parts.to_vec())])
}

/// A file with `w` on `data`, in both containers.
fn files(w: Item, data: &[(&str, Vec<u8>)]) -> [Vec<u8>; 2] {
    let top = dict(&[("w", w)]);
    let counts = data.iter().map(|(key, b)| {
        (*key, if *key == "v" { b.len() / 4 } else { b.len() / 8 } as u64, b.clone())
    });
    [zipped(&top, data), legacy(&top, &counts.collect::<Vec<_>>())]
}

fn check(w: &Item, data: &[(&str, Vec<u8>)], shape: &[usize], expected: &[f32]) {
    for file in files(w.clone(), data) {
        let found = read(&file, None);
        assert_eq!(found.tensors["w"], Tensor::f32(shape, expected.to_vec()));
        assert_eq!(found.notes, [""; 0]);
    }
}

fn coo(shape: &[usize]) -> Item {
    let size = call("torch", "Size", &[numbers(shape)]);
    sparse("torch.sparse_coo", &[indices("i", &[2, 3]), vector("v", 3), size, Item::Bool(false)])
}

#[test]
fn coordinates_and_compressed_rows_are_written_out() {
    let values = || ("v", bytes(&[1.0, 2.0, 4.0]));
    // Two of the three values are for one place.
    let data = [("i", longs(&[0, 1, 0, 2, 0, 2])), values()];
    check(&coo(&[2, 3]), &data, &[2, 3], &[0.0, 0.0, 5.0, 2.0, 0.0, 0.0]);
    let data = [("s", longs(&[0, 1, 3])), ("i", longs(&[2, 0, 1])), values()];
    let parts = |shape| [indices("s", &[3]), indices("i", &[3]), vector("v", 3), numbers(shape)];
    let csr = sparse("torch.sparse_csr", &parts(&[2, 3]));
    check(&csr, &data, &[2, 3], &[0.0, 0.0, 1.0, 2.0, 4.0, 0.0]);
    let csc = sparse("torch.sparse_csc", &parts(&[3, 2]));
    check(&csc, &data, &[3, 2], &[0.0, 2.0, 0.0, 4.0, 1.0, 0.0]);
    let parameter = call("torch._utils", "_rebuild_parameter", &[csc, Item::Bool(true)]);
    check(&parameter, &data, &[3, 2], &[0.0, 2.0, 0.0, 4.0, 1.0, 0.0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |w: Item, data: &[(&str, Vec<u8>)], code, expected: &str| {
        refuse(&zipped(&dict(&[("w", w)]), data), None, code, expected);
    };
    let data = |last| [("i", longs(&[0, 1, 0, 2, 0, last])), ("v", bytes(&[1.0, 2.0, 4.0]))];
    refused(coo(&[2, 3]), &data(3), 5, "tensor w: an index of 3 in a dimension of 3");
    refused(coo(&[1 << 20, 1 << 20]), &data(2), 5, "bytes of tensors");
    let floats = [vector("v", 3), vector("v", 3), numbers(&[3])];
    refused(sparse("torch.sparse_coo", &floats), &data(2), 5, "indices that are no integers");
    let blocked = sparse("torch.sparse_bsr", &[]);
    refused(
        blocked,
        &data(2),
        3,
        "tensor w has the layout torch.sparse_bsr; expected strided, sparse_coo, \
                                   sparse_csr or sparse_csc: save it with .to_dense()",
    );
    let system = call("os", "system", &[text("ls")]);
    let inner = sparse("torch.sparse_coo", &[system, vector("v", 3), numbers(&[3])]);
    refused(inner, &data(2), 3, "w: the pickle would call os.system where a tensor belongs");
    refused(sparse("torch.sparse_coo", &[]), &data(2), 5, "_rebuild_sparse_tensor: too few parts");
}

#[test]
fn views_that_change_when_read_are_refused() {
    let hooks = call("collections", "OrderedDict", &[]);
    let negated = dict(&[("neg", Item::Bool(true))]);
    let parts = [storage("FloatStorage", "0", 1), Item::Int(0), numbers(&[1]), numbers(&[1])];
    let parts = [&parts[..], &[Item::Bool(false), hooks, negated]].concat();
    let w = call("torch._utils", "_rebuild_tensor_v2", &parts);
    let file = zipped(&dict(&[("w", w)]), &[("0", bytes(&[1.0]))]);
    refuse(
        &file,
        None,
        3,
        "tensor w is a view that PyTorch changes when it reads it (neg); save it with .resolve_neg()",
    );
}
