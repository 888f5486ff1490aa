"""Which operators occur in the exported files, with which attributes, and on which side of the graph.

usage: operators.py NETS

NETS is the folder that export.py and export_operations.py have filled. Writes NETS/TABLES.md, and
NETS/LISTING.txt with every node of the files of single operations.

A node computes on images (`data`), on their sizes (`shape`: behind Shape), or on constants alone. An importer that knows
the sizes folds the last two.
"""

import argparse
import collections
import json
import pathlib

import onnx
from onnx import helper, numpy_helper

import zoo
from export import FORMS


def value(attribute):
    found = helper.get_attribute_value(attribute)
    if isinstance(found, bytes):
        return found.decode()
    if isinstance(found, onnx.TensorProto):
        return tensor(found)
    if isinstance(found, float):
        return f"{found:.6g}"
    return "graph" if isinstance(found, onnx.GraphProto) else str(found)


def tensor(proto):
    """Type and sizes, and the values of small ones."""
    kind = onnx.TensorProto.DataType.Name(proto.data_type).lower()
    text = f"{kind}{list(proto.dims)}"
    if proto.data_location == onnx.TensorProto.EXTERNAL:
        return text + " outside"
    array = numpy_helper.to_array(proto)
    if array.size <= 8:
        text += f"={[round(v, 6) for v in array.tolist()] if array.ndim == 1 else array.tolist()}"
    return text


def sides(graph):
    """(node, "data" | "shape" | "constant") in the file's order."""
    behind = {i.name: "data" for i in graph.input if i.name not in {t.name for t in graph.initializer}}
    for node in graph.node:
        of = {behind.get(name, "constant") for name in node.input}
        side = "data" if "data" in of else "shape" if "shape" in of else "constant"
        behind |= dict.fromkeys(node.output, "shape" if node.op_type in ("Shape", "Size") and side == "data" else side)
        yield node, "shape" if node.op_type in ("Shape", "Size") else side


def listing(file):
    """Every node on a line: outputs, operator with its attributes, inputs with small constants spelled out."""
    graph = onnx.load(file, load_external_data=False).graph
    known = {t.name: f"<{t.name} {tensor(t)}>" for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            (attribute,) = node.attribute
            known[node.output[0]] = f"Constant<{value(attribute)}>"
            continue
        attributes = ", ".join(f"{a.name}={value(a)}" for a in node.attribute)
        inputs = ", ".join(known.get(i, i) or "-" for i in node.input)
        yield f"  {', '.join(node.output)} = {node.op_type}[{attributes}]({inputs})"


class Seen:
    """What is known of an operator over all files."""

    def __init__(self):
        self.files = collections.defaultdict(set)
        self.sides = collections.Counter()
        self.attributes = collections.defaultdict(collections.Counter)
        self.inputs = collections.Counter()

    def add(self, node, side, form, name):
        self.files[form].add(name)
        self.sides[side] += 1
        self.inputs["+".join("-" if i == "" else "x" for i in node.input)] += 1
        for attribute in node.attribute:
            self.attributes[attribute.name][value(attribute)] += 1


def count(files):
    seen = collections.defaultdict(Seen)
    for form, name, file in files:
        for node, side in sides(onnx.load(file, load_external_data=False).graph):
            key = f"{node.domain}:{node.op_type}" if node.domain else node.op_type
            seen[key].add(node, side, form, name)
    return seen


def occurrence(seen, forms):
    yield "| operator | on | " + " | ".join(forms) + " |"
    yield "|---" * (len(forms) + 2) + "|"
    for operator in sorted(seen):
        one = seen[operator]
        where = ", ".join(f"{side} {n}" for side, n in sorted(one.sides.items()))
        yield f"| {operator} | {where} | " + " | ".join(str(len(one.files[f]) or "") for f in forms) + " |"


def attributes(seen):
    for operator in sorted(seen):
        one = seen[operator]
        yield f"- **{operator}**; inputs {', '.join(f'`{k or 0}`' for k in sorted(one.inputs))}"
        for name, values in sorted(one.attributes.items()):
            shown = [f"{v}" for v, _ in values.most_common(12)]
            more = f" and {len(values) - 12} more" if len(values) > 12 else ""
            yield f"  - `{name}`: {'; '.join(shown)}{more}"


def megabytes(size):
    return f"{size / 1e6:.1f}"


def size_table(nets):
    forms = ("torchscript", "folded", "dynamo", "dynamo-norms", "dynamo-raw")
    sizes = " | ".join(f"{f}: MB, nodes" for f in forms)
    yield f"| network | side | parameters | {sizes} | worst difference | f32 loss, gradients |"
    yield "|---" * (len(forms) + 5) + "|"
    for name in zoo.NAMES:
        record, train, single = (nets / f"{name}.{part}.json" for part in ("export", "train", "float32"))
        if not all(file.exists() for file in (record, train, single)):
            continue
        rows = {r["form"]: r for r in json.loads(record.read_text())}
        golden = json.loads(train.read_text())
        cells = []
        for form in forms:
            file = nets / f"{name}.{form}.onnx"
            beside = nets / f"{name}.{form}.onnx.data"
            if "nodes" in rows.get(form, {}):
                size = file.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
                cells.append(f"{megabytes(size)}, {rows[form]['nodes']}")
            else:
                cells.append("none")
        worst = max((r["off"], f) for f, r in rows.items() if "off" in r and f != "f16" and not r["random"])
        off = json.loads(single.read_text())
        yield (
            f"| {name} | {golden['side']} | {golden['parameters'] / 1e6:.2f} M | {' | '.join(cells)} "
            f"| {worst[0]:.0e} ({worst[1]}) | {off['train_loss']:.0e}, {off['grad_norm']:.0e} |"
        )


def failures(nets):
    """Files that an exporter could not write, or that compute something else than PyTorch."""
    for name in zoo.NAMES:
        record = nets / f"{name}.export.json"
        for row in json.loads(record.read_text()) if record.exists() else []:
            if "error" in row or row["off"] > 1e-4 and not row["random"]:
                yield f"- {name} {row['form']}: {row.get('error') or format(row['off'], '.0e')}"
    summary = nets / "ops" / "summary.json"
    for name, rows in json.loads(summary.read_text()).items() if summary.exists() else ():
        bad = collections.defaultdict(list)
        for form, row in rows.items():
            if "error" in row or row["off"] > 1e-4:
                bad[(row.get("error") or f"differs by {row['off']:.0e}").split(" ... ")[0][:160]].append(form)
        yield from (f"- {name} ({', '.join(forms)}): {text}" for text, forms in bad.items())


def of_networks(nets):
    for name in zoo.NAMES:
        for form in FORMS:
            file = nets / f"{name}.{form}.onnx"
            if file.exists():
                yield form, name, file


def of_operations(nets):
    for file in sorted((nets / "ops").glob("*.onnx")):
        name, form, _ = file.name.split(".")
        yield form, name, file


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nets", type=pathlib.Path)
    nets = parser.parse_args().nets
    networks, operations = count(of_networks(nets)), count(of_operations(nets))
    main_forms = ["torchscript", "fixed1", "training", "folded", "dynamo", "dynamo-norms", "dynamo-raw"]
    main_forms += ["opset11", "opset13", "opset18"]
    small = sorted({form for form, _, _ in of_operations(nets)})
    lines = ["## Networks: sizes, and how far ONNX Runtime is from PyTorch", "", *size_table(nets), ""]
    lines += ["## Failures", "", *failures(nets), ""]
    often = "in how many of each form an operator occurs"
    lines += [f"## Networks: {often}", "", *occurrence(networks, main_forms), ""]
    lines += ["## Networks: attributes and inputs", "", "`x` is an input, `-` one left out.", ""]
    lines += [*attributes(networks), "", f"## Single operations: {often}", ""]
    lines += [*occurrence(operations, small), "", "## Single operations: attributes and inputs", ""]
    lines += [*attributes(operations), ""]
    (nets / "TABLES.md").write_text("\n".join(lines))
    with open(nets / "LISTING.txt", "w") as out:
        for form, name, file in of_operations(nets):
            out.write(f"## {name} {form}\n" + "\n".join(listing(file)) + "\n")


if __name__ == "__main__":
    main()
