"""ResNet-18's convolutions and norms one by one: forward and backward."""

import statistics

import torch
import torch.nn.functional as F

from budget import tell
from networks import NETWORKS

NAMES = ("forward", "backward: input", "weight")
# Calls between two marks: one alone may be shorter than its launch.
TOGETHER = 10


def shapes(network):
    """Each distinct operation once: ("norm", channels, height, width), or of a convolution
    ("conv", channels, height, width, outputs, kernel, stride)."""
    found = []

    def note(module, inputs, _):
        _, *image = inputs[0].shape
        if isinstance(module, torch.nn.BatchNorm2d):
            found.append(("norm", *image))
        else:
            sizes = module.out_channels, module.kernel_size[0], module.stride[0]
            found.append(("conv", *image, *sizes))

    model = NETWORKS[network]().eval()
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.BatchNorm2d)):
            module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    # Convolutions first; a sort keeps the order otherwise.
    return sorted(dict.fromkeys(found), key=lambda key: key[0])


def random(setting, *sizes):
    kind = torch.bfloat16 if setting.precision == "bf16" else torch.float32
    values = torch.randn(*sizes, device=setting.device, dtype=kind)
    return values.contiguous(memory_format=torch.channels_last)


def convolution(shape, batch, setting):
    """PyTorch's three operations of a convolution, as functions without arguments."""
    channels, height, width, outputs, kernel, stride = shape
    x = random(setting, batch, channels, height, width)
    weight = random(setting, outputs, channels, kernel, kernel)
    strides, padding = [stride] * 2, [kernel // 2] * 2
    forward = lambda: F.conv2d(x, weight, None, strides, padding)  # noqa: E731
    grad = random(setting, *forward().shape)

    def backward(*mask):
        rest = (None, strides, padding, [1, 1], False, [0, 0], 1, mask)
        return torch.ops.aten.convolution_backward(grad, x, weight, *rest)

    return forward, lambda: backward(True, False, False), lambda: backward(False, True, False)


def norm(shape, batch, setting):
    """A norm in training with the ReLU behind it, and the way back through both."""
    x = random(setting, batch, *shape).requires_grad_()
    weight, bias = (
        torch.ones(shape[0], device=setting.device, requires_grad=True) for _ in range(2)
    )
    mean, variance = (torch.ones(shape[0], device=setting.device) for _ in range(2))

    def forward():
        return F.relu(F.batch_norm(x, mean, variance, weight, bias, training=True), inplace=True)

    y, grad = forward(), random(setting, batch, *shape)
    back = lambda: torch.autograd.grad(y, (x, weight, bias), grad, retain_graph=True)  # noqa: E731
    return forward, back


def milliseconds(key, batch, setting):
    """Of PyTorch's operations, medians of calls in groups."""
    together = TOGETHER if setting.device == "cuda" else 1
    works = {"conv": convolution, "norm": norm}[key[0]]
    each = []
    for work in works(key[1:], batch, setting):
        group = lambda work=work: [work() for _ in range(together)]  # noqa: E731
        setting.seconds(work, setting.warm)
        each.append(1e3 * statistics.median(setting.seconds(group, setting.repeat)) / together)
    return each


def run(ours, setting, budget, batch, save):
    """One row a shape; a note where a side has nothing to say of any."""
    notes, rows, network = {}, [], "resnet18"
    tell(f"ops: convolutions of {network}, batch {batch}: ours")
    setting.rest()
    # Not all of the part's time: PyTorch's side is to have some.
    call = lambda: ours.layers(network, batch, setting.repeat)  # noqa: E731
    mine = budget.attempt(notes, "ours", call, 0.6 * budget.left()) or {}
    tell("ops: PyTorch")
    for key in shapes(network):
        call = lambda key=key: milliseconds(key, batch, setting)  # noqa: E731
        theirs = budget.attempt(notes, f"eager {named(key)}", call)
        rows.append({"name": named(key), "ours": like(mine, key), "eager": theirs})
        save({"batch": batch, "rows": rows, "notes": notes})
    setting.rest()


def like(mine, key):
    """Ours of that operation; the images' three channels we may fill up to four or eight."""
    op, channels, *rest = key
    among = (3, 4, 8) if (op, channels) == ("conv", 3) else (channels,)
    return next((mine[op, c, *rest] for c in among if (op, c, *rest) in mine), None)


def named(key):
    """For people."""
    op, channels, height, width, *rest = key
    image = f"{channels}x{height}x{width}"
    if op == "norm":
        return f"{image} norm, relu"
    outputs, kernel, stride = rest
    return f"{image}->{outputs} {kernel}x{kernel}" + (f"/{stride}" if stride > 1 else "")
