"""The peers' configurations: what a user of PyTorch, ONNX Runtime or OpenVINO would try."""

import contextlib
import functools
import io
import logging
import os
import pathlib
import statistics
import tempfile
import time
import warnings
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn

from networks import NETWORKS, drawn, images


def clock(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


class Peer:
    """One configuration, in "f32", "bf16" or "int8": `step()` does the work once."""

    def __init__(self, name, precision, step):
        self.name, self.precision, self.step, self.seconds = name, precision, step, []

    def round(self, steps):
        self.step()
        self.seconds += [clock(self.step) for _ in range(steps)]

    def median(self):
        return statistics.median(self.seconds)


@contextlib.contextmanager
def silence():
    """Keeps what exporters and quantisers say of their progress off the screen."""
    logging.disable(logging.WARNING)
    said = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        with contextlib.redirect_stderr(said):
            yield
    logging.disable(logging.NOTSET)


def training(network, batch, sparsity):
    """A step of SGD; with sparsity, masks are applied after it as pruning users do."""
    for layout, name in ((torch.contiguous_format, "nchw"), (torch.channels_last, "nhwc")):
        for precision in ("f32", "bf16"):
            torch.manual_seed(0)
            model = NETWORKS[network]().to(memory_format=layout).train()
            x = images(network, batch).contiguous(memory_format=layout)
            y = torch.arange(batch) % 10
            masks = magnitude_masks(model, sparsity) if sparsity else []
            optimiser = torch.optim.SGD(
                model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4
            )

            def step(model=model, x=x, masks=masks, optimiser=optimiser, precision=precision):
                optimiser.zero_grad(set_to_none=True)
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimiser.step()
                with torch.no_grad():
                    for weight, mask in masks:
                        weight.mul_(mask)

            yield Peer(f"eager {name}", precision, step)


def magnitude_masks(model, sparsity, structure="any"):
    """(weight, mask) of every convolution but the first, without the smallest.

    They are the smallest weights of each layer ("any") or of all layers together ("global"), or
    each layer's smallest blocks of four input channels ("block4").
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)][1:]
    sizes = [layer.weight.detach().abs() for layer in layers]
    if structure == "block4":
        # A group's input channels are too few for blocks.
        sizes = [s if m.groups > 1 else block_norms(s) for m, s in zip(layers, sizes)]
    ranked = [size.flatten() for size in sizes]
    if structure == "global":
        ranked = [torch.cat(ranked)] * len(ranked)
    masks = []
    for layer, size, values in zip(layers, sizes, ranked):
        cut = values.kthvalue(max(1, round(sparsity * len(values)))).values
        masks.append((layer.weight, (size > cut).to(size.dtype)))
    return masks


def block_norms(size):
    """For each weight the L1 norm of its block of four input channels, the last maybe narrower."""
    channels = size.shape[1]
    filled = F.pad(size, (0, 0, 0, 0, 0, -channels % 4))
    norms = filled.unflatten(1, (-1, 4)).sum(2)
    return norms.repeat_interleave(4, dim=1)[:, :channels]


def inference(network, batch, with_openvino=True):
    """Every configuration for the dense network; exports and integers are made once a network."""
    yield from pytorches(network, batch)
    yield from onnxruntimes(network, batch)
    if with_openvino:
        yield from openvinos(network, batch)


def pytorches(network, batch):
    # What was compiled before counts too: past a limit a function is compiled for nothing more.
    torch.compiler.reset()
    for layout, name in ((torch.contiguous_format, "nchw"), (torch.channels_last, "nhwc")):
        model = drawn(network).to(memory_format=layout)
        x = images(network, batch).contiguous(memory_format=layout)
        for precision in ("f32", "bf16"):
            for compiled in (False, True):

                def step(model=None, x=x, precision=precision):
                    cast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
                    with torch.no_grad(), cast:
                        model(x)

                step.__defaults__ = (
                    torch.compile(model, dynamic=False) if compiled else model,
                    x,
                    precision,
                )
                yield Peer(f"{'compile' if compiled else 'eager'} {name}", precision, step)


def export(network, model):
    """The bytes of an ONNX file for any number of images, `x`."""
    file = io.BytesIO()
    with silence():
        torch.onnx.export(
            model,
            (images(network, 2),),
            file,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
        )
    return file.getvalue()


@functools.cache
def exported(network):
    return export(network, drawn(network))


def calibration(network):
    """Batches of images on which the peers find the ranges of their integers."""
    torch.manual_seed(1)
    return [images(network, 16).numpy() for _ in range(4)]


@functools.cache
def quantised_by_onnxruntime(network):
    """The bytes of a file in integers: every weight's channel has its own scale."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    left = iter([{"x": x} for x in calibration(network)])
    with silence(), tempfile.TemporaryDirectory() as folder:
        plain, ready, integers = (pathlib.Path(folder, f"{i}.onnx") for i in range(3))
        plain.write_bytes(exported(network))
        quant_pre_process(plain, ready)
        quantize_static(
            ready,
            integers,
            SimpleNamespace(get_next=lambda: next(left, None)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return integers.read_bytes()


def onnxruntimes(network, batch):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_free_dimension_override_by_name("batch", batch)
    feed = {"x": images(network, batch).numpy()}
    for precision, file in (("f32", exported), ("int8", quantised_by_onnxruntime)):
        session = onnxruntime.InferenceSession(
            file(network), options, providers=["CPUExecutionProvider"]
        )
        yield Peer("onnxruntime", precision, functools.partial(session.run, None, feed))


@functools.cache
def models_of_openvino(network):
    """(precision, model, setting) of every precision that the processor has."""
    # Without it nncf reports to a server that it is used.
    os.environ.setdefault("NNCF_CI", "1")
    with silence():
        import nncf
        import openvino

        core = openvino.Core()
        plain = core.read_model(exported(network))
        some = nncf.Dataset(calibration(network))
        preset = nncf.QuantizationPreset.PERFORMANCE
        found = [("int8", nncf.quantize(plain, some, preset=preset), {})]
    for precision in ("f32", "bf16"):
        if precision == "f32" or "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            found.append((precision, plain, {"INFERENCE_PRECISION_HINT": precision}))
    return found


def openvinos(network, batch):
    import openvino

    core, threads = openvino.Core(), torch.get_num_threads()
    for precision, model, setting in models_of_openvino(network):
        for hint, streams in (("LATENCY", 1), ("THROUGHPUT", threads)):
            # One image cannot be split.
            if streams > batch:
                continue
            parts = [part.numpy() for part in images(network, batch).tensor_split(streams)]
            sized = model.clone()
            sized.reshape([-1 if batch % streams else batch // streams, *parts[0].shape[1:]])
            how = {"PERFORMANCE_HINT": hint, "NUM_STREAMS": streams} | setting
            how |= {"INFERENCE_NUM_THREADS": threads}
            compiled = core.compile_model(sized, "CPU", how)
            yield Peer(f"openvino {hint.lower()}", precision, in_streams(compiled, parts))


def in_streams(compiled, parts):
    """A step of OpenVINO: a request for each part of a batch, all at the same time."""
    requests = [compiled.create_infer_request() for _ in parts]

    def step():
        for request, part in zip(requests, parts):
            request.start_async([part], share_inputs=True)
        for request in requests:
            request.wait()

    return step
