"""PyTorch's training of the same recipe on the same images, which lie on the device as bytes."""

import copy
import json
import pathlib
import re
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from networks import NETWORKS
from pytorch import descent

# Black pixels around an image before the crop.
BORDER = 4


@dataclass(frozen=True)
class Recipe:
    """SGD under one cycle of the learning rate, random crops and flips."""

    network: str = "resnet18"
    batch: int = 512
    lr: float = 0.2

    def flags(self, epochs):
        """The recipe for our trainer, in full: what its defaults become is nothing to us."""
        return (
            f"--network {self.network} --batch {self.batch} --epochs {epochs} --lr {self.lr} "
            "--optimiser sgd --momentum 0.9 --weight-decay 5e-4 --label-smoothing 0 "
            "--schedule one-cycle --pct-start 0.3 --div-factor 25 --final-div-factor 10000 "
            f"--crop-padding {BORDER}"
        ).split()

    def schedule(self, optimiser, steps):
        """PyTorch's, with its defaults, which are those above."""
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, self.lr, total_steps=steps)


class Images:
    """A dataset of data-cifar's on the device: training, validation and test images."""

    def __init__(self, folder, device):
        folder = pathlib.Path(folder)
        manifest = (folder / "manifest.yaml").read_text()
        tensors = read(folder / "dataset.safetensors", device)
        self.mean, self.std = (
            torch.tensor(numbers(manifest, name), device=device).view(1, 3, 1, 1)
            for name in ("mean", "std")
        )
        self.test = tensors["test.images"], tensors["test.labels"].long()
        images, labels = tensors["train.images"], tensors["train.labels"].long()
        held = int(len(labels) * numbers(manifest, "validation")[-1] + 0.5)
        # As many as ours holds out, if not the same ones.
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(42))
        order = order.to(device)
        self.validation = images[order[:held]], labels[order[:held]]
        border = [BORDER] * 4
        self.train = F.pad(images[order[held:]], border), labels[order[held:]]

    def normalise(self, bytes_):
        values = (bytes_.float() / 255 - self.mean) / self.std
        return values.contiguous(memory_format=torch.channels_last)

    def augmented(self, picked):
        """A batch of the training images `picked`: a random crop of each, half of them flipped."""
        images, labels = self.train
        side, device = images.shape[-1] - 2 * BORDER, images.device
        along = torch.arange(side, device=device)
        y, x = torch.randint(2 * BORDER + 1, (2, len(picked), 1), device=device)
        flip = torch.rand(len(picked), 1, device=device) < 0.5
        rows, columns = y + along, x + torch.where(flip, along.flip(0), along)
        # Two lists around a whole dimension: it comes last, which is channels_last already.
        crop = images[picked[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return self.normalise(crop.permute(0, 3, 1, 2)), labels[picked]


def numbers(manifest, name):
    """The last value or list of values under `name`; manifests are written by one program."""
    found = re.findall(rf"^  {name}: *(.*(?:\n  - .*)*)$", manifest, re.MULTILINE)
    if not found:
        raise ValueError(f"manifest.yaml has no {name}")
    return [float(word) for word in found[-1].split() if word != "-"]


def read(path, device):
    """The u8 tensors of a safetensors file."""
    raw = bytearray(path.read_bytes())
    begin = 8 + int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8:begin])
    entries.pop("__metadata__", None)
    tensors = {}
    for name, entry in entries.items():
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(raw, dtype=torch.uint8, count=end - start, offset=begin + start)
        tensors[name] = flat.view(entry["shape"]).to(device)
    return tensors


class Training:
    """PyTorch's run: the epoch of the best validation accuracy is kept, as ours keeps it."""

    def __init__(self, recipe, images, setting, epochs):
        torch.manual_seed(0)
        self.recipe, self.images, self.setting, self.epochs = recipe, images, setting, epochs
        model = NETWORKS[recipe.network]()
        self.model = model.to(setting.device, memory_format=torch.channels_last)
        self.optimiser = descent(self.model, recipe.lr)
        self.count = len(images.train[1])
        steps = epochs * -(-self.count // recipe.batch)
        self.schedule = recipe.schedule(self.optimiser, steps)

    def run(self):
        seconds, best, kept = [], -1.0, None
        for _ in range(self.epochs):
            start = time.perf_counter()
            loss = self.epoch()
            seconds.append(time.perf_counter() - start)
            accuracy = self.accuracy(self.images.validation)
            if accuracy > best:
                best, kept = accuracy, copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(kept)
        test = self.accuracy(self.images.test)
        return {"test_accuracy": test, "epoch_seconds": seconds, "train_loss": loss}

    def epoch(self):
        """Trains on every image once; the mean loss, whose reading waits for the device."""
        self.model.train()
        total = torch.zeros((), device=self.setting.device)
        order = torch.randperm(self.count, device=self.setting.device)
        for picked in order.split(self.recipe.batch):
            x, y = self.images.augmented(picked)
            self.optimiser.zero_grad(set_to_none=True)
            with self.setting.autocast():
                loss = F.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            total += loss.detach() * len(picked)
        return total.item() / self.count

    @torch.no_grad()
    def accuracy(self, part):
        self.model.eval()
        right = torch.zeros((), device=self.setting.device)
        for x, y in zip(*(tensor.split(1000) for tensor in part)):
            with self.setting.autocast():
                logits = self.model(self.images.normalise(x))
            right += (logits.argmax(1) == y).sum()
        return right.item() / len(part[1])
