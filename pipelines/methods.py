"""Every pruning method beside the others: equal epochs, several seeds, one table (docs/methods.md).

    python3 pipelines/methods.py BIN DATA OUT [--networks ...] [--seeds ...] [--sparsities ...] [--only NAME ...]

Each run is a chain of artifacts below OUT, made by the stages in BIN. Finished artifacts are left as they are and
unfinished ones go on where they were, so the command may be stopped at any time and given again. --table prints what is
there and runs nothing.
"""
import argparse
import statistics
import subprocess
import sys
from pathlib import Path

RECIPE = str(Path(__file__).parent / "recipes" / "methods.yaml")
# A dense start and what follows are as long together as a training from scratch (the recipe has 8 and 3).
DENSE_EPOCHS = 5
# The learning rate goes back to where it was after this epoch of the dense start: three are left.
REWIND = "2epochs"
ROUNDS = 3


class Run:
    """Commands that make artifacts below a folder, in order."""

    def __init__(self, args, network, seed):
        self.args, self.network, self.seed = args, network, seed
        self.folder = Path(args.out) / f"{network}-seed{seed}"

    def stage(self, name, out, *flags):
        """Runs a stage unless its artifact is there; returns the artifact's folder."""
        folder = self.folder / out
        if not (folder / "manifest.yaml").exists():
            command = [f"{self.args.bin}/{name}", "--recipe", RECIPE, "--seed", str(self.seed), "--out", str(folder)]
            command += [str(flag) for flag in flags]
            if self.args.threads:
                command += ["--threads", str(self.args.threads)]
            print(" ".join(command), file=sys.stderr, flush=True)
            if subprocess.run(command).returncode != 0:
                sys.exit(f"{folder}: not made")
        return folder

    def trained(self, out, *flags):
        data = ["--data", self.args.data, "--network", self.network]
        return self.stage("trainer", out, *data, *flags)

    def dense(self):
        return self.trained("dense")

    def base(self):
        return self.trained("base", "--epochs", DENSE_EPOCHS, "--save-at", REWIND)

    def pruned(self, checkpoint, out, *flags):
        return self.stage("pruner", out, "--checkpoint", checkpoint, *flags)

    def tuned(self, checkpoint, out, *flags):
        return self.stage("finetuner", out, "--checkpoint", checkpoint, "--data", self.args.data, *flags)


def one_shot(run, sparsity, *flags, name="one-shot", tuning=()):
    pruned = run.pruned(run.base(), f"{name}-{sparsity}/pruned", "--sparsity", sparsity, *flags)
    return run.tuned(pruned, f"{name}-{sparsity}/tuned", *tuning)


def rounds(run, sparsity):
    rate = round(1 - (1 - sparsity) ** (1 / ROUNDS) + 5e-5, 4)
    checkpoint = run.base()
    for number in range(1, ROUNDS + 1):
        folder = f"rounds-{sparsity}/{number}"
        pruned = run.pruned(checkpoint, f"{folder}-pruned", "--sparsity", sparsity, "--rate", rate)
        checkpoint = run.tuned(pruned, f"{folder}-tuned", "--epochs", 1)
    return checkpoint


def rewound(run, sparsity):
    # The dense start's schedule goes on at its third epoch.
    dense = ["--lr", 0.1, "--schedule", "one-cycle", "--no-cycle-momentum"]
    rewind = ["--rewind", "lr", "--rewind-from", run.base(), *dense]
    return one_shot(run, sparsity, name="rewound", tuning=rewind)


def within(schedule, *flags, name=None):
    """Pruned within a training from scratch."""
    def method(run, sparsity):
        out = f"{name or schedule}-{sparsity}"
        return run.trained(out, "--prune", schedule, "--sparsity", sparsity, *flags)
    return method


def gradual_from_dense(run, sparsity):
    flags = ["--prune", "gradual", "--sparsity", sparsity, "--lr", 0.05]
    return run.tuned(run.base(), f"gradual-from-dense-{sparsity}", *flags)


def distilled(run, sparsity):
    flags = ["--prune", "gradual", "--sparsity", sparsity, "--teacher", run.dense()]
    return run.trained(f"gradual-distilled-{sparsity}", *flags)


METHODS = {
    "one-shot + fine-tuning": one_shot,
    "rounds": rounds,
    "learning-rate rewinding": rewound,
    "gradual from dense": gradual_from_dense,
    "gradual from scratch": within("gradual"),
    "AC/DC": within("acdc"),
    "RigL": within("rigl"),
    "random, one-shot": lambda run, s: one_shot(run, s, "--score", "random", name="random"),
    "gradual, LAMP": within("gradual", "--allocation", "lamp", name="gradual-lamp"),
    "gradual, ERK": within("gradual", "--allocation", "erk", name="gradual-erk"),
    "gradual, distilled from dense": distilled,
    "gradual, blocks of four": within("gradual", "--structure", "block4", name="gradual-block4"),
}


def accuracy(folder):
    """Test accuracy in percent that an artifact's manifest has; None where there is none yet."""
    path = folder / "manifest.yaml"
    if not path.exists():
        return None
    lines = path.read_text().splitlines()
    key = "  tuned:" if "  tuned:" in lines else "  scores:"
    test = lines.index("    test:", lines.index(key))
    of = next(line for line in lines[test:] if line.strip().startswith("accuracy:"))
    return float(of.split(":")[1]) * 100


class Found(Run):
    """The same chains, looked at and not made."""

    def stage(self, name, out, *flags):
        return self.folder / out


def cell(values):
    values = [v for v in values if v is not None]
    if not values:
        return ""
    mean = statistics.mean(values)
    spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
    return f"{mean:.2f}{spread}"


def table(args, network):
    found = [Found(args, network, seed) for seed in args.seeds]
    print(f"\n`{network}`: dense {cell(accuracy(run.dense()) for run in found)} %, "
          f"after {DENSE_EPOCHS} epochs {cell(accuracy(run.base()) for run in found)} %\n")
    print("| method | " + " | ".join(f"{s * 100:g} %" for s in args.sparsities) + " |")
    print("|---" * (len(args.sparsities) + 1) + "|")
    for name, method in METHODS.items():
        cells = [cell(accuracy(method(run, s)) for run in found) for s in args.sparsities]
        if any(cells):
            print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bin")
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--networks", nargs="+", default=["vgg-lab@0.25", "resnet18@0.25"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--sparsities", nargs="+", type=float, default=[0.8, 0.9, 0.95, 0.98])
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    args = parser.parse_args()
    for seed in [] if args.table else args.seeds:
        for network in args.networks:
            run = Run(args, network, seed)
            run.dense()
            for sparsity in args.sparsities:
                for name in args.only:
                    METHODS[name](run, sparsity)
    for network in args.networks:
        table(args, network)


if __name__ == "__main__":
    main()
