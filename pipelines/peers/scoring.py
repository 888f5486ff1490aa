"""Holds the scores that are measured on images to PyTorch's gradients and inputs.

usage: scoring.py BIN

BIN is the folder of our binaries. Exit code 1 if the scores of a layer are further than 1e-4 from PyTorch's in f64 (by
the norm of the difference over the norm). Scores of gradients are compared image by image, and the median of several
counts: where the input of a ReLU is near zero, rounding decides whether it has a gradient, in PyTorch's f32 too.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile

import numpy
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from PIL import Image
from torch import nn

from networks import NETWORKS
from ours import Binaries

NAMES = ("vgg-lab", "resnet18", "efficientnet-b0")
# Without a ReLU: the mean over all images can be compared.
SMOOTH = ("efficientnet-b0",)
LIMIT = 1e-4


def images(ours):
    """A few training images as the networks take them, and their labels: a folder that says itself what is held out."""
    random = numpy.random.default_rng(4)
    pixels = random.integers(0, 256, (10, 32, 32, 3), dtype=numpy.uint8)
    labels = torch.arange(10)
    for part in ("train", "val", "test"):
        for i, label in enumerate(labels.tolist()):
            folder = pathlib.Path(ours.work, "images", part, f"class{label}")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[i]).save(folder / f"{i:02}.png")
    made = ours.json("data-cifar import images --out data")["result"]
    mean, std = (torch.tensor(made[k], dtype=torch.float64).view(1, 3, 1, 1) for k in ("mean", "std"))
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    return ((x - mean) / std).float(), labels


def windows(layer, x):
    """The sum of squares, over images and windows, of what each weight of an output is multiplied with."""
    if isinstance(layer, nn.Linear):
        return x.double().square().sum(0)
    columns = F.unfold(x.double(), layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    rows = columns.square().sum((0, 2)).view(layer.in_channels, *layer.kernel_size)
    # Each output of a group reads the channels of that group.
    groups = rows.view(layer.groups, -1, *layer.kernel_size)
    return groups.repeat_interleave(layer.out_channels // layer.groups, 0)


def settled(model, x):
    """The model with the norm statistics of these images, so that neither values nor gradients vanish."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(x)
    return model.eval()


def expected(model, x, labels):
    """Scores of every convolution and linear layer, by name of the weight."""
    layers = {f"{n}.weight": m for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    inputs = {}
    hooks = [
        m.register_forward_hook(lambda m, args, out, name=name: inputs.update({name: args[0].detach()}))
        for name, m in layers.items()
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    weight = {name: m.weight.detach() for name, m in layers.items()}
    gradients = []
    for image, label in zip(x.split(1), labels.split(1)):
        model.zero_grad()
        F.cross_entropy(model(image), label).backward()
        gradients.append({name: m.weight.grad.clone() for name, m in layers.items()})
    return {
        "taylor": [{n: (weight[n] * g).abs() for n, g in of.items()} for of in gradients],
        "fisher": [{n: weight[n].square() * g.square() / 2 for n, g in of.items()} for of in gradients],
        "wanda": [{n: weight[n].abs() * windows(m, inputs[n]).sqrt() for n, m in layers.items()}],
    }


def distance(found, tensors):
    """The largest of all layers."""
    assert found.keys() == tensors.keys(), found.keys() ^ tensors.keys()
    return max(((found[n].double() - t).norm() / t.norm()).item() for n, t in tensors.items())


def measured(ours, name, score, flags=""):
    out = f"{name}-{score}"
    ours.run(f"scanner scores --checkpoint {name} --data data --score {score} --out {out} --fresh {flags}")
    return load_file(f"{ours.work}/{out}/importance.safetensors")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    options = parser.parse_args()
    far = 0
    with tempfile.TemporaryDirectory() as work:
        ours = Binaries(options.bin, work)
        x, labels = images(ours)
        for name in NAMES:
            torch.manual_seed(3)
            model = settled(NETWORKS[name](), x)
            ours.imported(name, model, "--side 32")
            for score, each in expected(model.double(), x.double(), labels).items():
                if score == "wanda" or name in SMOOTH:
                    each = [{n: sum(one[n] for one in each) / len(each) for n in each[0]}]
                    found = [measured(ours, name, score)]
                else:
                    # A seed chooses one of the images.
                    found = [measured(ours, name, score, f"--images 1 --seed {seed}") for seed in range(1, 6)]
                off = statistics.median(min(distance(own, one) for one in each) for own in found)
                print(f"{'ok      ' if off <= LIMIT else 'FAILED  '}{name}-{score}: {off:.1e}", flush=True)
                far += off > LIMIT
    print(f"{far} scores are not PyTorch's" if far else "every score is PyTorch's")
    sys.exit(far > 0)


if __name__ == "__main__":
    main()
