"""Our side: steps of `models bench`, and packed files of `deployer bench`."""

import functools
import json
import pathlib
import statistics
import subprocess

import torch
from safetensors.torch import save_file

from networks import IMPORTED, SIDES, drawn
from theirs import export, magnitude_masks


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


class Binaries:
    """Our binaries, run in a folder of scratch; `threads` 0 takes one a core."""

    def __init__(self, folder, work, threads=0, timeout=None):
        self.folder, self.work = pathlib.Path(folder).resolve(), pathlib.Path(work)
        self.threads, self.timeout = threads, timeout

    def run(self, line):
        words = line.split()
        command = [f"{self.folder}/{words[0]}", *words[1:], "--threads", str(self.threads)]
        return run(command, cwd=self.work, timeout=self.timeout)

    def imported(self, name, model, flags=""):
        """Takes a PyTorch model over as the network of that name, into a folder of that name."""
        save_file(model.state_dict(), f"{self.work}/{name}.safetensors")
        self.run(f"models import {name}.safetensors --network {name} --out {name} {flags}")

    def json(self, line):
        return json.loads(self.run(f"{line} --json"))


class Steps:
    """A configuration of our `models bench`: steps of training."""

    def __init__(self, folder, network, batch, sparsity, allocation, threads):
        self.command = [f"{folder}/models", "bench", network, "--json", "--work", "train"]
        self.command += ["--batch", str(batch), "--sparsity", str(sparsity)]
        self.command += ["--allocation", allocation, "--threads", str(threads)]
        self.command += ["--side", str(SIDES.get(network, 32))]
        self.seconds = []

    def round(self, steps):
        self.seconds += json.loads(run(self.command + ["--repeat", str(steps)]))["seconds"]

    def median(self):
        return statistics.median(self.seconds)


class Packed:
    """The network as a user of PyTorch would bring it: pruned there, imported and packed here."""

    def __init__(self, folder, scratch, network, batch, form, threads):
        file = packed(folder, scratch, network, form)
        self.command = [f"{folder}/deployer", "bench", file, "--json"]
        self.command += ["--batch", str(batch), "--threads", str(threads)]
        self.seconds, self.dense = [], []

    def round(self, steps):
        (row,) = json.loads(run(self.command + ["--repeat", str(steps)]))
        self.seconds += row["seconds"]
        self.dense += row["dense_seconds"]

    def median(self):
        return statistics.median(self.seconds)


@functools.cache
def dataset(folder, scratch):
    """Images for calibration."""
    out = f"{scratch}/data"
    run([f"{folder}/data-cifar", "synth", "--train", "100", "--test", "10", "--out", out])
    return out


@functools.cache
def packed(folder, scratch, network, form):
    """The packed file of a form."""
    out = f"{scratch}/{'-'.join(map(str, (network, *form)))}.safetensors"
    source = checkpoint(folder, scratch, network, form.structure, form.sparsity)
    pack = [f"{folder}/deployer", "pack", source, "--data", dataset(folder, scratch)]
    if form.precision == "int8":
        # As many images as the peers are calibrated with.
        pack += ["--values", "int8", "--activations", "int8", "--calibration-images", "64"]
    run(pack + ["--out", out])
    return out


@functools.cache
def checkpoint(folder, scratch, network, structure, sparsity):
    """The checkpoint of a pruned network, for all precisions."""
    out = f"{scratch}/{network}-{structure}-{sparsity}"
    model = drawn(network)
    if sparsity:
        for weight, mask in magnitude_masks(model, sparsity, structure):
            weight.data.mul_(mask)
    if network in IMPORTED:
        file, zoo = f"{out}.onnx", []
        pathlib.Path(file).write_bytes(export(network, model))
    else:
        file, zoo = f"{out}.pth", ["--network", network, "--side", str(SIDES.get(network, 32))]
        torch.save(model.state_dict(), file)
    run([f"{folder}/models", "import", file, *zoo, "--out", out])
    return out
