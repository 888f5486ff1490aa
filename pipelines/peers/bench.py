"""Times our training step and inference against their peers, in turn, in one run.

usage: bench.py BIN [--out FILE] [--rounds 3] [--steps 3] [--threads 2] [--batch N] [--only WORD]
       [--engine f32|int8|both] [--without-openvino]

BIN is the folder of our binaries. Everything is measured in rounds; a round runs ours, then every
configuration that a user of the peers would try: PyTorch with its memory formats and torch.compile,
in f32 and bf16, and for inference ONNX Runtime in f32 and int8, and OpenVINO in f32, int8 and bf16
(where the processor has it). The median of all steps counts, and each precision's best
configuration. All forms of ours in which a network infers a batch (f32 or int8, dense or pruned)
share their rounds and their peers. Rows go to FILE as JSON lines.
"""

import argparse
import importlib.util
import json
import statistics
import tempfile
import warnings

import torch

from networks import BATCHES, TIMED, Form, forms
from ours import Packed, Steps
from theirs import Peer, inference, training

warnings.filterwarnings("ignore")

TRAINING_HEAD = (
    f"{'network':15} {'what':13} {'':3} {'':4} {'':8}{'ours':>8} {'peer':>8} {'ratio':>6}  peer is"
)
INFERENCE_HEAD = (
    f"{'inference':12} {'':3} {'ours':4} {'zeros':11} {'ours':>6} "
    f"{'f32':>6} {'bf16':>6} {'int8':>6} {'best':>6} {'ratio':>5}  best is"
)


def measure(everything, steps, options):
    """Runs the rounds, in which each takes its turn."""
    for _ in range(options.rounds):
        for one in everything:
            one.round(steps)


def best(peers, precision):
    """The fastest configuration of a precision."""
    return min((p for p in peers if p.precision == precision), key=Peer.median)


def speed(batch, one):
    return round(batch / one.median(), 2)


def against(batch, mine, peer):
    """What a row says of a peer."""
    return {
        "peer": speed(batch, peer),
        "ratio": round(peer.median() / mine.median(), 3),
        "peer_is": f"{peer.name} {peer.precision}",
    }


def trained(network, what, batch, sparsity, options):
    """The lines of a training step: f32, and bf16 beside it."""
    allocations = ("uniform", "global") if sparsity else ("uniform",)
    keys = [(network, batch, sparsity, a, options.threads) for a in allocations]
    ours = [Steps(options.binaries, *key) for key in keys]
    peers = list(training(network, batch, sparsity))
    measure([*ours, *peers], options.steps, options)
    row = {"what": what, "model": network, "batch": batch, "sparsity": sparsity}
    for precision in ("f32", "bf16"):
        for allocation, mine in zip(allocations, ours):
            own = {"allocation": allocation, "ours": speed(batch, mine)}
            found = against(batch, mine, best(peers, precision))
            yield row | own | found | {"unit": "images/s", "threads": options.threads}


def inferred(network, batch, scratch, options):
    """The lines of a network's inference: every form of ours, with the peers of each precision."""
    wanted = [form for form in forms(network) if is_wanted(network, batch, form, options)]
    if not wanted:
        return
    where = (options.binaries, scratch, network, batch)
    ours = [Packed(*where, form, options.threads) for form in wanted]
    peers = list(inference(network, batch, not options.without_openvino))
    measure([*ours, *peers], options.steps * (2 if batch > 1 else 20), options)
    fastest = [best(peers, precision) for precision in ("f32", "bf16", "int8")]
    for form, mine in zip(wanted, ours):
        row = {"what": "infer", "model": network, "batch": batch} | form._asdict()
        row |= {"ours": speed(batch, mine), "unit": "images/s", "threads": options.threads}
        row |= against(batch, mine, min(fastest, key=Peer.median))
        row["peers"] = {peer.precision: against(batch, mine, peer) for peer in fastest}
        row["dense"] = round(batch / statistics.median(mine.dense), 2)
        yield row | {"openvino": not options.without_openvino}


def is_wanted(network, batch, form, options):
    name = f"{network} infer {batch} {form.precision} {form.structure} {form.sparsity}"
    return options.only in name and options.engine in (form.precision, "both")


def scaling(network, scratch, options):
    """Ours with one thread and with two."""
    batch = options.batch or BATCHES.get(network, 64)
    for what, sparsity in (("train", 0.0), ("train", 0.9), ("infer", 0.0), ("infer", 0.9)):

        def mine(threads):
            if what == "train":
                return Steps(options.binaries, network, batch, sparsity, "uniform", threads)
            form = Form("f32", "any", sparsity) if sparsity else Form("f32")
            return Packed(options.binaries, scratch, network, batch, form, threads)

        both = [mine(threads) for threads in (1, 2)]
        measure(both, options.steps, options)
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


def training_text(line):
    return (
        f"{line['model']:15} {line['what']:13} {line['batch']:3} {line['sparsity']:4} "
        f"{line.get('allocation', ''):8}{line['ours']:8.1f} {line['peer']:8.1f} "
        f"{line['ratio']:6.2f}  {line['peer_is']}"
    )


def inference_text(line):
    peers = " ".join(f"{peer['peer']:6.1f}" for peer in line["peers"].values())
    return (
        f"{line['model']:12} {line['batch']:3} {line['precision']:4} {line['structure']:6} "
        f"{line['sparsity']:4} {line['ours']:6.1f} {peers} {line['peer']:6.1f} "
        f"{line['ratio']:5.2f}  {line['peer_is']}"
    )


class Report:
    """Prints lines, with a head before each kind of them, and writes them to a file."""

    def __init__(self, out):
        self.out, self.head = out, None

    def say(self, line):
        infers = line["what"] == "infer"
        head = INFERENCE_HEAD if infers else TRAINING_HEAD
        if head != self.head:
            print(head)
            self.head = head
        print(inference_text(line) if infers else training_text(line), flush=True)
        if self.out:
            self.out.write(json.dumps(line) + "\n")
            self.out.flush()


def lines(network, scratch, options):
    """All lines of a network."""
    timed, batch = TIMED[network], options.batch or BATCHES.get(network, 64)
    for what, sparsity in (("train", 0.0), ("finetune", 0.9), ("finetune", 0.95)):
        if what in timed and options.only in f"{network} {what} {batch}":
            yield from trained(network, what, batch, sparsity, options)
    if "infer" in timed:
        for images in dict.fromkeys((batch, 1)):
            yield from inferred(network, images, scratch, options)
    if "scaling" in timed and options.only in f"{network} scaling":
        yield from scaling(network, scratch, options)


def settings():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="of training; inference runs more")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="default 64, or the network's usual one")
    parser.add_argument("--only", default="", help="rows whose name holds it: network, work, batch")
    engines = ("f32", "int8", "both")
    parser.add_argument("--engine", choices=engines, default="both", help="ours, in inference")
    parser.add_argument("--without-openvino", action="store_true", help="leave these peers out")
    options = parser.parse_args()
    missing = [name for name in ("openvino", "nncf") if importlib.util.find_spec(name) is None]
    if missing and not options.without_openvino:
        parser.error("needs openvino and nncf: pip install openvino nncf (or --without-openvino)")
    return options


def main():
    options = settings()
    torch.set_num_threads(options.threads)
    report = Report(open(options.out, "w") if options.out else None)
    if options.without_openvino:
        print("Without OpenVINO, as --without-openvino asks.")
    for network in TIMED:
        with tempfile.TemporaryDirectory() as scratch:
            for line in lines(network, scratch, options):
                report.say(line)


if __name__ == "__main__":
    main()
