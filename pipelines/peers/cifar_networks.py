"""Networks for images of 32 x 32 pixels, written from their papers, in the idioms that users write them in.

The heads and shortcuts differ on purpose (views of a computed size, means over pixels, pooling by a
module or by a function), since exporters turn each of them into other ONNX nodes.
"""

import torch
import torch.nn.functional as F
from torch import nn

from networks import Block, three


def one(inputs, outputs, stride=1):
    """A 1x1 convolution without a bias."""
    return nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)


class PaddedBlock(nn.Module):
    """Block of a CIFAR ResNet; its shortcut takes every second pixel and pads channels (option A)."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1, self.bn1 = three(inputs, outputs, stride)
        self.conv2, self.bn2 = three(outputs, outputs)
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2), "constant", 0)
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """ResNets of He et al. 2016, section 4.2: 6n + 2 layers of 16, 32 and 64 channels."""

    def __init__(self, blocks, block):
        super().__init__()
        self.conv1, self.bn1 = three(3, 16)
        inputs = 16
        for i, outputs in enumerate((16, 32, 64), 1):
            strides = [1 if i == 1 else 2] + [1] * (blocks - 1)
            layer = [block(inputs if k == 0 else outputs, outputs, s) for k, s in enumerate(strides)]
            setattr(self, f"layer{i}", nn.Sequential(*layer))
            inputs = outputs
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.avg_pool2d(x, x.size()[3])
        return self.linear(x.view(x.size(0), -1))


class WideBlock(nn.Module):
    """Pre-activation block of a wide ResNet, with dropout between its convolutions."""

    def __init__(self, inputs, outputs, stride, dropout=0.3):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.relu1, self.relu2 = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
        self.conv1, _ = three(inputs, outputs, stride)
        self.conv2, _ = three(outputs, outputs)
        self.dropout = nn.Dropout(dropout)
        self.convShortcut = None if inputs == outputs else one(inputs, outputs, stride)

    def forward(self, x):
        y = self.relu1(self.bn1(x))
        skip = x if self.convShortcut is None else self.convShortcut(y)
        y = self.relu2(self.bn2(self.conv1(y)))
        return torch.add(skip, self.conv2(self.dropout(y)))


class WideResNet(nn.Module):
    """WRN-16-4 of Zagoruyko and Komodakis 2016."""

    def __init__(self, blocks=2, widen=4):
        super().__init__()
        widths = [16, 16 * widen, 32 * widen, 64 * widen]
        self.conv1, _ = three(3, widths[0])
        for i in range(3):
            layer = [WideBlock(widths[i], widths[i + 1], 1 if i == 0 else 2)]
            layer += [WideBlock(widths[i + 1], widths[i + 1], 1) for _ in range(blocks - 1)]
            setattr(self, f"block{i + 1}", nn.Sequential(*layer))
        self.bn1, self.relu = nn.BatchNorm2d(widths[3]), nn.ReLU(inplace=True)
        self.fc = nn.Linear(widths[3], 10)
        self.channels = widths[3]

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        x = F.avg_pool2d(self.relu(self.bn1(x)), 8)
        return self.fc(x.view(-1, self.channels))


class PreActBlock(nn.Module):
    """Norm and ReLU before each convolution; the projection reads the activated input."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1, _ = three(inputs, outputs, stride)
        self.conv2, _ = three(outputs, outputs)
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(one(inputs, outputs, stride))

    def forward(self, x):
        y = F.relu(self.bn1(x))
        skip = self.shortcut(y) if hasattr(self, "shortcut") else x
        y = self.conv1(y)
        y = self.conv2(F.relu(self.bn2(y)))
        y += skip
        return y


class SqueezeBlock(Block):
    """A residual block whose channels are scaled by squeeze and excitation (Hu et al. 2018)."""

    def __init__(self, inputs, outputs, stride=1, reduction=16):
        super().__init__(inputs, outputs, stride)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        squeezed = outputs // reduction
        layers = nn.Linear(outputs, squeezed, bias=False), nn.ReLU(inplace=True)
        self.fc = nn.Sequential(*layers, nn.Linear(squeezed, outputs, bias=False), nn.Sigmoid())

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        n, c, _, _ = y.size()
        scale = self.fc(self.avg_pool(y).view(n, c)).view(n, c, 1, 1)
        y = y * scale.expand_as(y)
        skip = self.shortcut(x) if hasattr(self, "shortcut") else x
        return F.relu(y + skip)


class ResNet18(nn.Module):
    """Eight blocks of 64 to 512 channels; `last` stands behind the last block."""

    def __init__(self, block, stem, last):
        super().__init__()
        self.stem, self.last = nn.Sequential(*stem), nn.Sequential(*last)
        inputs = 64
        for i, (outputs, stride) in enumerate(((64, 1), (128, 2), (256, 2), (512, 2)), 1):
            setattr(self, f"layer{i}", nn.Sequential(block(inputs, outputs, stride), block(outputs, outputs)))
            inputs = outputs
        self.linear = nn.Linear(512, 10)

    def forward(self, x):
        x = self.stem(x)
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
        x = F.adaptive_avg_pool2d(self.last(x), 1)
        return self.linear(torch.flatten(x, 1))


class DenseLayer(nn.Module):
    """A bottleneck of DenseNet-BC; its output is appended to its input."""

    def __init__(self, inputs, growth):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(4 * growth)
        self.conv1 = one(inputs, 4 * growth)
        self.conv2, _ = three(4 * growth, growth)

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        return torch.cat([y, x], 1)


class Transition(nn.Module):
    """Half of the channels at half of the side."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.bn, self.conv = nn.BatchNorm2d(inputs), one(inputs, outputs)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.bn(x))), 2)


class DenseNet(nn.Module):
    """DenseNet-BC of Huang et al. 2017."""

    def __init__(self, depth=100, growth=12):
        super().__init__()
        channels, layers = 2 * growth, [three(3, 2 * growth)[0]]
        for block in range(3):
            for _ in range((depth - 4) // 6):
                layers.append(DenseLayer(channels, growth))
                channels += growth
            if block < 2:
                layers.append(Transition(channels, channels // 2))
                channels //= 2
        self.features = nn.Sequential(*layers)
        self.bn, self.linear = nn.BatchNorm2d(channels), nn.Linear(channels, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.features(x)))
        x = F.avg_pool2d(x, 8)
        return self.linear(x.view(x.size(0), -1))


class Inverted(nn.Module):
    """Inverted residual of MobileNetV2."""

    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        width = inputs * expansion
        self.conv1, self.bn1 = one(inputs, width), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, groups=width, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = one(width, outputs), nn.BatchNorm2d(outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self.bn1(self.conv1(x)))
        y = F.relu6(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2 of Sandler et al. 2018 with the first two strides taken out."""

    STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = three(3, 32)
        layers, inputs = [], 32
        for expansion, outputs, blocks, stride in self.STAGES:
            for k in range(blocks):
                layers.append(Inverted(inputs, outputs, expansion, stride if k == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.conv2, self.bn2 = one(320, 1280), nn.BatchNorm2d(1280)
        self.linear = nn.Linear(1280, 10)

    def forward(self, x):
        x = F.relu6(self.bn1(self.conv1(x)))
        x = F.relu6(self.bn2(self.conv2(self.layers(x))))
        return self.linear(x.mean([2, 3]))


def shuffle(x, groups=2):
    """Channels of the groups in turn."""
    n, c, h, w = x.size()
    return x.view(n, groups, c // groups, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)


class ShuffleUnit(nn.Module):
    """Unit of ShuffleNetV2: one half of the channels passes; with a stride both halves are computed."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half = outputs // 2
        self.half = inputs // 2 if stride == 1 else None
        width = half if stride == 1 else inputs

        def depthwise(channels):
            conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
            return conv, nn.BatchNorm2d(channels)

        def pointwise(channels):
            return one(channels, half), nn.BatchNorm2d(half), nn.ReLU(inplace=True)

        self.right = nn.Sequential(*pointwise(width), *depthwise(half), *pointwise(half))
        self.left = None if stride == 1 else nn.Sequential(*depthwise(inputs), *pointwise(inputs))

    def forward(self, x):
        if self.left is None:
            left, right = x[:, : self.half], x[:, self.half :]
        else:
            left, right = self.left(x), x
        return shuffle(torch.cat([left, self.right(right)], 1))


class ShuffleNetV2(nn.Module):
    """ShuffleNetV2 1x of Ma et al. 2018 with the stem's strides taken out."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = three(3, 24)
        layers, inputs = [], 24
        for outputs, blocks in ((116, 4), (232, 8), (464, 4)):
            for k in range(blocks):
                layers.append(ShuffleUnit(inputs, outputs, 2 if k == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.conv2, self.bn2 = one(464, 1024), nn.BatchNorm2d(1024)
        self.linear = nn.Linear(1024, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(self.layers(x))))
        x = F.avg_pool2d(x, 4).flatten(1)
        return self.linear(x)


def preact_resnet18():
    return ResNet18(PreActBlock, three(3, 64)[:1], (nn.BatchNorm2d(512), nn.ReLU()))


def se_resnet18():
    return ResNet18(SqueezeBlock, (*three(3, 64), nn.ReLU()), ())


# What builds each of them. ResNet-56 has projections for shortcuts (option B).
CIFAR = {
    "resnet20": lambda: CifarResNet(3, PaddedBlock),
    "resnet56": lambda: CifarResNet(9, Block),
    "wrn-16-4": WideResNet,
    "preact-resnet18": preact_resnet18,
    "densenet-bc-100-12": DenseNet,
    "mobilenetv2-32": MobileNetV2,
    "shufflenetv2-32": ShuffleNetV2,
    "se-resnet18": se_resnet18,
}
