"""The peer's configurations: what a user of PyTorch or ONNX Runtime would try."""

import io
import os
import statistics
import sys
import time
import warnings

import torch
import torch.nn.functional as F

from networks import NETWORKS, SIDES


def clock(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


class Peer:
    """One configuration: `step()` does the work once."""

    def __init__(self, name, precision, step):
        self.name, self.precision, self.step, self.seconds = name, precision, step, []

    def round(self, steps):
        self.step()
        self.seconds += [clock(self.step) for _ in range(steps)]

    def median(self):
        return statistics.median(self.seconds)


def images(network, batch):
    side = SIDES.get(network, 32)
    return torch.randn(batch, 3, side, side)


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


def magnitude_masks(model, sparsity, allocation="uniform"):
    """(weight, mask) of every convolution but the first: the smallest of each, or of all together."""
    convolutions = [p for p in model.parameters() if p.dim() == 4][1:]
    sizes = [w.detach().abs() for w in convolutions]
    together = [torch.cat([s.flatten() for s in sizes])] * len(sizes)
    masks = []
    for weight, size, ranked in zip(convolutions, sizes, sizes if allocation == "uniform" else together):
        k = max(1, round(sparsity * ranked.numel()))
        cut = ranked.flatten().kthvalue(k).values
        masks.append((weight, (size > cut).to(weight.dtype)))
    return masks


def inference(network, batch):
    torch.manual_seed(0)
    for layout, name in ((torch.contiguous_format, "nchw"), (torch.channels_last, "nhwc")):
        model = NETWORKS[network]().to(memory_format=layout).eval()
        x = images(network, batch).contiguous(memory_format=layout)
        for precision in ("f32", "bf16"):
            for compiled in (False, True):

                def step(model=None, x=x, precision=precision):
                    cast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
                    with torch.no_grad(), cast:
                        model(x)

                step.__defaults__ = (
                    torch.compile(model) if compiled else model,
                    x,
                    precision,
                )
                yield Peer(f"{'compile' if compiled else 'eager'} {name}", precision, step)
    yield onnx(network, batch)


def onnx(network, batch):
    import onnxruntime

    file = io.BytesIO()
    x = images(network, batch)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        sys.stdout, keep = nowhere, sys.stdout
        torch.onnx.export(NETWORKS[network]().eval(), (x,), file, dynamo=False, input_names=["x"])
        sys.stdout = keep
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    feed = {"x": x.numpy()}
    return Peer("onnxruntime", "f32", lambda: session.run(None, feed))
