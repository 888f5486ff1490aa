//! Networks written and read again: the same text, the same tensors.

use artifact::tensors::{Tensor, Tensors};
use graph::{Graph, Param, Role};
use onnx::{Imported, Model, Options};

/// Values that do something in every role.
fn values(graph: &Graph) -> Tensors {
    let mut stream = seed::stream(2, "test/values", 0);
    let mut one = |p: &Param| match p.role {
        Role::RunningVar => stream.range(0.5, 1.5) as f32,
        _ => stream.range(-1.0, 1.0) as f32,
    };
    let mut tensor = |p: &Param| {
        let values = (0..p.count()).map(|_| one(p)).collect();
        (p.name.clone(), Tensor::f32(&p.shape, values))
    };
    graph.params().iter().map(&mut tensor).collect()
}

fn read_back(graph: &Graph, tensors: &Tensors) -> Imported {
    let bytes = onnx::encode(&Model { graph, tensors, images: None }).expect("encodes");
    let options = Options { name: graph.name().to_owned(), size: None };
    onnx::decode(bytes, "net.onnx", &options).unwrap_or_else(|e| panic!("{e}\n{graph}"))
}

/// A network of these lines, behind a convolution and before a classifier.
fn check(lines: &str) {
    let last = lines.lines().last().and_then(|l| l.split(" = ").next()).expect("a line");
    let text = format!(
        "secateur-graph 1\ninput = input channels=3 height=7 width=6\n\
         x = conv(input) outputs=8 kernel=3x2 padding=1,0,1,1\n{lines}\n\
         flat = flatten({last})\nfc = linear(flat) outputs=5\n"
    );
    same(&text);
}

fn same(text: &str) {
    let graph = Graph::parse(text, "test", "test.net").expect("a graph");
    let tensors = values(&graph);
    let found = read_back(&graph, &tensors);
    assert_eq!(found.graph.to_string(), graph.to_string());
    assert_eq!(found.tensors, tensors, "{text}");
    assert_eq!(found.notes, Vec::<String>::new());
}

#[test]
fn convolutions_and_linear_layers() {
    check(
        "y = conv(x) outputs=4 kernel=1x3 stride=1x2 padding=0,1,0,1 dilation=1x2 groups=2 bias=false",
    );
    check("y = conv(x) outputs=8 kernel=3 padding=1 groups=8");
    check("y = linear(x) outputs=6");
    check("y = linear(x) outputs=6 bias=false");
}

#[test]
fn norms_scales_and_shifts() {
    check("y = batch-norm(x)");
    check("y = batch-norm(x) eps=0.001 momentum=0.01 affine=false");
    check("y = layer-norm(x) eps=0.000001");
    check("y = layer-norm(x) affine=false");
    check("y = scale(x)\nz = shift(y)");
    check("y = scale(x) frozen=true\nz = shift(y) frozen=true");
}

#[test]
fn activations() {
    for function in [
        "relu",
        "relu6",
        "leaky-relu",
        "silu",
        "hard-swish",
        "hard-sigmoid",
        "sigmoid",
        "gelu",
        "gelu-tanh",
    ] {
        check(&format!("y = {function}(x)"));
    }
    check("y = leaky-relu(x) slope=0.2");
    check("y = relu(x)\nz = relu6(y)");
}

#[test]
fn poolings() {
    check("y = max-pool(x) kernel=3x2 stride=2x1 padding=1 ceil=true");
    check("y = max-pool(x) kernel=2 dilation=2x1");
    check("y = average-pool(x) kernel=2 padding=1x0 count-padding=false");
    check("y = average-pool(x) kernel=3 stride=2 padding=1 ceil=true");
    check("y = adaptive-average(x) grid=3x2");
    check("y = adaptive-average(x) grid=9x1");
}

#[test]
fn sums_products_and_channels() {
    check("y = relu(x)\nz = add(x, y)");
    check("y = sigmoid(x)\nz = multiply(y, y)");
    check("y = adaptive-average(x)\nz = multiply(x, y)");
    check("y = adaptive-average(x)\nfc1 = linear(y) outputs=8\nz = multiply(x, fc1)");
    check("y = relu(x)\nz = concat(x, y, x)");
    check("y = slice(x) start=2 end=5");
    check(
        "y = shuffle(x) groups=2\na = slice(y) end=4\nb = slice(y) start=4 end=8\nz = concat(b, a)",
    );
    check("y = pad-channels(x) before=1 after=3");
    check("y = pad-borders(x) padding=0,1,2,0");
}

#[test]
fn a_single_channel() {
    same(
        "secateur-graph 1\ninput = input channels=1 height=4 width=4\na = relu(input)\n\
         b = batch-norm(a)\nc = concat(a, b)\nd = conv(c) outputs=1 kernel=3\n\
         e = layer-norm(d)\nf = flatten(e)\ng = linear(f) outputs=2\n",
    );
}

#[test]
fn vectors_without_pixels() {
    same(
        "secateur-graph 1\ninput = input channels=6 height=1 width=1\na = linear(input) outputs=4\n\
         b = batch-norm(a)\nc = gelu(b)\nd = linear(c) outputs=4\ne = add(a, d)\n\
         f = scale(e)\ng = layer-norm(f)\nh = linear(g) outputs=3 bias=false\n",
    );
}

#[test]
fn what_only_trains_is_left_out() {
    let text = |noise: &str, read: &str| {
        format!(
            "secateur-graph 1\ninput = input channels=1 height=2 width=2\nfl = flatten(input)\n\
             {noise}fc = linear({read}) outputs=2\n"
        )
    };
    let noise = "d = dropout(fl) probability=0.25\ns = stochastic-depth(d) probability=0.1\n";
    let graph = Graph::parse(&text(noise, "s"), "test", "test").expect("a graph");
    let found = read_back(&graph, &values(&graph));
    assert_eq!(found.graph.to_string(), text("", "fl"));
}

#[test]
fn networks_of_the_zoo() {
    for name in graph::names() {
        let graph = Graph::build(&format!("{name}@0.1"), 7, 32).expect(name);
        let tensors = values(&graph);
        let found = read_back(&graph, &tensors);
        assert_eq!(found.tensors, tensors, "{name}");
        let noise = |line: &&str| !line.contains("dropout") && !line.contains("stochastic-depth");
        let lines = |g: &Graph| g.to_string().lines().filter(noise).count();
        let init = usize::from(graph.to_string().contains("\ninit "));
        assert_eq!(lines(&found.graph) + init, lines(&graph), "{name}\n{}\n{graph}", found.graph);
    }
}
