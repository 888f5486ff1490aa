"""Times our training step and inference against PyTorch and ONNX Runtime, in turn, in one run.

usage: bench.py MODELS [--out FILE] [--rounds 3] [--steps 3] [--threads 2] [--batch N] [--only WORD]

MODELS is the `models` binary. Every row is measured in rounds; a round runs ours and then every
configuration that a user of the peer would try (memory formats, torch.compile, ONNX Runtime; f32,
and bf16 beside it). The median of all steps counts, and the peer's best configuration. Rows go to
FILE as JSON lines.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
import warnings

import torch
import torch.nn.functional as F

from networks import BATCHES, NETWORKS, SIDES, TIMED

warnings.filterwarnings("ignore")


def clock(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


class Peer:
    """One configuration: `step()` does the work once."""

    def __init__(self, name, precision, step):
        self.name, self.precision, self.step, self.seconds = name, precision, step, []

    def round(self, steps):
        self.step()
        self.seconds += [clock(self.step) for _ in range(steps)]

    def median(self):
        return statistics.median(self.seconds)


def images(network, batch):
    side = SIDES.get(network, 32)
    return torch.randn(batch, 3, side, side)


def training(network, batch, sparsity):
    """A step of SGD; with sparsity, masks are applied after it as pruning users do."""
    for layout, name in ((torch.contiguous_format, "nchw"), (torch.channels_last, "nhwc")):
        for precision in ("f32", "bf16"):
            torch.manual_seed(0)
            model = NETWORKS[network]().to(memory_format=layout).train()
            x = images(network, batch).contiguous(memory_format=layout)
            y = torch.arange(batch) % 10
            masks = magnitude_masks(model, sparsity) if sparsity else []
            optimiser = torch.optim.SGD(
                model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4
            )

            def step(model=model, x=x, masks=masks, optimiser=optimiser, precision=precision):
                optimiser.zero_grad(set_to_none=True)
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimiser.step()
                with torch.no_grad():
                    for weight, mask in masks:
                        weight.mul_(mask)

            yield Peer(f"eager {name}", precision, step)


def magnitude_masks(model, sparsity):
    convolutions = [p for p in model.parameters() if p.dim() == 4][1:]
    masks = []
    for weight in convolutions:
        k = max(1, round(sparsity * weight.numel()))
        cut = weight.detach().abs().flatten().kthvalue(k).values
        masks.append((weight, (weight.detach().abs() > cut).to(weight.dtype)))
    return masks


def inference(network, batch):
    torch.manual_seed(0)
    for layout, name in ((torch.contiguous_format, "nchw"), (torch.channels_last, "nhwc")):
        model = NETWORKS[network]().to(memory_format=layout).eval()
        x = images(network, batch).contiguous(memory_format=layout)
        for precision in ("f32", "bf16"):
            for compiled in (False, True):

                def step(model=None, x=x, precision=precision):
                    cast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
                    with torch.no_grad(), cast:
                        model(x)

                step.__defaults__ = (
                    torch.compile(model) if compiled else model,
                    x,
                    precision,
                )
                yield Peer(f"{'compile' if compiled else 'eager'} {name}", precision, step)
    yield onnx(network, batch)


def onnx(network, batch):
    import onnxruntime

    file = io.BytesIO()
    x = images(network, batch)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        sys.stdout, keep = nowhere, sys.stdout
        torch.onnx.export(NETWORKS[network]().eval(), (x,), file, dynamo=False, input_names=["x"])
        sys.stdout = keep
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    feed = {"x": x.numpy()}
    return Peer("onnxruntime", "f32", lambda: session.run(None, feed))


class Ours:
    """A configuration of our `models bench`."""

    def __init__(self, binary, network, work, batch, sparsity, allocation, threads):
        self.command = [binary, "bench", network, "--json", "--work", work]
        self.command += ["--batch", str(batch), "--sparsity", str(sparsity)]
        self.command += ["--allocation", allocation, "--threads", str(threads)]
        self.command += ["--side", str(SIDES.get(network, 32))]
        self.seconds = []

    def round(self, steps):
        run = self.command + ["--repeat", str(steps)]
        out = subprocess.run(run, check=True, capture_output=True, text=True).stdout
        self.seconds += json.loads(out)["seconds"]

    def median(self):
        return statistics.median(self.seconds)


def compare(row, ours, peers, options):
    """Runs a row's rounds and returns its lines: f32, and bf16 beside it."""
    steps = options.steps * (2 if row["what"] == "infer" else 1)
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
            speed, peer = options.batch / mine.median(), options.batch / best.median()
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
            )
    return lines


def rows(network, options):
    """(what, sparsity, work, the peer's configurations) of a network."""
    yield "train", 0.0, "train", lambda: training(network, options.batch, 0.0)
    for sparsity in (0.9, 0.95):
        peers = lambda sparsity=sparsity: training(network, options.batch, sparsity)  # noqa: E731
        yield "finetune", sparsity, "train", peers
    yield "infer", 0.0, "infer", lambda: inference(network, options.batch)
    yield "infer", 0.9, "infer", lambda: inference(network, options.batch)


def scaling(network, options):
    """Ours with one thread and with two."""
    for what, sparsity in (("train", 0.0), ("train", 0.9), ("infer", 0.0), ("infer", 0.9)):
        mine = [
            Ours(options.models, network, what, options.batch, sparsity, "uniform", threads)
            for threads in (1, 2)
        ]
        for _ in range(options.rounds):
            for one in mine:
                one.round(options.steps)
        one, two = (options.batch / m.median() for m in mine)
        yield {
            "what": f"scaling {what}",
            "model": network,
            "batch": options.batch,
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
        f"{line['model']:15} {line['what']:14} {line['sparsity']:4} "
        f"{line.get('allocation', ''):8}{line['ours']:8.1f} {line['peer']:8.1f} "
        f"{line['ratio']:6.2f}  {line['peer_is']}"
    )
    print(text, flush=True)
    if out:
        out.write(json.dumps(line) + "\n")
        out.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models")
    parser.add_argument("--out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="of training; of inference twice as many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="default 64, or what the network is usually trained with")
    parser.add_argument("--only", default="", help="rows whose network or work holds this word")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out = open(options.out, "w") if options.out else None
    print(f"{'network':15} {'what':14} {'':4} {'':8}{'ours':>8} {'peer':>8} {'ratio':>6}  peer is")
    batch = options.batch
    for network, timed in TIMED.items():
        options.batch = batch or BATCHES.get(network, 64)
        for what, sparsity, work, peers in rows(network, options):
            if options.only not in f"{network} {what}" or what not in timed:
                continue
            allocations = ("uniform", "global") if sparsity else ("uniform",)
            ours = [
                Ours(options.models, network, work, options.batch, sparsity, a, options.threads)
                for a in allocations
            ]
            row = {"what": what, "model": network, "batch": options.batch, "sparsity": sparsity}
            for line in compare(row, ours, list(peers()), options):
                report(line, out)
        if options.only in f"{network} scaling" and "scaling" in timed:
            for line in scaling(network, options):
                report(line, out)


if __name__ == "__main__":
    main()
