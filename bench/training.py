"""A training to its end by both; our first losses on a GPU beside the processor's."""

import json
import statistics
import tempfile
import time

from budget import tell
from recipe import Images, Recipe, Training

# Of the check of the losses: steps, what the GPU may be off by, the learning rate.
STEPS, TOLERANCE, RATE = 50, 1e-3, 1e-4
# Of 71 images 7 are held out, so that an epoch is one step of a batch of 64 and has its own loss.
SYNTHETIC = ["--train", "71", "--test", "10", "--validation", "0.1"]
CONSTANT = (
    f"--network resnet18 --batch 64 --lr {RATE} --schedule constant --optimiser sgd "
    "--momentum 0.9 --weight-decay 5e-4"
).split()
# Seconds that the end of a run may need, and how far an epoch's time is trusted.
RESERVE, TRUST = 5, 0.9


class Trainings:
    """The part's checks; `save` takes what is known after each."""

    def __init__(self, ours, setting, budget, save):
        self.ours, self.setting, self.budget, self.save = ours, setting, budget, save
        self.recipe, self.found = Recipe(), {"notes": {}}
        self.limit = 0.0

    def run(self, data, epochs):
        with tempfile.TemporaryDirectory() as scratch:
            self.scratch = scratch
            self.attempt("curve", "first losses, processor and GPU", self.curve, 0.3)
            if "curve" in self.found:
                words = "first losses, processor without Winograd"
                self.attempt("control", words, self.control, 0.2)
            if data is None:
                why = "not measured (no --data was given)"
                self.found["notes"] |= {"ours": why, "eager": why}
            else:
                self.whole(data, epochs)
            self.save(self.found)

    def whole(self, data, most):
        """One epoch of each, and then as many as fit."""
        works, first = {"ours": lambda epochs: self.mine(data, epochs)}, {}
        works["eager"] = lambda epochs: self.theirs(data, epochs)
        for name, work in works.items():
            start = time.monotonic()
            if self.attempt(name, f"one epoch: {name}", lambda work=work: work(1), 0.3):
                first[name] = (time.monotonic() - start, self.found[name]["epoch_seconds"][0])
        epochs = self.affordable(first, most)
        self.found["recipe"] = self.recipe.flags(epochs)
        needs = {name: run + (epochs - 1) * epoch for name, (run, epoch) in first.items()}
        for name in first if epochs > 1 else ():
            share = needs[name] / sum(needs.values())
            self.attempt(name, f"{epochs} epochs: {name}", lambda: works[name](epochs), share)
            del needs[name]

    def affordable(self, first, most):
        """Epochs there is time for; `first` has the seconds of a run of one, and of the epoch."""
        runs = sum(run for run, _ in first.values())
        epoch = sum(seconds for _, seconds in first.values())
        left = TRUST * self.budget.left() - runs - RESERVE
        return max(1, min(most, int(left / epoch) + 1)) if first and left > 0 else 1

    def attempt(self, name, what, work, share):
        """Does `work` within a share of what is left of the part, and saves what comes back."""
        tell(f"training: {what}")
        self.setting.rest()
        self.limit = share * self.budget.left()
        result = self.budget.attempt(self.found["notes"], name, work, self.limit)
        if result is not None:
            self.found[name] = result
        self.save(self.found)
        return result

    def mine(self, data, epochs):
        out = f"{self.scratch}/ours-{epochs}"
        words = ["--data", data, *self.recipe.flags(epochs), *self.ours.where, "--out", out]
        done = self.ours.json("trainer", *words, seconds=self.limit)
        seconds = [line["seconds"] for line in metrics(out)]
        test = done["result"]["scores"]["test"]["accuracy"]
        return {"test_accuracy": test, "epoch_seconds": seconds}

    def theirs(self, data, epochs):
        images = Images(data, self.setting.device)
        return Training(self.recipe, images, self.setting, epochs).run()

    def curve(self):
        """The losses of the first steps in f32, on the processor and on the GPU."""
        if self.ours.device == "cpu":
            raise RuntimeError("ours runs on the processor alone here")
        data = f"{self.scratch}/synth"
        self.ours.run("data-cifar", "synth", *SYNTHETIC, "--out", data, "-q")
        cpu = self.losses(data, "cpu")
        gpu = self.losses(data, "gpu", "--device", self.ours.device, "--precision", "f32")
        known = {"steps": STEPS, "lr": RATE, "tolerance": TOLERANCE}
        return known | {"cpu": cpu, "gpu": gpu, "apart": apart(cpu, gpu)}

    def control(self):
        """The same on the processor alone, by kernels that round otherwise.

        A network that learns makes more of every difference with each step: what two ways to
        compute on one processor are apart is what no GPU can be held to.
        """
        plain = self.losses(f"{self.scratch}/synth", "plain", kernels="plain")
        return {"plain": plain, "apart": apart(self.found["curve"]["cpu"], plain)}

    def losses(self, data, name, *where, kernels=None):
        out = f"{self.scratch}/{name}"
        words = ["--data", data, "--epochs", STEPS, *CONSTANT, *where, "--out", out, "-q"]
        self.ours.run("trainer", *words, seconds=self.limit, kernels=kernels)
        return [line["train_loss"] for line in metrics(out)]


def apart(one, other):
    """How far two lists of losses are from one another, step by step."""
    return [abs(a - b) for a, b in zip(one, other, strict=True)]


def metrics(folder):
    with open(f"{folder}/metrics.jsonl") as lines:
        return [json.loads(line) for line in lines]


def epoch_seconds(side):
    """Of an epoch behind the first, which also looks for the fastest kernels."""
    seconds = side["epoch_seconds"]
    return statistics.median(seconds[1:] or seconds)
