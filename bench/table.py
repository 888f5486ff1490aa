"""What was measured, as plain text of at most 100 columns."""

import math
import statistics
import textwrap
from itertools import zip_longest

from budget import NO_ROOM, NO_TIME
from operations import NAMES
from training import epoch_seconds

WIDTH = 100
# What the goals are about, and what they ask for.
GOAL = ("resnet18", 32, 512)
RATIO, SPEED = 0.8, 15_000


def text(found):
    """All parts that have something to tell."""
    parts = (header, conformance, steps, ops, trainings, goals)
    return "\n".join(line for part in parts for line in part(found))


def title(words):
    return ["", words, "-" * len(words)]


def wrapped(words):
    return textwrap.wrap(words, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def header(found):
    width = max(len(name) for name in found["machine"])
    return [
        line
        for name, value in found["machine"].items()
        for line in wrapped(f"{name:{width}}  {value}")
    ]


def conformance(found):
    lines = []
    for precision, cases in found.get("conformance", {}).items():
        told = cases if isinstance(cases, str) else verdict(cases)
        lines += wrapped(f"{precision:5} {told}")
    words = "Conformance: our operations on the device beside the processor's"
    return title(words) + lines if lines else []


def verdict(cases):
    """How many there are, how many are beyond tolerance, and which come closest to it."""
    beyond, worst = [case for case in cases if not holds(case)], max(cases, key=share)
    which = f"{worst['what']}, {number(worst['found'], '.1e')} of {worst['tolerance']:.0e}"
    return f"{len(cases)} cases, {len(beyond)} beyond tolerance; the worst is {which}"


def holds(case):
    """Whether a case is within tolerance, which NaN is not."""
    return share(case) <= 1


def share(case):
    """How much of its tolerance a case takes; JSON has null for NaN."""
    found, most = case["found"], case["tolerance"]
    if found is None:
        return math.inf
    return found / most if most else math.inf * found if found else 0.0


def steps(found):
    rows = found.get("steps", [])
    if not rows:
        return []
    form = "{:16}{:>4}{:>7}{:>10}{:>10}{:>11}{:>12}{:>14}{:>16}"
    names = ["network", "px", "batch", "ours ms", "ours im/s", "eager ms", "compile ms"]
    names += ["ours/eager", "ours/compile"]
    heading = title(f"A training step, {found['precision']}; ratios are of images a second")
    lines = [form.format(*names).rstrip()]
    for row in rows:
        numbers = [
            cell(row, "ours"),
            number(speed(row), ",.0f"),
            cell(row, "eager"),
            cell(row, "compile"),
            number(ratio(row, "eager"), ".2f"),
            number(ratio(row, "compile"), ".2f"),
        ]
        lines.append(form.format(row["network"], row["side"], row["batch"], *numbers))
    return heading + lines + notes(rows)


def notes(rows):
    """What the cells without a number mean, where they do not say it all."""
    lines = []
    for row in rows:
        for name, why in row["notes"].items():
            if why not in (NO_TIME, NO_ROOM):
                lines += wrapped(f"{row['network']}, batch {row['batch']}, {name}: {why}")
    short = {why for row in rows for why in row["notes"].values()}
    lines += [f"no time: {NO_TIME}"] if NO_TIME in short else []
    return lines + ([f"no room: {NO_ROOM}"] if NO_ROOM in short else [])


def cell(row, name):
    """A median in milliseconds, or why there is none."""
    if row[name]:
        return f"{1e3 * statistics.median(row[name]):.2f}"
    why = row["notes"].get(name)
    return {None: "-", NO_TIME: "no time", NO_ROOM: "no room"}.get(why, "failed")


def number(value, form):
    return "-" if value is None else format(value, form)


def speed(row):
    """Our images a second."""
    return row["batch"] / statistics.median(row["ours"]) if row["ours"] else None


def ratio(row, peer):
    """Our images a second over the peer's."""
    if not row["ours"] or not row[peer]:
        return None
    return statistics.median(row[peer]) / statistics.median(row["ours"])


def ops(found):
    part = found.get("ops")
    if not part:
        return []
    words = f"ResNet-18's operations, batch {part['batch']}: ms of ours, of eager, eager/ours"
    lines = title(words)
    lines.append(f"{'':24}" + "".join(f"{name:>25}" for name in NAMES))
    for row in part["rows"]:
        both = zip_longest(row["ours"] or [], row["eager"] or [])
        lines.append(f"{row['name']:24}" + "".join(map(pair, both)))
    for name, why in part["notes"].items():
        lines += wrapped(f"{name}: {why}")
    return lines


def pair(both):
    """Two times and their ratio, above 1 where ours is faster."""
    ours, eager = both
    faster = eager / ours if ours and eager else None
    return f"{number(ours, '.3f'):>10}{number(eager, '.3f'):>9}{number(faster, '.2f'):>6}"


def trainings(found):
    part = found.get("training")
    if not part:
        return []
    lines = []
    for name in ("ours", "eager"):
        side = part.get(name)
        if side:
            lines.append(
                f"{name:6}{len(side['epoch_seconds']):4} epoch(s){epoch_seconds(side):9.2f} s an "
                f"epoch{100 * side['test_accuracy']:9.2f} % of the test images right"
            )
        if name in part["notes"]:
            lines += wrapped(f"{name}: {part['notes'][name]}")
    if "recipe" in part:
        lines += wrapped(f"recipe: {' '.join(part['recipe'])}")
    return title("A training to its end") + lines + wrapped(curve(part))


def curve(part):
    """The check of the losses, said as what it is."""
    found = part.get("curve")
    if not found:
        why = part["notes"].get("curve", "not measured")
        return f"our first losses in f32, processor and GPU: {why}"
    off, most = found["apart"], found["tolerance"]
    met = "within" if max(off) <= most else "BEYOND"
    until = next((i for i, value in enumerate(off) if value > most), len(off))
    words = (
        f"losses of the first {found['steps']} steps in f32, ours on the GPU beside ours on the "
        f"processor: at most {max(off):.1e} apart, {met} {most:.0e}; within it for the first "
        f"{until} steps (each an epoch of one batch, the same 64 rendered images cropped anew, so "
        f"that the log has its loss; learning rate {found['lr']})"
    )
    control = part.get("control")
    if control:
        words += f"; the processor's own, with Winograd and without: {max(control['apart']):.1e}"
    return words


def goals(found):
    rows = found.get("steps", [])
    (row,) = [r for r in rows if (r["network"], r["side"], r["batch"]) == GOAL] or [None]
    eager, images = (ratio(row, "eager"), speed(row)) if row else (None, None)
    return title("Goals: a training step of ResNet-18 at batch 512") + [
        goal(f"at least {RATIO} x PyTorch eager", eager, RATIO, ".2f"),
        goal(f"at least {SPEED:,} images/s", images, SPEED, ",.0f"),
    ]


def goal(words, value, least, form):
    if value is None:
        return f"{words:32} not measured"
    return f"{words:32} {'met' if value >= least else 'NOT met'}: {value:{form}}"
