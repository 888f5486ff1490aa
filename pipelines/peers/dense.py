"""Times dense inference of ONNX files in ONNX Runtime and OpenVINO, in f32, in turn with a command of ours.

usage: dense.py NETS [--ours COMMAND] [--prepare COMMAND] [--only WORD] [--form folded]
       [--batches 16,1] [--threads 2] [--rounds 5] [--seconds 0.5] [--out FILE]

NETS is the folder that export.py has filled. The shell runs --prepare once a network and --ours once a
round. Both may hold {onnx}, {npz}, {name} and {work} (a temporary folder); --ours also {batch}, {threads} and
{steps}. It prints JSON as `models bench --json` does: an object whose `seconds` holds the seconds of each
step. For example

  --prepare 'BIN/models import {onnx} --out {work}/{name} -q && BIN/models show {work}/{name} > {work}/{name}.net'
  --ours 'BIN/models bench {work}/{name}.net --json --batch {batch} --threads {threads} --repeat {steps}'

In a round each of them runs for about --seconds after a step to warm up; the median of the steps of all rounds
counts. FILE.md holds a table and FILE.json every number, with the processor and the versions.
"""

import argparse
import json
import pathlib
import platform
import shlex
import statistics
import subprocess
import tempfile

import numpy as np
import onnxruntime
import openvino

import zoo
from theirs import Peer, clock


def images(nets, name, batch):
    """The images of the network's references, repeated to a batch."""
    two = np.load(nets / f"{name}.npz")["input"]
    return np.ascontiguousarray(np.tile(two, (batch // 2 + 1, 1, 1, 1))[:batch])


def in_onnxruntime(file, x, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_free_dimension_override_by_name("batch", len(x))
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    return Peer("ONNX Runtime", "f32", lambda: session.run(None, feed)), session.run(None, feed)[0]


def in_openvino(file, x, threads):
    core = openvino.Core()
    model = core.read_model(file)
    model.reshape(x.shape)
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # Without it bf16 or f16 is taken where the processor has them.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    run = lambda: request.infer([x], share_inputs=True, share_outputs=True)  # noqa: E731
    return Peer("OpenVINO", "f32", run), run()[0].copy()


class Ours:
    """Our command, as a peer that times itself."""

    name = "ours"

    def __init__(self, command):
        self.command, self.seconds = command, []

    def round(self, steps):
        self.seconds += json.loads(shell(self.command.replace("{steps}", str(steps))))["seconds"]

    def median(self):
        return statistics.median(self.seconds)


def shell(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def filled(command, **fields):
    """The command with its fields, quoted for the shell."""
    for name, value in fields.items():
        command = command.replace("{" + name + "}", shlex.quote(str(value)))
    return command


def check(name, what, found, expected):
    """An engine that computes something else must not be timed."""
    off = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not off <= 1e-4:
        raise SystemExit(f"{name}: logits of {what} differ by {off:.1e}")


def compare(name, batch, work, options):
    """One row: images a second of each, and the ratio of ours to the best of the others."""
    file = options.nets / f"{name}.{options.form}.onnx"
    x = images(options.nets, name, batch)
    expected = np.load(options.nets / f"{name}.npz")["output"][: min(batch, 2)]
    peers = []
    for make in (in_onnxruntime, in_openvino):
        peer, logits = make(file, x, options.threads)
        check(name, peer.name, logits[: len(expected)], expected)
        peers.append(peer)
    fields = {"onnx": file, "npz": options.nets / f"{name}.npz", "name": name, "work": work}
    if options.ours:
        command = filled(options.ours, **fields, batch=batch, threads=options.threads)
        peers.append(Ours(command))
    guess = min(clock(peers[0].step) for _ in range(3))
    steps = max(3, min(200, round(options.seconds / guess)))
    for _ in range(options.rounds):
        for peer in peers:
            peer.round(steps)
    row = {"model": name, "batch": batch, "steps": steps * options.rounds}
    row |= {peer.name: round(batch / peer.median(), 2) for peer in peers}
    row["seconds"] = {peer.name: peer.seconds for peer in peers}
    if options.ours:
        row["ratio"] = round(row["ours"] / max(row["ONNX Runtime"], row["OpenVINO"]), 3)
    return row


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    facts = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in reversed(lines))}
    kept = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    found = [f for f in kept if f in facts.get("flags", "").split()]
    return {
        "name": facts.get("model name", platform.processor()),
        "family": facts.get("cpu family"),
        "model": facts.get("model"),
        "features": found,
    }


def table(found):
    where = found["processor"]
    yield (
        f"{where['name']} (family {where['family']}, model {where['model']}; "
        f"{', '.join(where['features'])}), {found['threads']} threads, "
        f"ONNX Runtime {found['onnxruntime']}, OpenVINO {found['openvino']}; images a second, f32, "
        f"median of {found['rounds']} rounds in turn, files `NAME.{found['form']}.onnx`"
    )
    yield ""
    yield "| network | batch | ONNX Runtime | OpenVINO | ours | ours / best |"
    yield "|---|---|---|---|---|---|"
    for row in found["rows"]:
        cells = [row.get(k, "") for k in ("model", "batch", "ONNX Runtime", "OpenVINO", "ours", "ratio")]
        yield "| " + " | ".join(map(str, cells)) + " |"
    yield ""
    for batch in sorted({row["batch"] for row in found["rows"]}, reverse=True):
        rows = [r for r in found["rows"] if r["batch"] == batch and "ratio" in r]
        ratios = {r["model"]: r["ratio"] for r in rows}
        if ratios:
            lowest = min(ratios, key=ratios.get)
            yield f"Batch {batch}: median {statistics.median(ratios.values()):.2f}, lowest {ratios[lowest]:.2f} ({lowest})."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", type=pathlib.Path)
    parser.add_argument("--ours", help="command that times our network")
    parser.add_argument("--prepare", help="command that is run before the first timing of a network")
    parser.add_argument("--only", default="", help="networks whose name holds this word")
    parser.add_argument("--form", default="folded")
    parser.add_argument("--batches", default="16,1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each in a round")
    parser.add_argument("--out", default="dense")
    options = parser.parse_args()
    found = {
        "processor": processor(),
        "onnxruntime": onnxruntime.__version__,
        "openvino": openvino.__version__.split("-")[0],
        "threads": options.threads,
        "rounds": options.rounds,
        "form": options.form,
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as work:
        for name in zoo.NAMES:
            if options.only not in name or not (options.nets / f"{name}.{options.form}.onnx").exists():
                continue
            if options.prepare:
                fields = {"onnx": options.nets / f"{name}.{options.form}.onnx", "npz": options.nets / f"{name}.npz"}
                shell(filled(options.prepare, **fields, name=name, work=work))
            for batch in map(int, options.batches.split(",")):
                row = compare(name, batch, work, options)
                found["rows"].append(row)
                print(" ".join(f"{k} {v}" for k, v in row.items() if k != "seconds"), flush=True)
                # After each row, so that a run that is stopped leaves what it has measured.
                pathlib.Path(f"{options.out}.json").write_text(json.dumps(found, indent=1) + "\n")
                pathlib.Path(f"{options.out}.md").write_text("\n".join(table(found)) + "\n")


if __name__ == "__main__":
    main()
