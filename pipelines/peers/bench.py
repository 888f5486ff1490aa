"""Times our training step and inference against PyTorch and ONNX Runtime, in turn, in one run.

usage: bench.py BIN [--out FILE] [--rounds 3] [--steps 3] [--threads 2] [--batch N] [--only WORD]

BIN is the folder of our binaries. Every row is measured in rounds; a round runs ours and then every
configuration that a user of the peer would try (memory formats, torch.compile, ONNX Runtime; f32,
and bf16 beside it). The median of all steps counts, and the peer's best configuration. Rows go to
FILE as JSON lines.
"""

import argparse
import json
import statistics
import tempfile
import warnings

import torch

from networks import BATCHES, TIMED
from ours import Packed, Steps
from theirs import Peer, inference, training

warnings.filterwarnings("ignore")


def compare(row, ours, peers, options):
    """Runs a row's rounds and returns its lines: f32, and bf16 beside it."""
    batch = row["batch"]
    steps = options.steps
    if row["what"] == "infer":
        steps *= 2 if batch > 1 else 20
    for _ in range(options.rounds):
        for one in [*ours, *peers]:
            one.round(steps)
    lines = []
    for precision in ("f32", "bf16"):
        candidates = [p for p in peers if p.precision == precision]
        if not candidates:
            continue
        best = min(candidates, key=Peer.median)
        for allocation, mine in zip(("uniform", "global"), ours):
            speed, peer = batch / mine.median(), batch / best.median()
            lines.append(
                row
                | {
                    "allocation": allocation,
                    "ours": round(speed, 2),
                    "peer": round(peer, 2),
                    "ratio": round(speed / peer, 3),
                    "unit": "images/s",
                    "peer_is": f"{best.name} {precision}",
                    "threads": options.threads,
                }
                | ({"dense": round(batch / statistics.median(mine.dense), 2)} if hasattr(mine, "dense") else {})
            )
    return lines


def rows(network, options):
    """(what, batch, sparsity, the peer's configurations) of a network."""
    batch = options.batch or BATCHES.get(network, 64)
    yield "train", batch, 0.0, lambda: training(network, batch, 0.0)
    for sparsity in (0.9, 0.95):
        peers = lambda sparsity=sparsity: training(network, batch, sparsity)  # noqa: E731
        yield "finetune", batch, sparsity, peers
    for images in (batch, 1):
        for sparsity in (0.0, 0.9, 0.95):
            yield "infer", images, sparsity, lambda images=images: inference(network, images)


def mine(what, scratch, key, options):
    """Our configuration of a row; key is (network, batch, sparsity, allocation, threads)."""
    if what == "infer":
        return Packed(options.binaries, scratch, *key)
    return Steps(options.binaries, *key)


def scaling(network, scratch, options):
    """Ours with one thread and with two."""
    batch = options.batch or BATCHES.get(network, 64)
    for what, sparsity in (("train", 0.0), ("train", 0.9), ("infer", 0.0), ("infer", 0.9)):
        both = [
            mine(what, scratch, (network, batch, sparsity, "uniform", threads), options)
            for threads in (1, 2)
        ]
        for _ in range(options.rounds):
            for each in both:
                each.round(options.steps)
        one, two = (batch / m.median() for m in both)
        yield {
            "what": f"scaling {what}",
            "model": network,
            "batch": batch,
            "sparsity": sparsity,
            "ours": round(two, 2),
            "peer": round(one, 2),
            "ratio": round(two / one, 3),
            "unit": "images/s",
            "peer_is": "ours, one thread",
            "threads": 2,
        }


def report(line, out):
    text = (
        f"{line['model']:15} {line['what']:13} {line['batch']:3} {line['sparsity']:4} "
        f"{line.get('allocation', ''):8}{line['ours']:8.1f} {line['peer']:8.1f} "
        f"{line['ratio']:6.2f}  {line['peer_is']}"
    )
    print(text, flush=True)
    if out:
        out.write(json.dumps(line) + "\n")
        out.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="of training; of inference twice as many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="default 64, or what the network is usually trained with")
    parser.add_argument("--only", default="", help="rows whose network, work and batch hold this word")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out = open(options.out, "w") if options.out else None
    print(f"{'network':15} {'what':13} {'':3} {'':4} {'':8}{'ours':>8} {'peer':>8} {'ratio':>6}  peer is")
    with tempfile.TemporaryDirectory() as scratch:
        for network, timed in TIMED.items():
            for what, batch, sparsity, peers in rows(network, options):
                name = f"{network} {what} {batch}"
                if options.only not in name or what not in timed:
                    continue
                allocations = ("uniform", "global") if sparsity else ("uniform",)
                keys = [(network, batch, sparsity, a, options.threads) for a in allocations]
                ours = [mine(what, scratch, key, options) for key in keys]
                row = {"what": what, "model": network, "batch": batch, "sparsity": sparsity}
                for line in compare(row, ours, list(peers()), options):
                    report(line, out)
            if options.only in f"{network} scaling" and "scaling" in timed:
                for line in scaling(network, scratch, options):
                    report(line, out)


if __name__ == "__main__":
    main()
