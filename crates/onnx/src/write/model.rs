//! The file: the network's nodes and weights, and what a reader must know to use them.

use std::path::Path;

use artifact::tensors::{self, Tensors};
use artifact::{Error, Result};
use graph::{Graph, Param, Role};
use prost::Message as _;
use serde::Serialize;

use super::nodes::{INPUT, OUTPUT, frozen_name, nodes};
use crate::PRODUCER;
use crate::proto::{self, Entry, Opset, Tensor, ValueInfo};

/// The version of ONNX's file format that is written.
pub const IR_VERSION: i64 = 8;
/// The version of ONNX's operators that are used.
pub const OPSET: i64 = 17;

/// Protocol buffers count a message's bytes in 31 bits.
const MOST_BYTES: usize = i32::MAX as usize;

/// What becomes a file.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// The values of its parameters and norm statistics: exactly those of its table.
    pub tensors: &'a Tensors,
    /// What the file notes of the images, where that is known.
    pub images: Option<Images<'a>>,
}

/// How pixels become the network's input, and what its outputs mean.
#[derive(Debug, Clone, Copy)]
pub struct Images<'a> {
    /// A value a channel, in `[0, 1]`: subtracted from pixels / 255.
    pub mean: &'a [f64],
    /// A value a channel: what remains is divided by it.
    pub std: &'a [f64],
    /// The name of each class, as many as the network has; none where they are not known.
    pub classes: &'a [String],
}

/// The bytes of an ONNX file, the same each time.
///
/// Its input `images` is `batch x channels x height x width` f32, `(pixel / 255 - mean) / std`; its output
/// `logits` is `batch x classes`. Initializers have `PyTorch`'s names. The entries `mean`, `std` and
/// `classes` of the metadata, where they are known, are JSON.
///
/// # Errors
/// [`Error::Integrity`] if the tensors are not those of the network, [`Error::Config`] if the class
/// names are not as many as its classes, [`Error::Resource`] if the file would pass 2 GiB.
pub fn encode(model: &Model) -> Result<Vec<u8>> {
    let graph = model.graph;
    tensors::check_table(model.tensors, &graph.table(), Path::new("export to ONNX"))?;
    if let Some(images) = model.images.filter(|i| ![0, graph.classes()].contains(&i.classes.len()))
    {
        return Err(Error::Config(format!(
            "export to ONNX: {} class names; the network {} has {} classes",
            images.classes.len(),
            graph.name(),
            graph.classes()
        )));
    }
    let file = file(model);
    fits(file.encoded_len())?;
    Ok(file.encode_to_vec())
}

fn fits(bytes: usize) -> Result<()> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::Resource(format!(
        "export to ONNX: the file would have {bytes} bytes; the format holds {MOST_BYTES} at most; \
         export a narrower network"
    )))
}

fn file(model: &Model) -> proto::Model {
    proto::Model {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: about(model),
        graph: Some(network(model)),
        opset_import: vec![Opset { domain: Some(String::new()), version: OPSET }],
        metadata_props: metadata(model),
        ..proto::Model::default()
    }
}

fn made_by() -> String {
    format!("made by secateur {}", env!("CARGO_PKG_VERSION"))
}

fn about(model: &Model) -> String {
    let graph = model.graph;
    let images = graph.images();
    let colours = if images.c == 3 { "RGB, " } else { "" };
    let normalised = model.images.map_or_else(
        || "normalised as in training".to_owned(),
        |i| {
            let (mean, std) = (json(&i.mean), json(&i.std));
            format!("(pixel / 255 - mean) / std with mean {mean} and std {std}")
        },
    );
    format!(
        "{}, {}. Input {INPUT}: batch x {} x {} x {}, {colours}{normalised}. Output {OUTPUT}: \
         batch x {}.",
        graph.name(),
        made_by(),
        images.c,
        images.h,
        images.w,
        graph.classes()
    )
}

fn metadata(model: &Model) -> Vec<Entry> {
    let mut entries = vec![("network", model.graph.name().to_owned()), ("producer", made_by())];
    if let Some(i) = model.images {
        entries.push(("mean", json(&i.mean)));
        entries.push(("std", json(&i.std)));
        if !i.classes.is_empty() {
            entries.push(("classes", json(&i.classes)));
        }
    }
    entries.into_iter().map(|(key, value)| Entry { key: key.to_owned(), value }).collect()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lists of numbers and strings")
}

fn network(model: &Model) -> proto::Graph {
    let (graph, images) = (model.graph, model.graph.images());
    let written = nodes(graph);
    proto::Graph {
        node: written.nodes,
        name: graph.name().to_owned(),
        initializer: initializers(model).chain(written.constants).collect(),
        input: vec![ValueInfo::batch(INPUT, &[images.c, images.h, images.w])],
        output: vec![ValueInfo::batch(OUTPUT, &[graph.classes()])],
        ..proto::Graph::default()
    }
}

fn initializers(model: &Model) -> impl Iterator<Item = Tensor> {
    model.graph.params().iter().map(|p: &Param| {
        let values = model.tensors[&p.name].as_f32().expect("checked against the table");
        let frozen = p.role == Role::Constant;
        let name = if frozen { frozen_name(&p.name) } else { p.name.clone() };
        Tensor::new(&name, &p.shape, values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        Graph::build("vgg-lab@0.125", 2, 32).expect("in the zoo")
    }

    fn values(graph: &Graph) -> Tensors {
        let values = graph.params().iter().zip(graph::initial(graph, 1));
        values.map(|(p, v)| (p.name.clone(), tensors::Tensor::f32(&p.shape, v))).collect()
    }

    fn encoded(tensors: &Tensors, classes: &[&str]) -> Result<Vec<u8>> {
        let classes: Vec<String> = classes.iter().map(|&c| c.to_owned()).collect();
        let (mean, std) = ([0.5, 0.25, 0.125], [0.2, 1e-7, 1.0]);
        let images = Some(Images { mean: &mean, std: &std, classes: &classes });
        encode(&Model { graph: &graph(), tensors, images })
    }

    #[test]
    fn the_file_tells_how_to_use_it() {
        let tensors = values(&graph());
        let bytes = encoded(&tensors, &["a \"cat\"", "dog, größer"]).expect("encodes");
        let file = proto::Model::decode(bytes.as_slice()).expect("decodes");
        let check = |key: &str, expected: &str| {
            let found = file.metadata_props.iter().find(|e| e.key == key).expect(key);
            assert_eq!(found.value, expected, "{key}");
        };
        check("network", "vgg-lab@0.125");
        check("mean", "[0.5,0.25,0.125]");
        check("std", "[0.2,1e-7,1.0]");
        check("classes", r#"["a \"cat\"","dog, größer"]"#);
        check("producer", concat!("made by secateur ", env!("CARGO_PKG_VERSION")));
        assert!(file.doc_string.contains("batch x 3 x 32 x 32, RGB"), "{}", file.doc_string);
    }

    #[test]
    fn initializers_are_the_table_and_its_values() {
        let (graph, tensors) = (graph(), values(&graph()));
        let bytes = encoded(&tensors, &["a", "b"]).expect("encodes");
        assert_eq!(bytes, encoded(&tensors, &["a", "b"]).expect("encodes"));
        let file = proto::Model::decode(bytes.as_slice()).expect("decodes");
        let found = file.graph.expect("a graph").initializer;
        let expected: Vec<Tensor> = graph
            .params()
            .iter()
            .map(|p| Tensor::new(&p.name, &p.shape, tensors[&p.name].as_f32().expect("floats")))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let check = |found: Result<Vec<u8>>, code: u8, expected: &str| {
            let error = found.expect_err("refused");
            assert_eq!(error.exit_code(), code);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        let mut tensors = values(&graph());
        check(encoded(&tensors, &["a"]), 3, "1 class names; the network vgg-lab@0.125 has 2");
        tensors.remove("backbone.conv0.weight");
        check(encoded(&tensors, &["a", "b"]), 5, "tensor backbone.conv0.weight [8, 3, 3, 3]");
        check(fits(MOST_BYTES + 1).map(|()| vec![]), 6, "2147483648 bytes");
        assert!(fits(MOST_BYTES).is_ok());
    }
}
