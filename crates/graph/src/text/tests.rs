//! The text's bytes, and what it refuses.

use crate::{Graph, Shape};

/// One node of each operation, in its canonical form.
const EVERY: &str = include_str!("every.net");

fn parse(text: &str) -> Graph {
    Graph::parse(text, "test", "test.net").expect("a graph")
}

#[test]
fn the_bytes_are_frozen() {
    let graph = parse(EVERY);
    assert_eq!(graph.to_string(), EVERY);
    assert_eq!((graph.classes(), graph.images()), (7, Shape::new(4, 12, 9)));
    let digest = "b5904e01928ceb9d332ebaf86f7b97cb4811615a85e5cb7f9c0bd4a8c55d72bd";
    assert_eq!(graph.digest(), digest, "a text of the same network must not change");
    let keywords = graph.nodes().iter().skip(1).map(|n| n.op.keyword());
    for word in crate::op::KEYWORDS {
        assert!(keywords.clone().any(|k| k == word), "{word} is not in the text");
    }
}

#[test]
fn people_may_write_it_otherwise() {
    let text = "\n# mine\nsecateur-graph 1\n  x=input width=4 height=4 channels=1 # grey\n\n\
                y = conv ( x ) kernel=4x4 outputs=2 padding=0,0,0,0 stride=1 bias=true\n";
    let canonical = "secateur-graph 1\nx = input channels=1 height=4 width=4\n\
                     y = conv(x) outputs=2 kernel=4\n";
    assert_eq!(parse(text).to_string(), canonical);
}

#[test]
fn a_node_may_be_called_init() {
    let text = "secateur-graph 1\ninit conv=fan-out\nx = input channels=1 height=4 width=4\n\
                init = relu(x)\ny = conv(init) outputs=2 kernel=4\n";
    assert_eq!(parse(text).to_string(), text);
}

#[test]
fn every_network_of_the_zoo_is_its_text() {
    for name in crate::names() {
        let graph = Graph::build(&format!("{name}@0.1"), 7, 64).expect(name);
        let read = Graph::parse(&graph.to_string(), graph.name(), name).expect(name);
        assert_eq!(read, graph, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_line() {
    let check = |lines: &str, expected: &str| {
        let text = format!("secateur-graph 1\nx = input channels=3 height=8 width=8\n{lines}\n");
        let error = Graph::parse(&text, "test", "mine.net").expect_err(lines);
        assert_eq!(error.exit_code(), 3, "{error}");
        let error = error.to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
        assert!(error.contains("mine.net"), "{error}");
    };
    let line = "line 3: node y: ";
    check("y = conv(x) outputs=4", &format!("{line}kernel= is missing"));
    check(
        "y = conv(x) outputs=4 kernel=9",
        &format!("{line}kernel 9, stride 1, padding 0 do not fit"),
    );
    check("y = conv(x) outputs=4 kernel=3 stride=0", "do not fit 3x8x8");
    check("y = conv(x) outputs=4 kernel=-3", "kernel=-3; expected a whole number, or HEIGHTxWIDTH");
    check("y = conv(x) outputs=4 kernel=3 groups=2", "2 groups do not divide 3 inputs");
    check("y = conv(x) outputs=4 kernel=3 pading=1", "pading= is unknown (did you mean padding?)");
    check("y = conv(x) outputs=4 outputs=4 kernel=3", "outputs is given twice");
    check("y = convv(x) outputs=4", "operation convv is unknown (did you mean conv?)");
    check("y = relu(z)", &format!("{line}reads z, which no line above has"));
    // A cycle reads what stands below.
    check("y = relu(z)\nz = relu(y)", &format!("{line}reads z, which no line above has"));
    check("y = relu(y)", "reads y, which no line above has");
    check("x = relu(x)", "line 3: node x: the name is taken");
    check("y = relu(x", "the list of inputs has no end");
    check("y = relu(x) slope=1", "slope= is unknown; this operation has no attributes");
    check("y = relu(x, x)", "2 inputs; expected 1");
    check("y = relu", "0 inputs; expected 1");
    check("y = add(x)", "1 inputs; expected 2");
    check("y = input channels=3 height=1 width=1", "operation input is unknown");
    check("what is this", "line 3: \"what is this\"; expected NAME = OPERATION");
    check("y = dropout(x) probability=1", "probability 1; expected at least 0 and less than 1");
    check("y = max-pool(x) kernel=2 padding=2", "padding 2 over half the kernel 2");
    check("y = average-pool(x) kernel=2 dilation=2", "an average pooling has none");
    check("y = slice(x) end=4", "channels 0 up to 4 of 3");
    check("y = shuffle(x) groups=2", "2 groups do not divide 3 channels");
    check("y = pad-channels(x) after=1\nz = add(x, y)", "adds 3x8x8 and 4x8x8");
    check("y = pad-channels(x) after=1\nz = multiply(x, y)", "expected an equal shape or 3x1x1");
    check("y = adaptive-average(x) grid=0", "an average over no windows");
    check("y = batch-norm(x) eps=-1", "eps -1; expected 0 to 1");
    check("y = batch-norm(x) eps=2", "eps 2; expected 0 to 1");
    check("y = max-pool(x) kernel=2 dilation=9 padding=1", "may hold padding alone");
    check("y = conv(x) outputs=1 kernel=3 dilation=9223372036854775808", "do not fit 3x8x8");
    check(
        "y = conv(x) outputs=1 kernel=3 padding=99999999 dilation=99999999",
        "padding included, has",
    );
    check(
        "y = conv(x) outputs=3 kernel=1 bias=false\ny.bias = shift(y)",
        "line 4: node y.bias: its tensor y.bias has the name of another node's",
    );
    check("a:b = relu(x)", "the name holds ':'");
    check("init conv=modules linear-deviation=0.1", "linear-deviation= is unknown");
    check("init conv=modules\ninit conv=fan-out", "line 4: init is given twice");
    check("y = conv(x) outputs=999999999999 kernel=1", "values; expected 1 to");
    check("y = relu(x)", "its last node y gives 3x8x8; expected a vector");
    check("y = relu(x)\nz = adaptive-average(x)", "node y is read by no other");
    check("", "no operation");
    check("a b = relu(x)", "the name holds ' '");
}

#[test]
fn other_files_are_refused() {
    let check = |text: &str, expected: &str| {
        let error = Graph::parse(text, "test", "mine.net").expect_err(text).to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    };
    check("", "begins with \"\"; the text of a graph begins with \"secateur-graph 1\"");
    check("secateur-graph 2\n", "of version 2; this program reads version 1: use a newer one");
    check("secateur-graph 1\n", "no nodes; expected an input first");
    check("secateur-graph 1\ny = relu(x)\n", "relu is the first operation; expected input");
    check("secateur-graph 1\nx = input channels=0 height=1 width=1\n", "0 values");
}
