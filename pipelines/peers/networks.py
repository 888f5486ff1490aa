"""The networks of the comparison, as a user of PyTorch would write them."""

from torch import nn


def three(inputs, outputs, stride=1):
    """A 3x3 convolution and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """Two convolutions added to their input, or to its projection where the shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.main = nn.Sequential(
            *three(inputs, outputs, stride), nn.ReLU(), *three(outputs, outputs)
        )
        self.skip = nn.Identity()
        if stride != 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.skip = nn.Sequential(project, nn.BatchNorm2d(outputs))
        self.last = nn.ReLU()

    def forward(self, x):
        return self.last(self.main(x) + self.skip(x))


def head(features):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 10)]


def resnet18():
    layers, inputs = [*three(3, 64), nn.ReLU()], 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, *head(512))


def vgg_lab():
    layers, inputs = [], 3
    for outputs, pooled in zip(
        (64, 128, 256, 256, 512, 512, 512, 512), (0, 1, 0, 1, 0, 1, 0, 1)
    ):
        layers += [*three(inputs, outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pooled else []
        inputs = outputs
    return nn.Sequential(*layers, *head(512))


def resnet_like():
    layers, inputs = [], 3
    for first, second in ((64, 128), (256, 256), (512, 512), (512, 512)):
        layers += [*three(inputs, first), nn.ReLU(), *three(first, second), nn.ReLU()]
        layers += [Block(second, second, 1), nn.MaxPool2d(2)]
        inputs = second
    return nn.Sequential(*layers, *head(512))


def efficientnet_b0():
    from torchvision.models import efficientnet_b0 as make

    return make(num_classes=10)


NETWORKS = {
    "resnet18": resnet18,
    "vgg-lab": vgg_lab,
    "resnet-like": resnet_like,
    "efficientnet-b0": efficientnet_b0,
}
# Height and width of the images where they are not 32.
SIDES = {"efficientnet-b0": 224}
# Images of a batch where the command line does not say.
BATCHES = {"efficientnet-b0": 32}
# What is compared of a network where it is not everything.
WORKS = {"efficientnet-b0": ("train", "infer")}
