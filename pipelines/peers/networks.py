"""The networks of the comparison, as a user of PyTorch would write them, by the names of ours."""

from collections import OrderedDict

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


def vgg16():
    from torchvision.models import vgg16 as make

    return make(num_classes=10)


def efficientnet_b0():
    from torchvision.models import efficientnet_b0 as make

    return make(num_classes=10)


NETWORKS = {
    "resnet18": ResNet18,
    "vgg-lab": vgg_lab,
    "resnet-like": resnet_like,
    "net10": Net10,
    "vgg16": vgg16,
    "efficientnet-b0": efficientnet_b0,
}
# Height and width of the images where they are not 32.
SIDES = {"efficientnet-b0": 224}
# Images of a batch where the command line does not say.
BATCHES = {"efficientnet-b0": 32}
# What is timed: everything, or the dense training step and inference.
TIMED = {
    "resnet18": ("train", "finetune", "infer", "scaling"),
    "vgg-lab": ("train", "finetune", "infer", "scaling"),
    "resnet-like": ("train", "finetune", "infer", "scaling"),
    "efficientnet-b0": ("train",),
}
