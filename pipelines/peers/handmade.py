"""ONNX files with nodes that PyTorch's exporters do not write, but others do, and files to be refused.

Each function of FILES writes one file and returns images for it. Each network is a convolution of 3 to 4 channels with
its stride where the file is not about it, the node in question, and a linear layer to 5 classes.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDES = (12, 10)


def weights(*shape, seed=0):
    return (np.random.default_rng(seed + sum(shape)).standard_normal(shape) / 3).astype(np.float32)


class Graph:
    """Nodes and initialisers as they come; every name is given once."""

    def __init__(self, opset=17, ir=8, shape=("batch", 3, *SIDES)):
        self.nodes, self.initialisers, self.outputs = [], [], []
        self.opset, self.ir, self.shape, self.values_are_inputs = opset, ir, shape, False
        self.domains = []

    def constant(self, array):
        name = f"constant{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operation, *inputs, outputs=1, **attributes):
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        names = [f"value{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(operation, inputs, names, name=f"node{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def stem(self):
        return self.node("Conv", "input", weights(4, 3, 1, 1), weights(4))

    def head(self, x, features):
        return self.node("Gemm", self.node("Flatten", x), weights(5, features), weights(5), transB=1)

    def save(self, file, *results):
        shape = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)  # noqa: E731
        inputs = [shape("input", self.shape)]
        if self.values_are_inputs:
            inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self.initialisers]
        outputs = [shape(r, ["batch", 5]) for r in results]
        graph = helper.make_graph(self.nodes, "by hand", inputs, outputs, self.initialisers)
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(d, 1) for d in self.domains)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=self.ir), file)
        sizes = [2, 3, *SIDES] if self.shape[1] == 3 else [2, *SIDES, 3]
        return np.random.default_rng(7).standard_normal(sizes).astype(np.float32)


def features(height=SIDES[0], width=SIDES[1], channels=4):
    return height * width * channels


def around(operation, left, opset=17, inputs=(), /, **attributes):
    """A file with one node between stem and head; `left` features are behind it."""

    def make(file):
        g = Graph(opset)
        return g.save(file, g.head(g.node(operation, g.stem(), *inputs, **attributes), left))

    return make


def auto_pad(mode, size):
    def make(file):
        g = Graph()
        x = g.node("Conv", g.stem(), weights(6, 4, 3, 4), auto_pad=mode, strides=[2, 3])
        return g.save(file, g.head(x, size))

    return make


def nhwc(file):
    """As tf2onnx writes Keras models: the image comes with channels last."""
    g = Graph(shape=("batch", *SIDES, 3))
    x = g.node("Transpose", "input", perm=[0, 3, 1, 2])
    x = g.node("Relu", g.node("Conv", x, weights(4, 3, 3, 3), weights(4), auto_pad="SAME_UPPER"))
    x = g.node("Transpose", x, perm=[0, 2, 3, 1])
    x = g.node("Reshape", x, np.array([-1, features()]))
    return g.save(file, g.node("Add", g.node("MatMul", x, weights(features(), 5)), weights(5)))


def bias_apart(file):
    """A bias added by its own node, as Keras and Caffe2 exporters do."""
    g = Graph()
    x = g.node("Conv", g.stem(), weights(6, 4, 3, 3), pads=[1, 1, 1, 1])
    x = g.node("Add", x, weights(1, 6, 1, 1))
    return g.save(file, g.head(g.node("Relu", x), features(channels=6)))


def weights_as_nodes(file):
    """Weights in Constant nodes, read through Identity nodes."""
    g = Graph()
    w = g.node("Constant", value=numpy_helper.from_array(weights(4, 3, 3, 3)))
    b = g.node("Identity", g.node("Constant", value_floats=[0.1, -0.2, 0.3, 0.4]))
    x = g.node("Conv", "input", g.node("Identity", w), b, pads=[1, 1, 1, 1])
    shape = g.node("Constant", value_ints=[0, -1])
    x = g.node("Reshape", x, shape)
    return g.save(file, g.node("Gemm", x, weights(5, features()), weights(5), transB=1))


def weights_as_inputs(file):
    """IR version 3: every initialiser is an input of the graph, too."""
    g = Graph(opset=9, ir=3)
    g.values_are_inputs = True
    return g.save(file, g.head(g.node("Relu", g.stem()), features()))


def gemm(file):
    """Weights that are not transposed, and factors."""
    g = Graph()
    x = g.node("Flatten", g.stem(), axis=-3)
    x = g.node("Gemm", x, weights(features(), 7), weights(7), alpha=0.5, beta=2.0)
    return g.save(file, g.node("Gemm", x, weights(7, 5), weights(1, 5)))


def no_bias(file):
    g = Graph()
    x = g.node("Gemm", g.node("Flatten", g.stem()), weights(5, features()), transB=1)
    return g.save(file, x)


def flat_by_shape(file):
    """The sizes of Reshape computed from the shape, in the ways that exporters have."""
    g = Graph()
    x = g.stem()
    n = g.node("Slice", g.node("Shape", x), np.array([0]), np.array([1]), np.array([0]))
    rest = g.node("ReduceProd", g.node("Shape", x, start=1), keepdims=1)
    x = g.node("Reshape", x, g.node("Concat", n, rest, axis=0))
    return g.save(file, g.node("Gemm", x, weights(5, features()), weights(5), transB=1))


def norm(opset, **attributes):
    four = [weights(4), weights(4, seed=1), weights(4, seed=2), np.abs(weights(4, seed=3)) + 0.5]
    return around("BatchNormalization", features(), opset, four, **attributes)


def casts(file):
    """f32 through f16 and back, as mixed precision converters do."""
    g = Graph()
    x = g.node("Cast", g.stem(), to=TensorProto.FLOAT16)
    return g.save(file, g.head(g.node("Cast", x, to=TensorProto.FLOAT), features()))


def two_outputs(file):
    g = Graph()
    x = g.stem()
    return g.save(file, g.head(x, features()), g.head(g.node("Relu", x), features()))


def unused(file):
    """Nodes and initialisers that nothing reads."""
    g = Graph()
    x = g.stem()
    g.node("Relu", x)
    g.constant(weights(3))
    return g.save(file, g.head(x, features()))


def other_domain(file):
    g = Graph()
    g.domains = ["com.microsoft"]
    return g.save(file, g.head(g.node("FusedThing", g.stem(), domain="com.microsoft"), features()))


def gelu_of_runtime(file):
    """What ONNX Runtime's own optimiser writes."""
    g = Graph()
    g.domains = ["com.microsoft"]
    return g.save(file, g.head(g.node("Gelu", g.stem(), domain="com.microsoft"), features()))


def branch(file):
    g = Graph()
    x = g.stem()
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    arms = {
        arm: helper.make_graph([helper.make_node(op, [x], ["y"])], arm, [], [result])
        for arm, op in (("then_branch", "Relu"), ("else_branch", "Identity"))
    }
    x = g.node("If", np.array(True), **arms)
    return g.save(file, g.head(x, features()))


def integer_weights(file):
    g = Graph()
    x = g.node("Conv", "input", np.ones((4, 3, 1, 1), np.int8))
    return g.save(file, g.head(x, features()))


def quantised(file):
    """A weight that passes DequantizeLinear, as quantisers write it."""
    g = Graph()
    levels = np.arange(12, dtype=np.int8).reshape(4, 3, 1, 1)
    w = g.node("DequantizeLinear", levels, np.float32(0.05), np.int8(3))
    return g.save(file, g.head(g.node("Conv", "input", w), features()))


def dynamic_sides(file):
    g = Graph(shape=("batch", 3, "height", "width"))
    x = g.node("GlobalAveragePool", g.stem())
    return g.save(file, g.head(x, 4))


def function_inside(file):
    """A node that calls a function which the file defines."""
    x = np.random.default_rng(7).standard_normal((2, 3, *SIDES)).astype(np.float32)
    g = Graph()
    g.domains = ["local"]
    g.save(file, g.head(g.node("Twice", g.stem(), domain="local"), features()))
    model = onnx.load(file)
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Add", ["b", "b"], ["c"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("local", "Twice", ["a"], ["c"], body, opsets))
    onnx.save(model, file)
    return x


def wrong_weight(file):
    g = Graph()
    x = g.node("Conv", "input", weights(4, 5, 3, 3))
    return g.save(file, g.head(x, 4 * 10 * 8))


def cycle(file):
    g = Graph()
    x = g.stem()
    g.nodes.append(helper.make_node("Add", [x, "b"], ["a"]))
    g.nodes.append(helper.make_node("Relu", ["a"], ["b"]))
    return g.save(file, g.head("b", features()))


def one_dim(value):
    return np.array(value, np.int64)


def scalar(value):
    return np.array(value, np.float32)


FILES = {
    "auto-pad-upper": auto_pad("SAME_UPPER", 6 * 6 * 4),
    "auto-pad-lower": auto_pad("SAME_LOWER", 6 * 6 * 4),
    "auto-pad-valid": auto_pad("VALID", 6 * 5 * 3),
    "max-pool-auto-pad": around("MaxPool", features(6, 5), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    "max-pool-asymmetric": around("MaxPool", features(6, 5), kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
    "average-pool-asymmetric": around(
        "AveragePool", features(6, 5), kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1], count_include_pad=1
    ),
    "global-max-pool": around("GlobalMaxPool", 4),
    "reduce-mean-attribute": around("ReduceMean", 4, 13, axes=[2, 3], keepdims=0),
    "reduce-mean-input": around("ReduceMean", 4, 18, [one_dim([-1, -2])], keepdims=1),
    "reduce-mean-noop": around("ReduceMean", features(), 18, noop_with_empty_axes=1),
    "clip-attributes": around("Clip", features(), 9, min=0.0, max=6.0),
    "clip-minimum-only": around("Clip", features(), 13, [scalar(0)]),
    "relu-of-clip": around("Clip", features(), 13, ["", scalar(1)]),
    "dropout-attribute": around("Dropout", features(), 9, ratio=0.3),
    "dropout-input": around("Dropout", features(), 13, [scalar(0.3)]),
    "dropout-training": around("Dropout", features(), 13, [scalar(0.3), np.array(True)]),
    "norm-defaults": norm(15),
    "norm-old": norm(9, epsilon=1e-3, momentum=0.99),
    "hard-sigmoid-defaults": around("HardSigmoid", features(), alpha=0.2),
    "leaky-relu-defaults": around("LeakyRelu", features()),
    "elu-defaults": around("Elu", features()),
    "prelu-4": around("PRelu", features(), 17, [weights(4, 1, 1)]),
    "thresholded-relu": around("ThresholdedRelu", features(), alpha=0.5),
    "hard-swish": around("HardSwish", features(), 18),
    "gelu-20": around("Gelu", features(), 20),
    "gelu-20-tanh": around("Gelu", features(), 20, approximate="tanh"),
    "mish-18": around("Mish", features(), 18),
    "lrn": around("LRN", features(), size=3),
    "group-norm-18": around("GroupNormalization", features(), 18, [weights(2), weights(2)], num_groups=2),
    "group-norm-21": around("GroupNormalization", features(), 21, [weights(4), weights(4)], num_groups=2),
    "pad-attribute": around("Pad", features(15, 13), 9, pads=[0, 0, 1, 2, 0, 0, 2, 1]),
    "pad-axes": around("Pad", features(12, 13), 18, [one_dim([2, 1]), "", one_dim([3])]),
    "unsqueeze-attribute": around("Unsqueeze", features(), 11, axes=[4]),
    "nhwc": nhwc,
    "bias-apart": bias_apart,
    "weights-as-nodes": weights_as_nodes,
    "weights-as-inputs": weights_as_inputs,
    "gemm": gemm,
    "gemm-no-bias": no_bias,
    "flat-by-shape": flat_by_shape,
    "casts": casts,
    "unused": unused,
    "quantised": quantised,
    "gelu-of-runtime": gelu_of_runtime,
    "function-inside": function_inside,
    "refuse-two-outputs": two_outputs,
    "refuse-other-domain": other_domain,
    "refuse-branch": branch,
    "refuse-integer-weights": integer_weights,
    "refuse-dynamic-sides": dynamic_sides,
    "refuse-wrong-weight": wrong_weight,
    "refuse-cycle": cycle,
}
