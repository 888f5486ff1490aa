"""Writes every network of the zoo in the ONNX forms that users bring, with what PyTorch computes of it.

usage: export.py OUT [--only WORD] [--forms a,b] [--no-train] [--missing]

For each network OUT holds
- NAME.pth, its state_dict;
- NAME.npz: `input` and `output`, two images and their logits; `train_input` and `labels`, four images;
- NAME.train.json and NAME.float32.json (see golden_train.py);
- NAME.FORM.onnx for each form of FORMS, with NAME.FORM.npz where its weights are not those of NAME.pth;
- NAME.export.json: each file's size, and how far ONNX Runtime's logits are from PyTorch's.
The exit code is 1 where a file could not be written or computes something else.
"""

import argparse
import contextlib
import copy
import io
import json
import logging
import pathlib
import shutil
import sys
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime
import torch
from torch.onnx import TrainingMode

import zoo
from golden_train import settled

TOLERANCE = 1e-4
INPUT = "input"


@dataclass
class Form:
    """A way to export: by TorchScript (`opset` and `keywords` are its own) or by torch.export."""

    dynamo: bool = False
    opset: int | None = 17
    keywords: dict = field(default_factory=dict)
    # The batch is a symbol of the file, or the number of images that it was traced with.
    batch: int | None = None
    # "f32", "f64" or "f16".
    dtype: str = "f32"
    # Of a network that nothing was changed in after its constructor: tensors that are equal are stored once.
    fresh: bool = False
    # What is done to the program of the dynamo exporter: nothing, all, all but fusing norms.
    optimise: str = "all"
    # Weights in the file, in one beside it, or in one a tensor.
    external: str = "inside"
    # None: of every network.
    networks: tuple | None = None


KEPT = {"training": TrainingMode.PRESERVE, "do_constant_folding": False}
FOLDED = {}
TRAINING = {"training": TrainingMode.TRAINING, "do_constant_folding": False}
FEW = ("resnet20", "shufflenetv2-32", "mobilenet_v3_small")
PLUS = (*FEW, "convnext_tiny")
HALF = (
    *zoo.CIFAR,
    "squeezenet1_1",
    "mobilenet_v3_small",
    "shufflenet_v2_x1_0",
    "efficientnet_b0",
    "convnext_tiny",
)
DROPPING = (*zoo.CIFAR, "mobilenet_v2", "efficientnet_b0", "googlenet", "convnext_tiny")
FORMS = {
    "torchscript": Form(keywords=KEPT),
    "folded": Form(keywords=FOLDED, opset=None),
    "dynamo": Form(dynamo=True, opset=None, external="one"),
    "dynamo-norms": Form(dynamo=True, opset=None, optimise="not norms"),
    "dynamo-raw": Form(dynamo=True, opset=None, optimise="nothing"),
    "training": Form(keywords=TRAINING, networks=DROPPING),
    "fixed1": Form(keywords=KEPT, batch=1, networks=(*HALF, "googlenet")),
    "folded-fixed1": Form(keywords=FOLDED, batch=1, networks=(*HALF, "googlenet")),
    "dynamo-fixed1": Form(dynamo=True, opset=None, batch=1, networks=HALF),
    "opset11": Form(keywords=KEPT, opset=11, networks=PLUS),
    "opset13": Form(keywords=KEPT, opset=13, networks=(*FEW, "densenet-bc-100-12")),
    "opset15": Form(keywords=FOLDED, opset=15, networks=FEW),
    "opset18": Form(keywords=KEPT, opset=18, networks=(*FEW, "efficientnet_b0")),
    "opset20": Form(keywords=KEPT, opset=20, networks=PLUS),
    "dynamo-opset18": Form(dynamo=True, opset=18, networks=PLUS),
    "dynamo-opset21": Form(dynamo=True, opset=21, networks=PLUS),
    "external": Form(keywords=KEPT, external="one", networks=FEW),
    "external-each": Form(keywords=KEPT, external="each", networks=FEW[:1]),
    "f64": Form(keywords=KEPT, dtype="f64", networks=FEW[:2]),
    "f16": Form(keywords=KEPT, dtype="f16", networks=FEW[:2]),
    "fresh": Form(keywords=KEPT, fresh=True, networks=(*PLUS, "mobilenet_v2")),
    "dynamo-fresh": Form(dynamo=True, opset=None, fresh=True, networks=PLUS),
}
DTYPES = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16}


@contextlib.contextmanager
def silence():
    """Keeps the exporters' progress and warnings off the screen."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@contextlib.contextmanager
def norms_kept():
    """Takes the rules that fuse batch norms out of the optimiser, which has no option for it.

    The result is what torch.onnx wrote by default before the rules were added.
    """
    from onnxscript import rewriter
    from onnxscript.rewriter.rules.common import _fuse_batchnorm

    rules = rewriter._DEFAULT_REWRITE_RULES
    fusing = set(map(id, _fuse_batchnorm.rules))
    rewriter._DEFAULT_REWRITE_RULES = tuple(r for r in rules if id(r) not in fusing)
    try:
        yield
    finally:
        rewriter._DEFAULT_REWRITE_RULES = rules


def by_torchscript(form, model, x, file):
    axes = None if form.batch else {INPUT: {0: "batch"}, "output": {0: "batch"}}
    opset = {} if form.opset is None else {"opset_version": form.opset}
    names = {"input_names": [INPUT], "output_names": ["output"]}
    torch.onnx.export(model, (x,), file, dynamo=False, dynamic_axes=axes, **names, **opset, **form.keywords)
    if form.external != "inside":
        outside(file, form.external == "one")


def outside(file, together):
    """Moves the initialisers of an ONNX file into one file beside it, or into one each."""
    model = onnx.load(file)
    folder = file.parent / f"{file.name}.data"
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.unlink(missing_ok=True)
    if together:
        onnx.save(model, file, save_as_external_data=True, location=folder.name, size_threshold=0)
        return
    folder.mkdir(exist_ok=True)
    for k, tensor in enumerate(model.graph.initializer):
        content = onnx.numpy_helper.to_array(tensor).tobytes()
        onnx.external_data_helper.set_external_data(tensor, location=f"{folder.name}/{k}.bin")
        (folder / f"{k}.bin").write_bytes(content)
        tensor.ClearField("raw_data")
    file.write_bytes(model.SerializeToString())


class Translated:
    """What the dynamo exporter makes of a network before it optimises; made once for several forms.

    Translating takes most of an export's time.
    """

    def __init__(self):
        self.key, self.model = None, None

    def get(self, form, source, x):
        """A copy of the translation of `source` for a form's batch and opset."""
        key = (id(source), form.batch, form.opset)
        if key != self.key:
            shapes = None if form.batch else ({0: torch.export.Dim("batch")},)
            program = torch.onnx.export(
                source,
                (x,),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=form.opset,
                optimize=False,
                verbose=False,
                input_names=[INPUT],
                output_names=["output"],
            )
            # The source is kept so that its id is given to no other.
            self.key, self.source, self.model = key, source, program.model
        return self.model.clone()


TRANSLATED = Translated()


def by_dynamo(form, model, x, file):
    """What torch.onnx.export(dynamo=True, optimize=...) writes."""
    import onnx_ir
    from onnxscript import optimizer

    translated = TRANSLATED.get(form, model, x)
    keeping = norms_kept() if form.optimise == "not norms" else contextlib.nullcontext()
    with keeping:
        if form.optimise != "nothing":
            optimizer.optimize_ir(translated)
    beside = f"{file.name}.data" if form.external == "one" else None
    onnx_ir.save(translated, file, external_data=beside)


def run(file, x):
    """ONNX Runtime's logits, in as many calls as the file's batch needs.

    It has no convolution of doubles; there the reference implementation of onnx takes its place.
    """
    if x.dtype == np.float64:
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(str(file)).run(None, {INPUT: x})[0]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    size = source.shape[0] if isinstance(source.shape[0], int) else len(x)
    parts = [session.run(None, {source.name: x[i : i + size]})[0] for i in range(0, len(x), size)]
    return np.concatenate(parts)


def distance(found, expected):
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def fresh(name):
    """A network as its constructor leaves it, in eval mode."""
    torch.manual_seed(1)
    return zoo.construct(name).eval()


def expected_output(form, model, x):
    """What the file should compute: of a file in train mode with the batch's statistics, without dropout."""
    if form.keywords is TRAINING:
        model = copy.deepcopy(model).train()
        zoo.quiet(model)
    if form.dtype == "f16":
        # Sums in f32, as ONNX Runtime has them.
        model, x = copy.deepcopy(model).float(), x.float()
    with torch.no_grad():
        return model(x).float().numpy()


def write_form(form, model, name, file):
    """Writes a file of a network of the zoo and says how it differs from PyTorch."""
    source = fresh(name) if form.fresh else model
    # Tracing in train mode moves the running statistics.
    if form.dtype != "f32" or form.keywords is TRAINING:
        source = copy.deepcopy(source).to(DTYPES[form.dtype])
    x = zoo.images(name, 2, 7).to(DTYPES[form.dtype])
    row = write(form, source, x, file)
    if form.fresh or form.dtype == "f16" or form.keywords is TRAINING:
        source.load_state_dict(initialisers(file), strict=False)
        with torch.no_grad():
            y = source.float().eval()(x.float())
        np.savez(file.with_suffix(".npz"), input=x.float(), output=y)
    return row


def initialisers(file):
    """The tensors of a file: one in train mode holds the statistics after the pass that traced it."""
    tensors = onnx.load(file).graph.initializer
    return {t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in tensors}


def write(form, source, x, file):
    """Writes a file and says how it differs from PyTorch."""
    start = time.perf_counter()
    # What ONNX Runtime draws in train mode can be compared with nothing.
    random = form.keywords is TRAINING and any(getattr(m, "p", 0) for m in source.modules())
    source.train(form.keywords is TRAINING)
    with silence():
        (by_dynamo if form.dynamo else by_torchscript)(form, source, x[: form.batch or 2], file)
    seconds = time.perf_counter() - start
    expected = expected_output(form, source, x)
    loaded = onnx.load(file, load_external_data=False)
    row = {
        "seconds": round(seconds, 1),
        "bytes": file.stat().st_size,
        "nodes": len(loaded.graph.node),
        "opset": loaded.opset_import[0].version,
        "ir": loaded.ir_version,
        "random": random,
    }
    try:
        return row | {"off": distance(run(file, x.numpy()), expected)}
    except Exception as error:  # ONNX Runtime may refuse the file; it is written all the same.
        return row | {"error": f"ONNX Runtime: {error}"[:300]}


def write_reference(name, model, out, train):
    torch.save(model.state_dict(), out / f"{name}.pth")
    x = zoo.images(name, 2, 7)
    with torch.no_grad():
        arrays = {"input": x, "output": model(x)}
    if train:
        batches = (zoo.images(name, 4, seed) for seed in range(8, 11))
        batch, labels, golden, off = settled(name, model, batches)
        arrays |= {"train_input": batch, "labels": labels}
        (out / f"{name}.train.json").write_text(json.dumps(golden, indent=1) + "\n")
        (out / f"{name}.float32.json").write_text(json.dumps(off) + "\n")
    np.savez(out / f"{name}.npz", **arrays)


def limit(form):
    return 5e-2 if form.dtype == "f16" else TOLERANCE


def failure(error):
    """The row of an export that failed: its first and last lines say most."""
    lines = str(error).strip().splitlines() or [""]
    return {"error": f"{type(error).__name__}: {lines[0]} ... {lines[-1]}"[:400]}


def report(form, title, row):
    """Prints a row and says whether the file computes what PyTorch does."""
    good = "error" not in row and (row["off"] <= limit(form) or row["random"])
    text = row.get("error") or f"off {row['off']:.1e}, {row['nodes']} nodes, {row['seconds']} s"
    print(f"{'ok    ' if good else 'FAILED'} {title:36} {text}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default="", help="networks whose name holds this word")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--no-train", action="store_true", help="no references of training")
    parser.add_argument("--missing", action="store_true", help="only what is not recorded as written")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    failed = 0
    for name in zoo.NAMES:
        if options.only not in name:
            continue
        record = options.out / f"{name}.export.json"
        rows = {r["form"]: r for r in json.loads(record.read_text())} if record.exists() else {}
        files = {key: options.out / f"{name}.{key}.onnx" for key in options.forms.split(",")}
        wanted = [key for key in files if name in (FORMS[key].networks or zoo.NAMES)]
        last = options.out / f"{name}.{'npz' if options.no_train else 'float32.json'}"
        referred = options.missing and last.exists()
        if options.missing:
            wanted = [key for key in wanted if "off" not in rows.get(key, {}) or not files[key].exists()]
        if referred and not wanted:
            continue
        model = zoo.build(name)
        if not referred:
            write_reference(name, model, options.out, not options.no_train)
        for key in wanted:
            try:
                row = write_form(FORMS[key], model, name, files[key])
            except Exception as error:  # An exporter may fail in any way; the others go on.
                row = failure(error)
            rows[key] = {"form": key} | row
            failed += not report(FORMS[key], f"{name:20} {key}", row)
            record.write_text(json.dumps(list(rows.values()), indent=1) + "\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
