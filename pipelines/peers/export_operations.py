"""Writes the small networks of operations.py, and nodes that PyTorch does not write, as ONNX files.

usage: export_operations.py OUT [--only WORD] [--forms a,b] [--missing]

OUT/NAME.npz holds `input`, `output`, `train_input` and `labels`, OUT/NAME.train.json what training computes, and
OUT/NAME.FORM.onnx the file of each exporter and opset. OUT/summary.json says which exporter could not write a file, and
which file ONNX Runtime computes differently from PyTorch.
"""

import argparse
import json
import pathlib

import numpy as np
import torch

import handmade
import operations
from export import KEPT, Form, failure, report, run, write
from golden_train import settled

FORMS = {
    "ts17": Form(keywords=KEPT),
    "ts11": Form(keywords=KEPT, opset=11),
    "ts13": Form(keywords=KEPT, opset=13),
    "ts20": Form(keywords=KEPT, opset=20),
    "ts17-fixed1": Form(keywords=KEPT, batch=1),
    "dynamo": Form(dynamo=True, opset=None),
    "dynamo-raw": Form(dynamo=True, opset=None, optimise="nothing"),
}


def write_reference(name, model, out):
    x = operations.images(3, 1)
    with torch.no_grad():
        y = model(x)
    batches = (operations.images(4, seed) for seed in range(2, 6))
    batch, labels, golden, _ = settled(name, model, batches)
    np.savez(out / f"{name}.npz", input=x, output=y, train_input=batch, labels=labels)
    (out / f"{name}.train.json").write_text(json.dumps(golden, indent=1) + "\n")


def exported(name, out, forms):
    """(form, row) of each file of a small network."""
    model = operations.build(name)
    write_reference(name, model, out)
    for key in forms:
        form = FORMS[key]
        try:
            row = write(form, model, operations.images(3, 1), out / f"{name}.{key}.onnx")
        except Exception as error:  # An exporter may fail in any way; the others go on.
            row = failure(error)
        report(form, f"{name} {key}", row)
        yield key, row


def by_hand(out, only):
    for name, make in handmade.FILES.items():
        if only not in name:
            continue
        file = out / f"{name}.hand.onnx"
        x = make(file)
        try:
            np.savez(out / f"{name}.npz", input=x, output=run(file, x))
            print(f"ok     {name} hand", flush=True)
        except Exception as error:  # Some are to be refused by everyone.
            print(f"none   {name} hand: {str(error)[:150]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default="", help="operations whose name holds this word")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--missing", action="store_true", help="only operations that lack a file's record")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    summary = options.out / "summary.json"
    found = json.loads(summary.read_text()) if summary.exists() else {}
    by_hand(options.out, options.only)
    for name in operations.OPERATIONS:
        wanted = set(options.forms.split(","))
        if options.only in name and not (options.missing and wanted <= found.get(name, {}).keys()):
            found[name] = found.get(name, {}) | dict(exported(name, options.out, options.forms.split(",")))
            summary.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
