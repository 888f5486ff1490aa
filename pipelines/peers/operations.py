"""Small networks about one operation each, for the tests of the ONNX importer.

`OPERATIONS` names them: a 1x1 convolution of three channels to eight, the operation, and a linear layer over
all that it leaves, so that every pixel counts. Images are 12 x 10 pixels, so that height and
width cannot be taken for each other.
"""

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

SIDES = (12, 10)
CHANNELS = 8


class Of(nn.Module):
    """A function with the layers that it uses."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            if isinstance(layer, nn.Module):
                setattr(self, name, layer)
            elif isinstance(layer, nn.Parameter):
                self.register_parameter(name, layer)
            else:
                self.register_buffer(name, layer)

    def forward(self, x):
        return self.function(self, x)


class Small(nn.Module):
    """Stem, operation and head; `pure` has the operation last, as softmax is."""

    def __init__(self, operation, stem=True, head=True, last=None):
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 1) if stem else nn.Identity()
        self.operation = operation
        self.head = nn.LazyLinear(5) if head else nn.Identity()
        self.last = last or nn.Identity()

    def forward(self, x):
        return self.last(self.head(self.operation(self.stem(x)).flatten(1)))


def conv(*arguments, **keywords):
    return lambda: nn.Conv2d(CHANNELS, *arguments, **keywords)


def of(function, **layers):
    """`layers` are made anew for each network, under its seed."""
    return lambda: Of(function, **{k: make() for k, make in layers.items()})


def values(*shape):
    return lambda: torch.rand(shape) + 0.5


def learned(*shape):
    return lambda: nn.Parameter(torch.rand(shape) + 0.5)


CONVOLUTIONS = {
    "conv-plain": conv(6, 3, padding=1),
    "conv-no-bias": conv(6, 3, padding=1, bias=False),
    "conv-rectangular": conv(6, (3, 5), stride=(2, 1), padding=(1, 2)),
    "conv-rectangular-1x7": conv(6, (1, 7), padding=(0, 3)),
    "conv-dilated": conv(6, 3, dilation=(2, 1), padding=(2, 1)),
    "conv-stride-unpadded": conv(6, 3, stride=2),
    "conv-stride-1x1": conv(6, 1, stride=2),
    "conv-padded-more": conv(6, 1, padding=2),
    "conv-asymmetric-padding": of(lambda m, x: m.conv(F.pad(x, (0, 1, 0, 1))), conv=conv(6, 3, stride=2)),
    "conv-asymmetric-four": of(lambda m, x: m.conv(F.pad(x, (1, 2, 3, 0))), conv=conv(6, 3)),
    "conv-pad-relu-between": of(lambda m, x: m.conv(F.relu(F.pad(x, (0, 1, 0, 1)))), conv=conv(6, 3)),
    "conv-same": conv(6, 3, padding="same"),
    "conv-same-even": conv(6, 4, padding="same"),
    "conv-groups": conv(16, 3, padding=1, groups=4),
    "conv-depthwise": conv(8, 3, padding=1, groups=8),
    "conv-depthwise-multiplied": conv(16, 5, padding=2, groups=8),
    "conv-reflect": conv(6, 3, padding=1, padding_mode="reflect"),
    "conv-replicate": conv(6, 3, padding=1, padding_mode="replicate"),
    "conv-circular": conv(6, 3, padding=1, padding_mode="circular"),
    "conv-transposed": lambda: nn.ConvTranspose2d(8, 6, 3, stride=2),
    "conv-shared": of(lambda m, x: m.conv(F.relu(m.conv(x))), conv=conv(8, 3, padding=1)),
    "conv-of-one-pixel": of(lambda m, x: m.conv(x.mean((2, 3), keepdim=True)), conv=conv(6, 1)),
}


def layer_norm_2d(eps=1e-6):
    from torchvision.models.convnext import LayerNorm2d

    return LayerNorm2d(CHANNELS, eps=eps)


def norm_by_hand(m, x):
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    x = (x - mean) / torch.sqrt(variance + 1e-6)
    return m.weight[:, None, None] * x + m.bias[:, None, None]


def batch_norm(**keywords):
    return lambda: nn.BatchNorm2d(CHANNELS, **keywords)


NORMS = {
    "norm-batch": batch_norm(),
    "norm-batch-conv": lambda: nn.Sequential(conv(6, 3, bias=False)(), nn.BatchNorm2d(6)),
    "norm-batch-conv-bias": lambda: nn.Sequential(conv(6, 3)(), nn.BatchNorm2d(6), nn.ReLU()),
    "norm-batch-not-affine": batch_norm(affine=False),
    "norm-batch-eps": batch_norm(eps=1e-3, momentum=0.01),
    "norm-batch-momentum-none": batch_norm(momentum=None),
    "norm-batch-no-statistics": batch_norm(track_running_stats=False),
    "norm-batch-relu-first": lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm2d(8), conv(6, 3, padding=1)()),
    "norm-batch-of-vectors": lambda: nn.Sequential(nn.Flatten(), nn.Linear(960, 16), nn.BatchNorm1d(16), nn.ReLU()),
    "norm-layer-channels-first": layer_norm_2d,
    "norm-layer-by-hand": of(norm_by_hand, weight=learned(8), bias=learned(8)),
    "norm-layer-of-map": lambda: nn.LayerNorm([8, *SIDES]),
    "norm-layer-of-vectors": lambda: nn.Sequential(nn.Flatten(), nn.Linear(960, 16), nn.LayerNorm(16)),
    "norm-layer-not-affine": of(lambda m, x: F.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2)),
    "norm-group": lambda: nn.GroupNorm(4, 8),
    "norm-group-of-one": lambda: nn.GroupNorm(1, 8),
    "norm-instance": lambda: nn.InstanceNorm2d(8, affine=True),
    "norm-instance-not-affine": lambda: nn.InstanceNorm2d(8),
    "norm-local-response": lambda: nn.LocalResponseNorm(3),
    "norm-l2": of(lambda m, x: F.normalize(x, dim=1)),
}
ACTIVATIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky-relu": lambda: nn.LeakyReLU(0.1),
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "gelu-tanh": lambda: nn.GELU(approximate="tanh"),
    "elu": nn.ELU,
    "celu": lambda: nn.CELU(0.5),
    "selu": nn.SELU,
    "mish": nn.Mish,
    "prelu": nn.PReLU,
    "prelu-channels": lambda: nn.PReLU(8),
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "hardtanh": lambda: nn.Hardtanh(-2, 2),
    "clamp-min": of(lambda m, x: x.clamp(min=0)),
    "clamp-both": of(lambda m, x: x.clamp(0, 6)),
    "silu-by-hand": of(lambda m, x: x * torch.sigmoid(x)),
    "hardswish-by-hand": of(lambda m, x: x * F.relu6(x + 3) / 6),
    "hardsigmoid-by-hand": of(lambda m, x: F.relu6(x + 3) / 6),
    "hardswish-of-sigmoid": of(lambda m, x: x * F.hardsigmoid(x)),
    "gelu-by-hand": of(lambda m, x: x * 0.5 * (1 + torch.erf(x / 2**0.5))),
    "gelu-quick": of(lambda m, x: x * torch.sigmoid(1.702 * x)),
    "maximum-zero": of(lambda m, x: torch.maximum(x, torch.zeros(1))),
}
POOLS = {
    "pool-max": lambda: nn.MaxPool2d(2),
    "pool-max-ceil": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "pool-max-ceil-padded": lambda: nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
    "pool-max-padded": lambda: nn.MaxPool2d(3, 2, padding=1),
    "pool-max-same": lambda: nn.MaxPool2d(3, 1, padding=1),
    "pool-max-rectangular": lambda: nn.MaxPool2d((3, 2), (1, 2), padding=(1, 0)),
    "pool-max-dilated": lambda: nn.MaxPool2d(3, 1, dilation=2),
    "pool-avg": lambda: nn.AvgPool2d(2),
    "pool-avg-ceil": lambda: nn.AvgPool2d(3, 2, ceil_mode=True),
    "pool-avg-ceil-padded": lambda: nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
    "pool-avg-ceil-uncounted": lambda: nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False),
    "pool-avg-counted": lambda: nn.AvgPool2d(3, 1, padding=1),
    "pool-avg-uncounted": lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False),
    "pool-avg-rectangular": lambda: nn.AvgPool2d((2, 5), (2, 1), padding=(0, 2)),
    "pool-avg-divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
    "pool-avg-whole": of(lambda m, x: F.avg_pool2d(x, x.shape[2:])),
    "pool-adaptive-1": lambda: nn.AdaptiveAvgPool2d(1),
    "pool-adaptive-half": lambda: nn.AdaptiveAvgPool2d((6, 5)),
    "pool-adaptive-3x5": lambda: nn.AdaptiveAvgPool2d((3, 5)),
    "pool-adaptive-same": lambda: nn.AdaptiveAvgPool2d(SIDES),
    "pool-adaptive-uneven": lambda: nn.AdaptiveAvgPool2d((7, 7)),
    "pool-adaptive-more": lambda: nn.AdaptiveAvgPool2d((14, 14)),
    "pool-adaptive-max-1": lambda: nn.AdaptiveMaxPool2d(1),
    "pool-adaptive-max-3x5": lambda: nn.AdaptiveMaxPool2d((3, 5)),
    "pool-mean": of(lambda m, x: x.mean([2, 3])),
    "pool-mean-kept": of(lambda m, x: x.mean((-2, -1), keepdim=True)),
    "pool-mean-twice": of(lambda m, x: x.mean(3).mean(2)),
    "pool-mean-of-flat": of(lambda m, x: x.flatten(2).mean(-1)),
    "pool-mean-of-channels": of(lambda m, x: x.mean(1, keepdim=True)),
    "pool-amax": of(lambda m, x: x.amax((2, 3))),
    "pool-sum": of(lambda m, x: x.sum((2, 3))),
    "pool-mean-plus-max": of(lambda m, x: F.adaptive_avg_pool2d(x, 1) + F.adaptive_max_pool2d(x, 1)),
}


def shuffled(m, x):
    n, c, h, w = x.size()
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def shuffled_by_constants(m, x):
    return x.reshape(-1, 4, 2, *SIDES).permute(0, 2, 1, 3, 4).reshape(-1, 8, *SIDES)


def squeezed(m, x):
    scale = torch.sigmoid(m.fc2(F.relu(m.fc1(x.mean((2, 3), keepdim=True)))))
    return x * scale


def squeezed_by_linear(m, x):
    n, c, _, _ = x.shape
    scale = torch.sigmoid(m.fc2(F.relu(m.fc1(F.adaptive_avg_pool2d(x, 1).view(n, c)))))
    return x * scale.view(n, c, 1, 1)


def squeezed_by_index(m, x):
    scale = torch.sigmoid(m.fc(x.mean((2, 3))))
    return x * scale[:, :, None, None]


def split_unequally(m, x):
    first, second = torch.split(x, [2, 6], 1)
    return torch.cat([second, F.relu(first)], 1)


def chunked(m, x):
    first, second = x.chunk(2, 1)
    return first * torch.sigmoid(second)


def linear(inputs, outputs, **keywords):
    return lambda: nn.Linear(inputs, outputs, **keywords)


def last_channels(m, x):
    return m.fc2(F.gelu(m.fc1(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


STRUCTURE = {
    "cat": of(lambda m, x: torch.cat([x, F.relu(x)], 1)),
    "cat-three": of(lambda m, x: torch.cat([x, m.conv(x), x], dim=-3), conv=conv(3, 1)),
    "cat-of-vectors": of(lambda m, x: torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)),
    "cat-of-pixels": of(lambda m, x: torch.cat([x, x[:, :, :2]], 2)),
    "split": of(lambda m, x: torch.cat(torch.split(x, 4, 1)[::-1], 1)),
    "split-unequal": of(split_unequally),
    "split-of-rest": of(lambda m, x: torch.cat(torch.split(x, 3, 1)[::-1], 1)),
    "chunk": of(chunked),
    "slice-channels": of(lambda m, x: x[:, 2:7]),
    "slice-channels-end": of(lambda m, x: x[:, -3:]),
    "slice-channels-stride": of(lambda m, x: x[:, ::2]),
    "slice-one-channel": of(lambda m, x: x[:, 3:4] * x),
    "slice-pixels": of(lambda m, x: x[:, :, ::2, ::2]),
    "slice-crop": of(lambda m, x: x[:, :, 1:-1, 2:-1]),
    "select-channels": of(lambda m, x: x[:, [5, 0, 3]]),
    "narrow": of(lambda m, x: x.narrow(1, 1, 4)),
    "flip": of(lambda m, x: x.flip(3)),
    "shuffle": of(shuffled),
    "shuffle-constants": of(shuffled_by_constants),
    "shuffle-module": lambda: nn.ChannelShuffle(4),
    "pixel-shuffle": lambda: nn.PixelShuffle(2),
    "pixel-unshuffle": lambda: nn.PixelUnshuffle(2),
    "upsample-nearest": lambda: nn.Upsample(scale_factor=2),
    "pad-channels": of(lambda m, x: F.pad(x, (0, 0, 0, 0, 2, 3))),
    "pad-channels-by-cat": of(lambda m, x: torch.cat([x, torch.zeros_like(x)], 1)),
    "pad-channels-by-zeros": of(lambda m, x: torch.cat([x, torch.zeros(x.size(0), 4, *SIDES)], 1)),
    "pad-borders": lambda: nn.ZeroPad2d((1, 2, 3, 0)),
    "pad-value": lambda: nn.ConstantPad2d(1, 0.5),
    "pad-negative": of(lambda m, x: F.pad(x, (-1, 0, 1, -2))),
    "pad-reflect": lambda: nn.ReflectionPad2d(2),
    "pad-replicate": lambda: nn.ReplicationPad2d(2),
    "option-a": of(lambda m, x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))),
    "option-a-pool": of(lambda m, x: F.pad(F.avg_pool2d(x, 1, 2), (0, 0, 0, 0, 0, 8))),
    "scale-vector": of(squeezed, fc1=conv(2, 1), fc2=lambda: nn.Conv2d(2, 8, 1)),
    "scale-vector-linear": of(squeezed_by_linear, fc1=linear(8, 2), fc2=linear(2, 8)),
    "scale-vector-index": of(squeezed_by_index, fc=linear(8, 8)),
    "scale-map": of(lambda m, x: x * torch.sigmoid(m.conv(x)), conv=conv(1, 3, padding=1)),
    "scale-channels": of(lambda m, x: m.gamma * x, gamma=learned(8, 1, 1)),
    "scale-channels-4d": of(lambda m, x: x * m.gamma, gamma=learned(1, 8, 1, 1)),
    "scale-channels-view": of(lambda m, x: x * m.gamma.view(1, -1, 1, 1), gamma=learned(8)),
    "scale-learned-scalar": of(lambda m, x: m.gamma * x, gamma=learned(1)),
    "shift-channels": of(lambda m, x: x + m.beta, beta=learned(8, 1, 1)),
    "scale-and-shift": of(lambda m, x: x * m.gamma + m.beta, gamma=learned(1, 8, 1, 1), beta=learned(1, 8, 1, 1)),
    "shift-map": of(lambda m, x: x + m.beta, beta=learned(1, 8, *SIDES)),
    "mul-scalar": of(lambda m, x: x * 0.5),
    "div-scalar": of(lambda m, x: x / 3),
    "add-scalar": of(lambda m, x: x + 1),
    "sub-scalar": of(lambda m, x: x - 0.5),
    "one-minus": of(lambda m, x: 1 - x),
    "negated": of(lambda m, x: -x),
    "square": of(lambda m, x: x**2),
    "sqrt-abs": of(lambda m, x: torch.sqrt(x.abs() + 1)),
    "sum-of-two": of(lambda m, x: m.conv(x) + x, conv=conv(8, 3, padding=1)),
    "sum-of-same": of(lambda m, x: x + x),
    "sum-of-three": of(lambda m, x: sum([m.conv(x), x, F.relu(x)]), conv=conv(8, 3, padding=1)),
    "sum-scaled": of(lambda m, x: torch.add(x, m.conv(x), alpha=0.2), conv=conv(8, 3, padding=1)),
    "sum-stacked": of(lambda m, x: torch.stack([x, m.conv(x)]).sum(0), conv=conv(8, 3, padding=1)),
    "sum-of-vector-and-map": of(lambda m, x: x + x.mean((2, 3), keepdim=True)),
    "difference": of(lambda m, x: m.conv(x) - x, conv=conv(8, 3, padding=1)),
    "product": of(lambda m, x: m.conv(x) * x, conv=conv(8, 3, padding=1)),
    "maximum": of(lambda m, x: torch.maximum(m.conv(x), x), conv=conv(8, 3, padding=1)),
    "flatten": lambda: nn.Flatten(),
    "view": of(lambda m, x: x.view(x.size(0), -1)),
    "view-minus-one": of(lambda m, x: x.view(-1, 8 * 12 * 10)),
    "reshape-count": of(lambda m, x: x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3])),
    "squeeze": of(lambda m, x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)),
    "squeeze-both": of(lambda m, x: F.adaptive_avg_pool2d(x, 1).squeeze((2, 3))),
    "index-zero": of(lambda m, x: F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0]),
    "flatten-channels-last": of(lambda m, x: x.permute(0, 2, 3, 1).flatten(1)),
    "linear-twice": of(lambda m, x: m.fc2(F.relu(m.fc1(x.flatten(1)))), fc1=linear(960, 7), fc2=linear(7, 6)),
    "linear-no-bias": of(lambda m, x: m.fc(x.flatten(1)), fc=linear(960, 7, bias=False)),
    "linear-before-flatten": of(lambda m, x: m.fc(x), fc=linear(10, 6)),
    "linear-channels-last": of(last_channels, fc1=linear(8, 16), fc2=linear(16, 8)),
    "linear-by-matmul": of(lambda m, x: x.flatten(1) @ m.weight + m.bias, weight=learned(960, 7), bias=learned(7)),
    "dropout": lambda: nn.Dropout(0.4),
    "dropout-channels": lambda: nn.Dropout2d(0.4),
    "dropout-alpha": lambda: nn.AlphaDropout(0.4),
    "stochastic-depth": of(
        lambda m, x: x + m.drop(m.conv(x)),
        conv=conv(8, 3, padding=1),
        drop=lambda: torchvision.ops.StochasticDepth(0.3, "row"),
    ),
    "stochastic-depth-batch": of(
        lambda m, x: x + m.drop(m.conv(x)),
        conv=conv(8, 3, padding=1),
        drop=lambda: torchvision.ops.StochasticDepth(0.3, "batch"),
    ),
    "identity": nn.Identity,
    "attention": of(
        lambda m, x: m.mha(*3 * [x.flatten(2).transpose(1, 2)])[0],
        mha=lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    ),
    "lstm": of(lambda m, x: m.lstm(x.flatten(2))[0], lstm=lambda: nn.LSTM(120, 8, batch_first=True)),
    "sort": of(lambda m, x: x.sort(1)[0]),
    "cumsum": of(lambda m, x: x.cumsum(1)),
    "einsum": of(lambda m, x: torch.einsum("nchw,oc->nohw", x, m.weight), weight=learned(6, 8)),
}
# Without the stem: the image itself is what they read.
OF_IMAGES = {
    "image-normalised": of(
        lambda m, x: m.conv((x - m.mean) / m.std),
        conv=lambda: nn.Conv2d(3, 6, 3),
        mean=values(1, 3, 1, 1),
        std=values(1, 3, 1, 1),
    ),
    "image-scaled": of(lambda m, x: m.conv(x / 255), conv=lambda: nn.Conv2d(3, 6, 3)),
    "image-normed": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 6, 3)),
    # As torchvision's Inception and GoogLeNet do with pretrained weights.
    "image-transformed": of(
        lambda m, x: m.conv(torch.cat([x[:, k].unsqueeze(1) * (0.45 + 0.01 * k) + 0.03 * k for k in range(3)], 1)),
        conv=lambda: nn.Conv2d(3, 6, 3),
    ),
    "image-padded": lambda: nn.Sequential(nn.ZeroPad2d(3), nn.Conv2d(3, 6, 7, stride=2)),
    "image-to-grey": of(lambda m, x: m.conv(x.mean(1, keepdim=True)), conv=lambda: nn.Conv2d(1, 6, 3)),
}
LAST = {
    "softmax": lambda: nn.Softmax(1),
    "softmax-last": lambda: nn.Softmax(-1),
    "log-softmax": lambda: nn.LogSoftmax(1),
    "sigmoid-last": nn.Sigmoid,
}
OPERATIONS = {
    **CONVOLUTIONS,
    **NORMS,
    **{f"act-{name}": make for name, make in ACTIVATIONS.items()},
    **POOLS,
    **STRUCTURE,
    **OF_IMAGES,
    **{f"last-{name}": make for name, make in LAST.items()},
}


def build(name):
    """The small network of that operation, in eval mode, with weights that are the same in every run."""
    from zoo import vary_constants

    torch.manual_seed(3)
    operation = OPERATIONS[name]()
    if name in [f"last-{each}" for each in LAST]:
        model = Small(nn.Identity(), last=operation)
    else:
        model = Small(operation, stem=name not in OF_IMAGES)
    with torch.no_grad():
        model.eval()(images(1, 0))
    vary_constants(model)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def images(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, *SIDES, generator=generator)
