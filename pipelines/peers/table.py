"""Takes every network of the zoo through all of our stages, from two ONNX files to one, and writes a table.

usage: table.py BIN NETS [--out DIR] [--only WORD] [--threads N] [--timeout SECONDS] [--fresh]

BIN is the folder of our binaries, NETS the folder that export.py has filled. Each network is imported from the files
of both exporters and held to PyTorch's logits; held to PyTorch's loss and gradients in train mode, where norms were
kept; trained for an epoch on rendered images; pruned to 80 %; packed, verified and timed; exported, and run by ONNX
Runtime. DIR/rows.jsonl (NETS/table unless given) gets a line a network and DIR/table.md the table. A network that
has passed there already, with the same files, binaries and versions, is not run again without --fresh. Exit
code 1 if anything failed.
"""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
import torchvision
from safetensors.numpy import load_file

import zoo
from dense import processor
from export import distance
from export import run as by_onnxruntime
from ours import Binaries
from parity import TOLERANCE, normalised

FORMS = ("torchscript", "dynamo")
STAGES = ("data-cifar", "models", "trainer", "pruner", "deployer")
# Of each layer: of all together random weights can lose a whole layer, and the answers with it.
PRUNING = "--sparsity 0.8 --allocation uniform"
# The networks are as random as zoo.py makes them, and steep: steps along the gradient would have to be tiny.
TRAINING = "--epochs 1 --batch 8 --optimiser adamw"
# The first with which the loss falls is taken: large linear layers take smaller steps.
RATES = ("0.0003", "0.0001", "0.00003", "0.00001")
# Images for training and for test: of 32 pixels, and enlarged for networks that take larger ones.
SMALL, LARGE = (512, 32), (64, 16)


class Failed(Exception):
    """A step that did not do what it should; the steps behind it are left out."""


class Passage:
    """A network on its way through the stages; `row` is what is known of it."""

    def __init__(self, name, nets, binaries, dataset):
        self.name, self.nets, self.binaries = name, nets, binaries
        self.data, self.statistics = dataset
        self.row = {"network": name}

    def file(self, ending):
        return self.nets / f"{self.name}.{ending}"

    def tell(self, step, text):
        print(f"{self.name:20} {step:8} {text}", flush=True)

    def hold(self, holds, text):
        if not holds:
            raise Failed(text)

    def run(self):
        for step in (self.imported, self.golden, self.trained, self.pruned, self.packed, self.exported):
            start = time.monotonic()
            try:
                text = step()
            # The last two: output that is not what this script expects.
            except (Failed, SystemExit, subprocess.TimeoutExpired, ValueError, StopIteration) as error:
                self.row["failed"] = f"{step.__name__}: {error}"
                self.tell("FAILED", self.row["failed"])
                return self.row
            self.tell(step.__name__, f"{text} ({time.monotonic() - start:.0f} s)")
        return self.row

    def imported(self):
        self.row["logits"] = {}
        made = {}
        for form in FORMS:
            made[form] = self.binaries.json(
                f"models import {self.file(form)}.onnx --against {self.file('npz')} --out {form} -q"
            )
            note = next(n for n in made[form]["result"]["notes"] if n.startswith("logits differ"))
            self.row["logits"][form] = float(note.rsplit(" ", 1)[1])
        self.row["parameters"] = made["torchscript"]["result"]["sparsity"]["parameters"]
        return ", ".join(f"{form} {off:.1e}" for form, off in self.row["logits"].items())

    def golden(self):
        graph = self.binaries.run("models show torchscript")
        (self.binaries.work / "net.net").write_text(graph)
        self.row["train"] = {}
        # The dynamo exporter folds batch norms: what is left of such a network trains otherwise.
        for form in FORMS[: 1 if "= batch-norm(" in graph else 2]:
            numbers = self.binaries.json(
                f"models golden {self.file('train.json')} --checkpoint {form} --images {self.file('npz')}"
            )
            found = {number["what"]: number["found"] for number in numbers}
            largest = lambda kind: max(off for what, off in found.items() if what.startswith(kind))  # noqa: E731
            self.row["train"][form] = {
                "loss": found["loss"],
                "gradients": largest("gradient of"),
                "steps": largest("loss after"),
            }
        return "; ".join(
            ", ".join((form, *(f"{what} {off:.1e}" for what, off in found.items())))
            for form, found in self.row["train"].items()
        )

    def trained(self):
        for rate in RATES:
            try:
                self.binaries.run(
                    f"trainer --data {self.data} --network net.net --init-from torchscript --out trained --fresh "
                    f"{TRAINING} --lr {rate} -q"
                )
                scores = self.binaries.json(
                    f"models eval torchscript trained --data {self.data} --recalibration-images {SMALL[0]}"
                )
            except SystemExit as error:
                # It may have diverged: try a lower rate, and report this error if none does better.
                outcome = str(error)
                continue
            before, after = (score["scores"]["validation"]["loss"] for score in scores)
            outcome = f"the loss went from {before:.3f} to {after:.3f}"
            self.row |= {"epoch": [before, after], "rate": rate}
            if after < before:
                return f"loss {before:.3f} to {after:.3f} at a rate of {rate}"
        raise Failed(f"no learning rate lowered the loss; the last one, {rate}: {outcome}")

    def pruned(self):
        made = self.binaries.json(f"pruner --checkpoint trained {PRUNING} --out pruned -q")
        counted = made["result"]["sparsity"]
        return f"{counted['pruned']:,} of {counted['prunable']:,} weights"

    def packed(self):
        file = "packed.safetensors"
        made = self.binaries.json(f"deployer pack pruned --out {file} -q")
        self.row["bytes"] = {"packed": made["bytes"], "dense": made["dense_bytes"]}
        # It exits with an error if any answer differs.
        self.binaries.run(f"deployer verify {file} --against pruned --data {self.data} -q")
        (timed,) = self.binaries.json(f"deployer bench {file} --batch 16 -q")
        self.row["ms"] = {"sparse": timed["milliseconds"], "dense": timed["dense_milliseconds"]}
        return (
            f"{made['bytes']:,} of {made['dense_bytes']:,} bytes, {timed['milliseconds']:.2f} ms an image, "
            f"dense {timed['dense_milliseconds']:.2f} ms"
        )

    def exported(self):
        self.binaries.run("models export pruned --out pruned.onnx")
        self.binaries.run(f"models predict pruned --data {self.data} --out logits.safetensors -q")
        images = normalised(self.data, self.statistics).numpy()
        found = load_file(self.binaries.work / "logits.safetensors")["logits"]
        off = distance(by_onnxruntime(self.binaries.work / "pruned.onnx", images), found)
        self.row["onnxruntime"] = off
        self.hold(off <= TOLERANCE, f"ONNX Runtime's logits of the exported file differ by {off:.1e}")
        return f"ONNX Runtime's logits differ by {off:.1e}"


class Datasets:
    """Rendered images in the sizes that networks take, each made once."""

    def __init__(self, binaries):
        self.binaries, self.tensors, self.made = binaries, None, {}

    def rendered(self):
        """The tensors of the built-in set."""
        self.binaries.run("data-cifar synth --train {} --test {} --out rendered -q".format(*SMALL))
        return load_file(self.binaries.work / "rendered/dataset.safetensors")

    def of(self, side):
        """(folder, mean and deviation of each channel)."""
        if side not in self.made:
            self.tensors = self.tensors or self.rendered()
            images, folder = f"images-{side}.npz", self.binaries.work / f"data-{side}"
            np.savez(self.binaries.work / images, **self.arrays(side))
            made = self.binaries.json(f"data-cifar import {images} --out {folder} -q")
            self.made[side] = folder, made["result"]
        return self.made[side]

    def arrays(self, side):
        """Enlarged here and not by the stages: then the images that ONNX Runtime is shown are ours to the bit."""
        arrays = {}
        for part, count in zip(("train", "test"), SMALL if side == 32 else LARGE):
            images = torch.from_numpy(self.tensors[f"{part}.images"][:count]).float()
            images = F.interpolate(images, side, mode="bilinear", align_corners=False).round().byte()
            arrays[f"x_{part}"] = images.permute(0, 2, 3, 1).numpy()
            arrays[f"y_{part}"] = self.tensors[f"{part}.labels"][:count]
        # Validation is on the training images: the loss on so few others would say little.
        return arrays | {"x_val": arrays["x_train"], "y_val": arrays["y_train"]}


def digest(files):
    """One digest of several files, in order."""
    total = hashlib.sha256()
    for file in files:
        with open(file, "rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def identity(name, nets, binaries, threads):
    """What a row follows from."""
    inputs = [nets / f"{name}.{form}.onnx" for form in FORMS]
    inputs += sorted(nets.glob(f"{name}.{FORMS[1]}.onnx.data"))
    inputs += [nets / f"{name}.npz", nets / f"{name}.train.json"]
    found = {
        "inputs": digest(inputs),
        "binaries": digest(binaries.folder / stage for stage in STAGES),
        "versions": [torch.__version__, torchvision.__version__, onnxruntime.__version__],
        "settings": [TRAINING, RATES, PRUNING, SMALL, LARGE],
        "machine": [processor(), threads],
    }
    # As it is read back: with lists for tuples.
    return json.loads(json.dumps(found))


def power(value):
    """As 1.2e-7."""
    return f"{value:.1e}".replace("e-0", "e-") if value else "0"


def worst(row, what):
    """The larger difference, where both forms train."""
    return power(max(form[what] for form in row["train"].values()))


COLUMNS = {
    "network": lambda row: row["network"],
    "parameters": lambda row: f"{row['parameters']:,}",
    "TorchScript": lambda row: power(row["logits"]["torchscript"]),
    "dynamo": lambda row: power(row["logits"]["dynamo"]),
    "loss": lambda row: worst(row, "loss"),
    "gradients": lambda row: worst(row, "gradients"),
    "steps": lambda row: worst(row, "steps"),
    "rate": lambda row: power(float(row["rate"])),
    "one epoch": lambda row: "{:.2f} to {:.2f}".format(*row["epoch"]),
    "packed": lambda row: f"{row['bytes']['packed']:,} of {row['bytes']['dense']:,}",
    "ms": lambda row: f"{row['ms']['sparse']:.2f} of {row['ms']['dense']:.2f}",
    "ONNX Runtime": lambda row: power(row["onnxruntime"]),
}


def table(rows, threads):
    """The lines of table.md."""
    where = processor()
    yield (
        f"{where['name']} (family {where['family']}, model {where['model']}); torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, ONNX Runtime {onnxruntime.__version__}; "
        f"milliseconds an image at batch 16, {threads or 'all'} threads"
    )
    yield ""
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|---" * len(COLUMNS) + "|"
    for row in rows:
        if "failed" in row:
            yield f"| {row['network']} | {row['failed']} |"
        else:
            yield "| " + " | ".join(cell(row) for cell in COLUMNS.values()) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("nets", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="folder of the rows and the table (default: NETS/table)")
    parser.add_argument("--only", default="", help="networks whose name holds this word")
    parser.add_argument("--threads", type=int, default=0, help="of our binaries; 0 takes one a core")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds that a command may take")
    parser.add_argument("--fresh", action="store_true", help="run networks again whose rows are there")
    options = parser.parse_args()
    nets, out = options.nets.resolve(), options.out or options.nets / "table"
    out.mkdir(parents=True, exist_ok=True)
    file = out / "rows.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    rows = {row["network"]: row for row in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        settings = {"threads": options.threads, "timeout": options.timeout}
        datasets = Datasets(Binaries(options.binaries, scratch, **settings))
        for name in zoo.NAMES:
            if options.only not in name:
                continue
            binaries = Binaries(options.binaries, scratch / name, **settings)
            of = identity(name, nets, binaries, options.threads)
            row = rows.get(name, {})
            if row.get("of") == of and "failed" not in row and not options.fresh:
                print(f"{name:20} is there")
                continue
            dataset = datasets.of(zoo.side(name))
            binaries.work.mkdir()
            rows[name] = Passage(name, nets, binaries, dataset).run() | {"of": of}
            shutil.rmtree(binaries.work)
            # After each network, so that a run that is stopped leaves what it has found.
            found = [rows[name] for name in zoo.NAMES if name in rows]
            file.write_text("".join(json.dumps(row) + "\n" for row in found))
            (out / "table.md").write_text("\n".join(table(found, options.threads)) + "\n")
    failed = [row["network"] for row in rows.values() if "failed" in row]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
