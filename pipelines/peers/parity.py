"""Checks that checkpoints pass between PyTorch and us without a bit lost, and mean the same.

usage: parity.py BIN [--work DIR] [--only WORD]

BIN is the folder of our binaries. Every network is saved by PyTorch in every form that users have,
imported, exported and loaded back with strict=True (the three largest in two forms); logits are
compared on rendered images; and a network trained here for two epochs is evaluated there. Exit code 1 if anything differs.
"""

import argparse
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import parametrize, prune

from networks import NETWORKS, SIDES
from ours import Binaries

TOLERANCE = 1e-4
failed = []


def check(holds, text):
    print(("ok      " if holds else "FAILED  ") + text, flush=True)
    if not holds:
        failed.append(text)


def random_network(name):
    """Random weights, and norm statistics that are not those of a fresh network."""
    torch.manual_seed(1)
    model = NETWORKS[name]().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model


def mapped(state, change):
    return {k: change(v) if v.is_floating_point() else v for k, v in state.items()}


def ways(model):
    """(name of the way, what writes the file, what should come back)."""
    state = model.state_dict()
    save = torch.save
    prefixed = lambda prefix: {prefix + k: v for k, v in state.items()}  # noqa: E731
    yield "zip", lambda f: save(state, f), state
    yield "legacy", lambda f: save(state, f, _use_new_zipfile_serialization=False), state
    yield "safetensors", lambda f: save_file(mapped(state, lambda v: v.contiguous()), f), state
    for key in ("state_dict", "model", "net"):
        beside = {key: state, "epoch": 3, "best": 0.5, "optimizer": {"state": {}, "lr": 0.1}}
        yield f"under {key}", lambda f, beside=beside: save(beside, f), state
    yield "DataParallel", lambda f: save(prefixed("module."), f), state
    yield "torch.compile", lambda f: save(prefixed("_orig_mod."), f), state
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        other = mapped(state, lambda v: v.to(dtype))
        back = mapped(other, lambda v: v.float())
        yield str(dtype), lambda f, other=other: save(other, f), back
    yield "Lightning", lambda f: save({"state_dict": prefixed("model."), "loops": {}, "epoch": 3}, f), state
    for wrapper in ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"):
        inside = {k.replace(".", f".{wrapper}.", 1): v for k, v in state.items()}
        yield f"{wrapper} inside", lambda f, inside=inside: save(inside, f), state
    # Sums of one value each: nothing is rounded.
    sparse = mapped(state, lambda v: v.to_sparse() if v.dim() > 1 else v)
    yield "sparse COO", lambda f: save(sparse, f), mapped(state, lambda v: v + 0.0)
    rows = mapped(state, lambda v: v.to_sparse_csr() if v.dim() == 2 else v)
    yield "sparse CSR", lambda f: save(rows, f), mapped(state, lambda v: v + 0.0)
    last = mapped(state, lambda v: v.to(memory_format=torch.channels_last) if v.dim() == 4 else v)
    yield "channels last", lambda f: save(last, f), state


def pruned(model):
    """The same network under torch's own pruning, and the state_dict after prune.remove."""
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    pairs = [(m, "weight") for m in layers]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.8)
    saved = {k: v.clone() for k, v in model.state_dict().items()}
    for module, name in pairs:
        prune.remove(module, name)
    # torch leaves -0.0 of negative weights; ours are +0.0.
    return saved, mapped(model.state_dict(), lambda v: v + 0.0)


class Masking(nn.Module):
    """A parametrisation that multiplies by a mask."""

    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight * self.mask


def masked(model):
    """(name of the layout, what to save, what to save as --masks) of one network under one mask."""
    torch.manual_seed(2)
    state = model.state_dict()
    masks = {k: torch.rand(v.shape) < 0.5 for k, v in state.items() if v.dim() > 1}
    expected = {k: v * masks[k] + 0.0 if k in masks else v for k, v in state.items()}
    beside = {f"{k}_mask": m.to(t) for (k, m), t in zip(masks.items(), 99 * DTYPES)}
    yield "masks beside the weights", state | beside, None, expected
    short = {k.removesuffix("weight") + "mask": m for k, m in masks.items()}
    yield "masks as buffers", state | short, None, expected
    yield "masks in a file", state, masks, expected
    yield "masks in a file, NAME_mask", state, beside, expected
    wrapped = {k: v for k, v in state.items() if k not in masks}
    for k, m in masks.items():
        module = k.removesuffix(".weight")
        wrapped |= {f"{module}.parametrizations.weight.original": state[k]}
        wrapped |= {f"{module}.parametrizations.weight.0.mask": m}
    yield "masks in parametrisations", wrapped, None, expected


DTYPES = (torch.bool, torch.uint8, torch.int64, torch.float32)


def masks_come_in(ours, model, network):
    for layout, state, masks, expected in masked(model):
        torch.save(state, ours.work / "saved.pth")
        flags = ""
        if masks is not None:
            torch.save(masks, ours.work / "masks.pth")
            flags = "--masks masks.pth"
        found = ours.round_trip("saved.pth", network, flags=flags)
        check(same(found, expected), f"{network}: {layout}: every bit comes back")
    # What PyTorch itself makes of a parametrisation and saves.
    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", Masking(torch.ones(4, 4)))
    names = set(layer.state_dict())
    check({"parametrizations.weight.original", "parametrizations.weight.0.mask"} <= names,
          "PyTorch's names of a parametrisation are those above")


def torchvisions(ours, model):
    """torchvision's names of a ResNet-18, in and out."""
    change = lambda k: k.replace("shortcut", "downsample").replace("linear", "fc")  # noqa: E731
    state = {change(k): v for k, v in model.state_dict().items()}
    torch.save(state, ours.work / "saved.pth")
    ours.run("models import saved.pth --network resnet18 --out taken --fresh -q")
    ours.run("models export taken --out back.safetensors --names torchvision --fresh")
    found = load_file(ours.work / "back.safetensors")
    check(same(found, state), "resnet18: torchvision's names: every bit comes back under them")
    try:
        from torchvision.models import resnet18
    except ImportError:
        return
    theirs = resnet18(num_classes=10)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    # With strict=True this raises where a name or a shape is not torchvision's.
    theirs.load_state_dict(found, strict=True)
    check(True, "resnet18: torchvision loads it with strict=True")


class Ours(Binaries):
    """Our binaries, and what becomes of a file on its way through them."""

    def round_trip(self, file, network, side=None, flags=""):
        """What import and export leave of `file`."""
        side = f"--side {side or SIDES.get(network, 32)}"
        self.run(f"models import {file} --network {network} {side} {flags} --out taken --fresh -q")
        self.run("models export taken --out back.safetensors --fresh")
        return load_file(self.work / "back.safetensors")


def same(found, expected):
    counted = {k: v for k, v in expected.items() if not k.endswith("num_batches_tracked")}
    if found.keys() != counted.keys():
        return False
    bits = lambda t: t.contiguous().view(torch.int32)  # noqa: E731
    return all(torch.equal(bits(found[k]), bits(v)) for k, v in counted.items())


def normalised(folder, statistics):
    """The test images of the dataset in `folder`, normalised by its mean and deviation."""
    tensors = load_file(folder / "dataset.safetensors")
    mean, std = (torch.tensor(statistics[k]).view(1, -1, 1, 1).float() for k in ("mean", "std"))
    return (tensors["test.images"].float() / 255 - mean) / std


def test_images(ours):
    made = ours.json("data-cifar synth --out data -q")
    return normalised(ours.work / "data", made["result"])


def logits_differ(ours, model, images):
    """How far our logits of the imported network are from PyTorch's, over their norm."""
    ours.run("models predict taken --data data --part test --out logits.safetensors --fresh -q")
    found = load_file(ours.work / "logits.safetensors")["logits"].double()
    with torch.no_grad():
        expected = torch.cat([model(p) for p in images.split(64)]).double()
    return ((found - expected).norm() / expected.norm()).item()


def networks(ours, images, only):
    for network in NETWORKS:
        if only not in network:
            continue
        model = random_network(network)
        big = network in ("vgg16", "net10", "resnet-like")
        for way, write, expected in ways(model):
            if big and way not in ("zip", "safetensors"):
                continue
            file = ours.work / f"saved.{'safetensors' if way == 'safetensors' else 'pth'}"
            write(file)
            found = ours.round_trip(file.name, network)
            check(same(found, expected), f"{network}: {way}: every bit comes back")
            if way == "zip":
                # With strict=True this raises where a name or a shape is not the network's.
                NETWORKS[network]().load_state_dict(found, strict=True)
                off = onnx_differs(ours, model, SIDES.get(network, 32))
                check(off <= TOLERANCE, f"{network}: logits of the ONNX file differ by {off:.1e}")
                # Of images as they are: resizing rounds to whole grey levels.
                ours.round_trip(file.name, network, 32)
                off = logits_differ(ours, model, images)
                check(off <= TOLERANCE, f"{network}: logits differ by {off:.1e}")
        if not big:
            saved, expected = pruned(model)
            torch.save(saved, ours.work / "saved.pth")
            found = ours.round_trip("saved.pth", network)
            check(same(found, expected), f"{network}: torch.nn.utils.prune's pairs become zeros")
            masks_come_in(ours, random_network(network), network)
        if network == "resnet18":
            torchvisions(ours, random_network(network))


def onnx_differs(ours, model, side):
    """How far ONNX Runtime's logits of the exported file are from PyTorch's."""
    import onnxruntime

    ours.run("models export taken --out net.onnx --data data --fresh")
    session = onnxruntime.InferenceSession(
        ours.work / "net.onnx", providers=["CPUExecutionProvider"]
    )
    x = torch.randn(3, 3, side, side)
    found = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
    with torch.no_grad():
        expected = model(x)
    return ((found - expected).norm() / expected.norm()).item()


def trained_here(ours, images):
    ours.run("trainer --data data --network resnet18 --epochs 2 --out dense -q")
    ours.run("models export dense --out back.safetensors --fresh")
    model = NETWORKS["resnet18"]().eval()
    model.load_state_dict(load_file(ours.work / "back.safetensors"), strict=True)
    ours.run("models predict dense --data data --out logits.safetensors --fresh -q")
    found = load_file(ours.work / "logits.safetensors")
    with torch.no_grad():
        expected = torch.cat([model(p) for p in images.split(64)])
    agree = (found["logits"].argmax(1) == expected.argmax(1)).double().mean().item()
    ours_right, theirs_right = (
        (logits.argmax(1) == found["labels"].long()).double().mean().item()
        for logits in (found["logits"], expected)
    )
    text = f"trained here: accuracy {ours_right:.4f} here, {theirs_right:.4f} there"
    check(agree >= 0.999 and abs(ours_right - theirs_right) <= 0.001, f"{text}, {agree:.4f} alike")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--work", help="a folder for the files (default: a temporary one)")
    parser.add_argument("--only", default="", help="networks whose name holds this word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        ours = Ours(options.binaries, options.work or scratch)
        images = test_images(ours)
        networks(ours, images, options.only)
        if options.only in "trained":
            trained_here(ours, images)
    sys.exit(f"{len(failed)} checks failed" if failed else 0)


if __name__ == "__main__":
    main()
