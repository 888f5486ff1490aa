"""Our side: steps of `models bench`, and packed files of `deployer bench`."""

import json
import os
import pathlib
import statistics
import subprocess

import torch

from networks import NETWORKS, SIDES
from theirs import magnitude_masks


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
    """The network as a user of PyTorch would bring it: pruned there, its state_dict imported and
    packed here."""

    def __init__(self, folder, scratch, network, batch, sparsity, allocation, threads):
        self.file = f"{scratch}/{network}-{sparsity}-{allocation}.safetensors"
        if not os.path.exists(self.file):
            pack(folder, scratch, network, sparsity, allocation, self.file)
        self.command = [f"{folder}/deployer", "bench", self.file, "--json"]
        self.command += ["--batch", str(batch), "--threads", str(threads)]
        self.seconds, self.dense = [], []

    def round(self, steps):
        (row,) = json.loads(run(self.command + ["--repeat", str(steps)]))
        self.seconds += row["seconds"]
        self.dense += row["dense_seconds"]

    def median(self):
        return statistics.median(self.seconds)


def pack(folder, scratch, network, sparsity, allocation, file):
    torch.manual_seed(0)
    state = NETWORKS[network]()
    if sparsity:
        for weight, mask in magnitude_masks(state, sparsity, allocation):
            weight.data.mul_(mask)
    named = f"{scratch}/{network}.pth"
    torch.save(state.state_dict(), named)
    data, checkpoint = f"{scratch}/data", f"{file}.checkpoint"
    if not os.path.exists(data):
        run([f"{folder}/data-cifar", "synth", "--train", "100", "--test", "10", "--out", data])
    side = str(SIDES.get(network, 32))
    models = [f"{folder}/models", "import", named, "--network", network, "--side", side]
    run(models + ["--out", checkpoint])
    run([f"{folder}/deployer", "pack", checkpoint, "--data", data, "--out", file])
