"""Our side: the binaries of a folder, what they print as JSON."""

import json
import os
import pathlib
import subprocess

import torch

from budget import OutOfTime


class Binaries:
    """Our programs, on one device, at one precision."""

    def __init__(self, folder, device, precision, budget):
        self.folder, self.budget = pathlib.Path(folder).resolve(), budget
        self.device = device
        # The processor computes in f32 and takes no other precision.
        self.where = ["--device", device]
        self.where += ["--precision", precision] if device != "cpu" else []
        self.environment = environment()

    def has(self, name):
        return (self.folder / name).is_file()

    def run(self, name, *words, accepted=(0,), seconds=None, kernels=None):
        """What the program prints. Raises an error with its last words, and `OutOfTime`."""
        more = {"SECATEUR_KERNELS": kernels} if kernels else {}
        command = [self.folder / name, *map(str, words)]
        left = self.budget.left() if seconds is None else min(seconds, self.budget.left())
        if left <= 0:
            raise OutOfTime
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=left,
                env=self.environment | more,
            )
        except subprocess.TimeoutExpired:
            raise OutOfTime from None
        if done.returncode not in accepted:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            how = ("exit code", "signal")[done.returncode < 0]
            raise RuntimeError(f"{name}: {how} {abs(done.returncode)}: {said[-1]}")
        return done.stdout

    def json(self, name, *words, **options):
        return json.loads(self.run(name, *words, "--json", "-q", **options))

    def bench(self, network, *words):
        """A line of `models bench`."""
        return self.json("models", "bench", network, *words, *self.where)

    def steps(self, network, side, batch, repeat):
        """Seconds of each of `repeat` training steps."""
        words = ["--work", "train", "--batch", batch, "--side", side, "--repeat", repeat]
        return self.bench(network, *words)["seconds"]

    def layers(self, network, batch, repeat):
        """(operation, *shape) to milliseconds: forward, and backward once or as its two gradients.

        Of a convolution the shape is (channels, height, width, outputs, kernel, stride).
        """
        rows = self.bench(network, "--layers", "--batch", batch, "--repeat", repeat)
        if not all("shape" in row and "milliseconds" in row for row in rows):
            raise RuntimeError("models bench --layers of these binaries tells no milliseconds")
        return {(row.get("op", "conv"), *row["shape"][:6]): row["milliseconds"] for row in rows}

    def conformance(self, precision):
        """The cases of one precision; beyond tolerance is an answer, with exit code 1."""
        words = ["conformance", "--precision", precision]
        (row,) = self.json("models", *words, accepted=(0, 1))
        return row["cases"]


def environment():
    """Ours, in which the binaries find the CUDA libraries that came with this PyTorch."""
    libraries = pathlib.Path(torch.__file__).resolve().parent.parent / "nvidia"
    found = {"SECATEUR_CUDA": str(libraries)} if libraries.is_dir() else {}
    return found | os.environ
