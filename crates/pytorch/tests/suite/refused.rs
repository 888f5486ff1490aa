//! Objects, calls and numbers that are not taken.

use crate::refuse;
use crate::writer::{
    Item, bytes, call, dict, legacy, numbers, storage, tensor, text, vector, zipped,
};

const SAVE: &str =
    "nothing of it was run; save one in PyTorch: torch.save(model.state_dict(), \"a.pth\")";

/// Both containers of `top`, with the f32 storage 0 of one number.
fn refused(top: &Item, code: u8, expected: &str) {
    refuse(&zipped(top, &[("0", bytes(&[1.0]))]), None, code, expected);
    refuse(&legacy(top, &[]), None, code, expected);
}

fn system() -> Item {
    call("os", "system", &[text("exit 1")])
}

#[test]
fn whole_modules_are_named() {
    let check = |top: &Item, expected: &str| refused(top, 3, &format!("{expected}; {SAVE}"));
    let module = Item::Build(Box::new(Item::Object("nets", "Vgg")), Box::new(dict(&[])));
    let what = "holds a pickled object of class nets.Vgg, not a state_dict";
    check(&module, &format!("a.pth: {what}"));
    check(
        &dict(&[("model", module.clone()), ("epoch", Item::Int(1))]),
        &format!("a.pth: model: {what}"),
    );
    // Old files note the class with its source; old protocols make objects by a function.
    let source = [text("module"), Item::Global("nets", "Vgg"), text("nets.py"), text("class Vgg")];
    let class = Item::Persistent(Box::new(Item::Tuple(source.to_vec())));
    let class = crate::writer::pickle(&class);
    check(&Item::Raw([&class[2..class.len() - 1], b")\x81"].concat()), what);
    let arguments = [Item::Global("nets", "Vgg"), Item::Global("builtins", "object"), Item::None];
    check(&call("copyreg", "_reconstructor", &arguments), what);
}

#[test]
fn calls_where_tensors_belong_are_named_and_not_run() {
    let check = |top: &Item, expected: &str| refused(top, 3, &format!("{expected}; {SAVE}"));
    check(&system(), "a.pth: the pickle would call os.system where a state_dict belongs");
    check(
        &dict(&[("model", system())]),
        "model: the pickle would call os.system where a state_dict belongs",
    );
    // Who is told this has saved a state_dict already: the advice is another.
    let check = |top: &Item, expected: &str| {
        let advice = "keep only tensors in the state_dict when it is saved; if the network does without \
                      it, --ignore 'w' leaves it out";
        refused(top, 3, &format!("{expected}; nothing of it was run; {advice}"));
    };
    let tensor_of = |item| dict(&[("v", vector("0", 1)), ("w", item)]);
    let what = "a.pth: w: the pickle would call os.system where a tensor belongs";
    check(&tensor_of(system()), what);
    // Hidden in what a tensor is made of: its storage, that storage's class, a parameter's data.
    check(&tensor_of(tensor(system(), 0, &[1], &[1])), what);
    let id = [text("storage"), system(), text("0"), text("cpu"), Item::Int(1), Item::None];
    let id = Item::Persistent(Box::new(Item::Tuple(id.to_vec())));
    check(&tensor_of(tensor(id, 0, &[1], &[1])), what);
    check(&tensor_of(tensor(Item::Persistent(Box::new(system())), 0, &[1], &[1])), what);
    check(
        &tensor_of(call("torch._utils", "_rebuild_parameter", &[system(), Item::Bool(true)])),
        what,
    );
    let typed = [system(), Item::None, Item::Tuple(vec![]), Item::None];
    check(&tensor_of(call("torch._tensor", "_rebuild_from_type_v2", &typed)), what);
    let chained = Item::Call(Box::new(system()), vec![]);
    check(&tensor_of(chained), what);
    let quantised =
        dict(&[("v", vector("0", 1)), ("w", call("torch._utils", "_rebuild_qtensor", &[]))]);
    refused(&quantised, 3, "it is quantised: save w.dequantize() in its place");
    let script = Item::Object("__torch__.nets", "Vgg");
    refused(
        &script,
        3,
        "it is TorchScript: in PyTorch, torch.save(torch.jit.load(FILE).state_dict(), NEW)",
    );
}

#[test]
fn names_of_functions_cannot_garble_the_terminal() {
    refused(&call("o\u{1b}[2Js", "x", &[]), 3, "would call o\\u{1b}[2Js.x where");
}

#[test]
fn other_element_types_are_named() {
    let check = |class: &'static str, name: &str, size: usize| {
        let top = dict(&[("v.w", tensor(storage(class, "0", 1), 0, &[1], &[1]))]);
        let file = zipped(&top, &[("0", vec![0; size])]);
        refuse(&file, None, 5, &format!("tensor v.w: element type {name}; expected float32"));
    };
    check("LongStorage", "int64", 8);
    check("IntStorage", "int32", 4);
    check("BoolStorage", "bool", 1);
    check("ByteStorage", "uint8", 1);
    check("ComplexFloatStorage", "complex64", 8);
    check("UntypedStorage", "untyped", 1);
    let top =
        dict(&[("w", vector("0", 1)), ("v", tensor(storage("OddStorage", "0", 1), 0, &[], &[]))]);
    refused(&top, 5, "tensor v: torch._utils._rebuild_tensor_v2: storage class OddStorage");
}

#[test]
fn numbers_that_f32_does_not_hold_are_refused() {
    let check = |class: &'static str, stored: Vec<u8>, count: usize, expected: &str| {
        let top = dict(&[("w", tensor(storage(class, "0", count), 0, &[count], &[1]))]);
        let expected =
            format!("tensor w: value {expected}; expected a finite number within f32's range");
        refuse(&zipped(&top, &[("0", stored)]), None, 5, &expected);
    };
    let doubles = |all: &[f64]| all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    check("DoubleStorage", doubles(&[1.0, -1e300]), 2, "1 is -1e300");
    check("DoubleStorage", doubles(&[f64::NAN]), 1, "0 is NaN");
    check("FloatStorage", bytes(&[0.0, 1.0, f32::NEG_INFINITY]), 3, "2 is -inf");
    check("HalfStorage", vec![0, 0x7c], 1, "0 is inf");
    check("BFloat16Storage", vec![0xc0, 0x7f], 1, "0 is NaN");
}

#[test]
fn views_beyond_their_storage_are_refused() {
    let check = |t: Item, expected: &str| {
        let file = zipped(&dict(&[("w", t)]), &[("0", bytes(&[1.0, 2.0]))]);
        refuse(&file, None, 5, expected);
    };
    let two = || storage("FloatStorage", "0", 2);
    check(tensor(two(), 0, &[3], &[1]), "tensor w: reaches beyond its storage: 2 elements");
    check(tensor(two(), 1, &[2], &[1]), "reaches beyond its storage");
    check(tensor(two(), 2, &[], &[]), "reaches beyond its storage");
    check(tensor(two(), 0, &[2, 2], &[1, 1]), "reaches beyond its storage");
    check(tensor(two(), 0, &[2], &[]), "has 1 sizes and 0 strides");
    let odd = [two(), Item::Int(-1), numbers(&[1]), numbers(&[1])];
    check(call("torch._utils", "_rebuild_tensor", &odd), "_rebuild_tensor: a size or offset of -1");
    let odd = [two(), Item::Int(0), Item::Int(1), numbers(&[1])];
    check(call("torch._utils", "_rebuild_tensor", &odd), "sizes or strides that are no tuple");
    let odd = [Item::None, Item::Int(0), numbers(&[1]), numbers(&[1])];
    check(call("torch._utils", "_rebuild_tensor", &odd), "_rebuild_tensor: on None");
    check(tensor(storage("FloatStorage", "7", 2), 0, &[2], &[1]), "zip entry archive/data/7");
    check(
        tensor(storage("FloatStorage", "0", 3), 0, &[2], &[1]),
        "8 bytes; expected 12: truncated",
    );
    check(tensor(storage("FloatStorage", "0", 1), 0, &[1], &[1]), "longer than the 4 bytes");
}

#[test]
fn old_files_whose_parts_disagree_are_refused() {
    let check = |storages: &[(&str, u64, Vec<u8>)], expected: &str| {
        refuse(&legacy(&dict(&[("w", vector("0", 1))]), storages), None, 5, expected);
    };
    check(&[("0", 2, bytes(&[1.0, 2.0]))], "storage 0: 2 elements; expected 1");
    check(&[("9", 1, bytes(&[1.0]))], "storage 9: no tensor refers to it");
    check(&[("0", 1, vec![0; 3])], "1 elements of 4 bytes, but 3 bytes are left: truncated");
    check(&[], "storage 0: 0 bytes; expected 4: truncated");
}
