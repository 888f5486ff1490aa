//! Exported networks, run by rten, against the logits of packed networks' executor.

use artifact::tensors::{self, Tensors};
use graph::{Graph, Param, Role, Shape};
use inference::{Checked, Network, Plan};
use onnx::Model;
use rten::Value;
use seed::Stream;

const IMAGES: usize = 3;
const CLASSES: usize = 7;

/// Initial weights, and norms that do something.
fn values(graph: &Graph) -> Tensors {
    let mut stream = seed::stream(2, "test/norms", 0);
    let all = graph.params().iter().zip(graph::initial(graph, 1));
    let mut tensor = |(p, v): (&Param, Vec<f32>)| {
        (p.name.clone(), tensors::Tensor::f32(&p.shape, drawn(p, v, &mut stream)))
    };
    all.map(&mut tensor).collect()
}

fn drawn(param: &Param, initial: Vec<f32>, stream: &mut Stream) -> Vec<f32> {
    let mut one = |value: f32| match param.role {
        Role::NormWeight | Role::RunningVar => stream.range(0.5, 1.5) as f32,
        Role::NormBias | Role::RunningMean | Role::Bias => stream.range(-0.3, 0.3) as f32,
        Role::Weight | Role::Constant => value,
    };
    initial.into_iter().map(&mut one).collect()
}

fn images(shape: Shape) -> Vec<f32> {
    let mut stream = seed::stream(1, "test/images", 0);
    (0..IMAGES * shape.count()).map(|_| stream.normal() as f32).collect()
}

/// Logits of all images, one image behind the other.
fn by_us(graph: &Graph, tensors: &Tensors) -> Vec<f32> {
    let network = Network::new(graph, &Checked { graph, tensors });
    Plan::fixed(&network, (0, IMAGES), false).logits(&images(graph.images()))
}

/// As [`by_us`], of as many images as are given.
fn by_rten(file: &rten::Model, images: &[f32], shape: Shape) -> Vec<f32> {
    let count = images.len() / shape.count();
    let sizes = [count, shape.c, shape.h, shape.w];
    let images = Value::from_shape(&sizes, images.to_vec()).expect("that many");
    let logits = file.run_one(images.into(), None).expect("runs");
    let (shape, values) = logits.into_shape_vec::<f32, 2>().expect("a matrix");
    assert_eq!(shape, [count, CLASSES]);
    values
}

fn check(spec: &str, side: usize) {
    check_graph(&Graph::build(spec, CLASSES, side).expect("in the zoo"));
}

fn check_graph(graph: &Graph) {
    let (tensors, images) = (values(graph), images(graph.images()));
    let model = Model { graph, tensors: &tensors, images: None };
    let file = rten::Model::load(onnx::encode(&model).expect("encodes")).expect("loads");
    let expected = by_us(graph, &tensors);
    for count in [1, IMAGES] {
        let found = by_rten(&file, &images[..count * graph.images().count()], graph.images());
        let expected = &expected[..count * CLASSES];
        let off: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        let (off, size) = (norm(&off), norm(expected));
        let (name, shape) = (graph.name(), graph.images());
        assert!(size > 0.01 && off <= 1e-5 * size, "{name} at {shape}: {off} against {size}");
    }
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|v| v * v).sum::<f32>().sqrt()
}

#[test]
fn every_network_gives_the_same_logits() {
    for name in graph::names() {
        check(&format!("{name}@0.125"), 32);
    }
}

#[test]
fn images_of_other_sides_do_too() {
    check("efficientnet-b0@0.25", 64);
    check("resnet18@0.07", 33);
    // The grid of 7 x 7 windows over 1 x 1 above, and over 3 x 3 and 9 x 9 pixels here.
    check("vgg16@0.05", 96);
    check("vgg16@0.03", 300);
}
