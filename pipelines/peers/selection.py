"""Holds the pruner's masks to a few lines of NumPy, bit for bit: every allocation of single weights and blocks of four,
and N of M.

usage: selection.py BIN

BIN is the folder of our binaries. Exit code 1 if a mask differs.
"""

import argparse
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file

from networks import NETWORKS
from ours import Binaries

NAMES = ("vgg-lab", "resnet18", "resnet-like")
SPARSITIES = (0.5, 0.9, 0.98)


def blocks(scores):
    """The sum over four consecutive inputs of each output and kernel position; f32, in the order of the inputs."""
    outputs, inputs = scores.shape[:2]
    flat = scores.reshape(outputs, inputs, -1)
    sums = np.zeros((outputs, -(-inputs // 4), flat.shape[2]), np.float32)
    for i in range(inputs):
        sums[:, i // 4] += flat[:, i]
    return sums


def smallest(scores, k):
    """Which k of the scores go: the smallest, of equal ones the first."""
    gone = np.zeros(len(scores), bool)
    gone[np.argsort(scores, kind="stable")[:k]] = True
    return gone


def groups(weights, keep, of):
    """Which weights go where each group of inputs at a kernel position keeps some; what fills no group stays."""
    outputs, inputs = weights.shape[:2]
    whole = inputs // of
    flat = np.abs(weights).reshape(outputs, inputs, -1)
    order = np.argsort(flat[:, : whole * of].reshape(outputs, whole, of, flat.shape[2]), axis=2, kind="stable")
    ranks = np.argsort(order, axis=2, kind="stable")
    gone = np.zeros(flat.shape, bool)
    gone[:, : whole * of] = (ranks < of - keep).reshape(outputs, whole * of, flat.shape[2])
    return gone.reshape(weights.shape)


def lamp(scores):
    order = np.argsort(scores, kind="stable")
    squares = scores[order].astype(np.float64) ** 2
    found = np.empty(len(scores))
    found[order] = squares / np.cumsum(squares[::-1])[::-1]
    return found


def erk(shapes, counts, kept):
    """Kept units of each layer: proportional to sum / product of the weight's dimensions, at most all of them."""
    raw = np.array([np.sum(s) / np.prod(s) for s in shapes])
    counts, dense = np.array(counts, float), np.zeros(len(counts), bool)
    while True:
        factor = (kept - counts[dense].sum()) / (raw * counts)[~dense].sum()
        over = ~dense & (factor * raw > 1)
        if not over.any():
            break
        dense |= over
    exact = np.where(dense, counts, factor * (raw * counts))
    whole = np.floor(exact).astype(int)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: kept - whole.sum()]] += 1
    return whole


def expected(allocation, shapes, scores, sparsity):
    """Which units of each layer go."""
    counts = [len(s) for s in scores]
    k = int(np.floor(sparsity * sum(counts) + 0.5))
    if allocation == "uniform":
        return [smallest(s, int(np.floor(sparsity * len(s) + 0.5))) for s in scores]
    if allocation == "erk":
        kept = erk(shapes, counts, sum(counts) - k)
        return [smallest(s, n - own) for s, n, own in zip(scores, counts, kept)]
    ranked = [lamp(s) for s in scores] if allocation == "lamp" else scores
    return np.split(smallest(np.concatenate(ranked), k), np.cumsum(counts)[:-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    options = parser.parse_args()
    differ = 0
    with tempfile.TemporaryDirectory() as work:
        ours = Binaries(options.bin, work)
        for name in NAMES:
            torch.manual_seed(2)
            ours.imported(name, NETWORKS[name]())
            # The prunable weights, in the network's order.
            half = ours.json(f"pruner --checkpoint {name} --sparsity 0.5 --out {name}-half")
            order = [layer["name"] for layer in half["result"]["layers"]]
            weights = load_file(f"{work}/{name}/model.safetensors")
            weights = {n: weights[n] for n in order}
            differ += compare(ours, name, weights) + compare_groups(ours, name, weights)
    print(f"{differ} masks differ" if differ else "every mask is NumPy's")
    sys.exit(differ > 0)


def compare(ours, name, weights):
    differ = 0
    for structure in ("weight", "block4"):
        units = [np.abs(w) if structure == "weight" else blocks(np.abs(w)) for w in weights.values()]
        for allocation in ("global", "uniform", "lamp", "erk"):
            for sparsity in SPARSITIES:
                out = f"{name}-{structure}-{allocation}-{sparsity}"
                ours.run(
                    f"pruner --checkpoint {name} --sparsity {sparsity} --structure {structure} "
                    f"--allocation {allocation} --out {out}"
                )
                masks = load_file(f"{ours.work}/{out}/mask.safetensors")
                gone = expected(allocation, [w.shape for w in weights.values()], [u.ravel() for u in units], sparsity)
                right = True
                for (layer, weight), unit, own in zip(weights.items(), units, gone):
                    own = own.reshape(unit.shape)
                    if structure == "block4":
                        own = own.repeat(4, axis=1)[:, : weight.shape[1]]
                    found = masks.get(layer, np.ones(weight.shape, np.uint8))
                    right &= np.array_equal(found.ravel() == 0, own.ravel())
                print(("ok      " if right else "FAILED  ") + out, flush=True)
                differ += not right
    return differ


def compare_groups(ours, name, weights):
    differ = 0
    for keep, of in ((2, 4), (1, 4), (3, 8)):
        out = f"{name}-{keep}of{of}"
        ours.run(
            f"pruner --checkpoint {name} --sparsity {1 - keep / of} --structure {keep}:{of} --out {out}"
        )
        masks = load_file(f"{ours.work}/{out}/mask.safetensors")
        found = {n: masks.get(n, np.ones(w.shape, np.uint8)) == 0 for n, w in weights.items()}
        right = all(np.array_equal(found[n], groups(w, keep, of)) for n, w in weights.items())
        print(("ok      " if right else "FAILED  ") + out, flush=True)
        differ += not right
    return differ


if __name__ == "__main__":
    main()
