"""The networks that the ONNX importer must take, with weights that are the same in every run.

`build(name)` returns a network in eval mode. Its weights are those that the constructor draws under a
fixed seed, changed where an error could hide:
- parameters that start as constants (scales and shifts of norms, zero biases, ConvNeXt's tiny layer
  scales) are drawn at random, so that none of them can be left out or taken for another;
- running statistics are those of a few batches of made images;
- convolutions of a network without norms, and the last layer of every network, are scaled so that
  their outputs have unit variance: logits neither vanish nor blow up.
"""

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from cifar_networks import CIFAR

CLASSES = 10
TORCHVISION = (
    "alexnet",
    "vgg11_bn",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "mnasnet1_0",
    "densenet121",
    "shufflenet_v2_x1_0",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "googlenet",
    "inception_v3",
    "convnext_tiny",
)
# Arguments of torchvision's constructors beside the number of classes.
ARGUMENTS = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
NAMES = (*CIFAR, *TORCHVISION)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def side(name):
    """Height and width of the images that the network is usually given."""
    return 32 if name in CIFAR else 299 if name == "inception_v3" else 224


def images(name, count, seed):
    """Made images: noise from coarse to fine, each with its own brightness and contrast.

    White noise alone would do worse: behind a mean over pixels all such images look the same.
    """
    generator = torch.Generator().manual_seed(seed)
    size, x = side(name), 0
    for cells in (2, 5, 11, size):
        noise = torch.randn(count, 3, cells, cells, generator=generator)
        x = x + F.interpolate(noise, size, mode="bilinear", align_corners=False)
    look = torch.rand(count, 2, 1, 1, 1, generator=generator)
    return (x * (0.3 + 0.5 * look[:, 0]) + (2 * look[:, 1] - 1)).contiguous()


def quiet(model):
    """Turns dropout and stochastic depth off, in train mode too."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ == "StochasticDepth":
            module.p = 0.0


def vary_constants(model):
    """Draws every parameter that the constructor set to a constant."""
    for parameter in model.parameters():
        value = parameter.flatten()[0]
        if not bool((parameter == value).all()):
            continue
        if value == 0:
            nn.init.normal_(parameter, 0, 0.1)
        else:
            nn.init.uniform_(parameter, 0.5, 1.5)


def unit_variance(module, inputs, output):
    """Forward hook: scales the module's weight so that its output, less the bias, has unit variance."""
    bias = 0 if module.bias is None else module.bias.view(-1, *[1] * (output.dim() - 2))
    scale = 1 / (output - bias).std().clamp(min=1e-6)
    module.weight.data *= scale
    return (output - bias) * scale + bias


def calibrate(model, name):
    """Measures the running statistics, then scales what no norm follows."""
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    plain = not any(isinstance(m, NORMS) for m in model.modules())
    momenta = [m.momentum for m in norms]
    for norm in norms:
        # None averages over all batches.
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    dropped = {m: m.p for m in model.modules() if hasattr(m, "p")}
    quiet(model)
    with torch.no_grad():
        for seed in range(2):
            model(images(name, 8, seed))
    for module, p in dropped.items():
        module.p = p
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        norm.num_batches_tracked.fill_(2)
    model.eval()
    hooks = [m.register_forward_hook(unit_variance) for m in (layers if plain else layers[-1:])]
    with torch.no_grad():
        model(images(name, 8, 2))
    for hook in hooks:
        hook.remove()


def construct(name):
    """The network as its constructor leaves it, under the random generator's state."""
    if name in CIFAR:
        return CIFAR[name]()
    make = getattr(torchvision.models, name)
    return make(weights=None, num_classes=CLASSES, **ARGUMENTS.get(name, {}))


def build(name):
    """The network of that name, in eval mode."""
    torch.manual_seed(1)
    model = construct(name)
    torch.manual_seed(2)
    vary_constants(model)
    calibrate(model, name)
    return model.eval()
