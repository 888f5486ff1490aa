"""The networks of the comparison, as a user of PyTorch would write them, by the names of ours."""

import copy
import functools
from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn


def three(inputs, outputs, stride=1, bias=False):
    """A 3x3 convolution and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)
    return conv, nn.BatchNorm2d(outputs)


class Block(nn.Module):
    """Two convolutions added to their input, or to its projection where the shape changes."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = three(inputs, outputs, stride)
        self.conv2, self.bn2 = three(outputs, outputs)
        if stride != 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        skip = self.shortcut(x) if hasattr(self, "shortcut") else x
        return F.relu(self.bn2(self.conv2(y)) + skip)


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = three(3, 64)
        inputs = 64
        for i, (outputs, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), 1):
            blocks = Block(inputs, outputs, stride), Block(outputs, outputs)
            setattr(self, f"layer{i}", nn.Sequential(*blocks))
            inputs = outputs
        self.linear = nn.Linear(512, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
        return self.linear(x.mean((2, 3)))


class Lab(nn.Module):
    """`backbone` of named layers, the mean over pixels, `classifier`."""

    def __init__(self, layers):
        super().__init__()
        self.backbone = nn.Sequential(OrderedDict(layers))
        self.classifier = nn.Linear(512, 10)

    def forward(self, x):
        return self.classifier(self.backbone(x).mean((2, 3)))


def lab_layers(stages, residual):
    """Stages of two convolutions, a residual block if wanted, and a max-pool."""
    i, inputs = 0, 3
    for k, widths in enumerate(stages):
        for outputs in widths:
            conv, norm = three(inputs, outputs)
            yield from ((f"conv{i}", conv), (f"bn{i}", norm), (f"relu{i}", nn.ReLU()))
            i, inputs = i + 1, outputs
        if residual:
            yield f"residual_block{k}", Block(inputs, inputs)
        yield f"pool{k}", nn.MaxPool2d(2)


def vgg_lab():
    return Lab(lab_layers(((64, 128), (256, 256), (512, 512), (512, 512)), residual=False))


def resnet_like():
    return Lab(lab_layers(((64, 128), (256, 256), (512, 512), (512, 512)), residual=True))


class Net10(nn.Module):
    def __init__(self):
        super().__init__()

        def unit(inputs, outputs, *more):
            return nn.Sequential(*three(inputs, outputs, bias=True), nn.ReLU(), *more)

        def pair(width):
            return nn.Sequential(unit(width, width), unit(width, width))

        self.conv1, self.conv2 = unit(3, 128), unit(128, 256, nn.MaxPool2d(2))
        self.res1 = pair(256)
        self.conv3 = unit(256, 512, nn.MaxPool2d(2))
        self.conv4 = unit(512, 1024, nn.MaxPool2d(2))
        self.res2 = pair(1024)
        head = nn.MaxPool2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1024, 512)
        self.classifier = nn.Sequential(*head, nn.Linear(512, 10))

    def forward(self, x):
        x = self.conv2(self.conv1(x))
        x = self.conv4(self.conv3(self.res1(x) + x))
        return self.classifier(self.res2(x) + x)


def of_torchvision(name):
    """A constructor of one of torchvision's networks, for ten classes."""

    def make():
        from torchvision.models import get_model

        return get_model(name, num_classes=10)

    return make


NETWORKS = {
    "resnet18": ResNet18,
    "vgg-lab": vgg_lab,
    "resnet-like": resnet_like,
    "net10": Net10,
    "vgg16": of_torchvision("vgg16"),
    "efficientnet-b0": of_torchvision("efficientnet_b0"),
}
# Networks that our zoo does not have: they come to us as ONNX files.
IMPORTED = {name: of_torchvision(name) for name in ("mobilenet_v2", "resnet50")}
# Height and width of the images where they are not 32.
SIDES = {"efficientnet-b0": 224, "mobilenet_v2": 224, "resnet50": 224}
# Images of a batch where the command line does not say.
BATCHES = {"efficientnet-b0": 32, "mobilenet_v2": 16, "resnet50": 16}
# What is timed.
TIMED = {
    "resnet18": ("train", "finetune", "infer", "scaling"),
    "vgg-lab": ("train", "finetune", "infer", "scaling"),
    "resnet-like": ("train", "finetune", "infer", "scaling"),
    "efficientnet-b0": ("train",),
    "mobilenet_v2": ("infer",),
    "resnet50": ("infer",),
}


class Form(NamedTuple):
    """What inference of ours runs: values in "f32" or "int8", and which weights are zero.

    The structure is "dense", or as `magnitude_masks` has it.
    """

    precision: str
    structure: str = "dense"
    sparsity: float = 0.0


# Structure and sparsity of the pruned forms of networks for 32 pixels, and of the others.
SMALL = {
    "f32": (("any", 0.9), ("global", 0.9), ("any", 0.95), ("global", 0.95)),
    "int8": (("any", 0.9), ("any", 0.95), ("block4", 0.8), ("block4", 0.9), ("block4", 0.95)),
}
LARGE = dict.fromkeys(SMALL, (("any", 0.8), ("any", 0.9), ("block4", 0.8), ("block4", 0.9)))


def forms(network):
    """The forms in which a network's inference is timed."""
    for precision, pruned in (LARGE if network in IMPORTED else SMALL).items():
        yield Form(precision)
        yield from (Form(precision, *zeros) for zeros in pruned)


def images(network, batch):
    side = SIDES.get(network, 32)
    return torch.randn(batch, 3, side, side)


@functools.cache
def settled(network):
    """A network in eval mode, its norms' statistics being those of some random images.

    Convolutions are drawn as torchvision draws those of its ResNets.
    """
    torch.manual_seed(0)
    model = (NETWORKS | IMPORTED)[network]().train()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(layer, nn.BatchNorm2d):
            # All passes weigh the same.
            layer.momentum = None
    with torch.no_grad():
        for _ in range(4):
            model(images(network, 16))
    return model.eval()


def drawn(network):
    """The network that every row of inference starts from, ours and the peers'; made once a run."""
    return copy.deepcopy(settled(network))
