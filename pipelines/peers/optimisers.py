"""Writes the trajectories of PyTorch's optimisers and schedules that our tests are held to.

usage: optimisers.py [--out crates/engine/tests/golden/optimisers.json]

Eight weights go down sum(a * (w - b)^2 / 2 + c * sin(d * w)), in float64, for a hundred steps. The
file holds the settings of each case and, after 1, 10, 50 and 100 steps, the weights and the step's
learning rate and momentum (of Adam: its first beta). The test computes the same from the settings.
"""

import argparse
import json

import torch
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    MultiStepLR,
    OneCycleLR,
    StepLR,
)

STEPS = 100
SHOWN = (1, 10, 50, 100)
PLAIN = {
    "optimiser": "sgd",
    "lr": 0.01,
    "momentum": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "nesterov": False,
    "clip_value": None,
    "clip_norm": None,
    "schedule": "constant",
    "every": 30,
    "milestones": [20, 50, 80],
    "gamma": 0.3,
    "rise": 0.3,
    "div": 25.0,
    "final_div": 1e4,
    "cycle_momentum": True,
}
CASES = {
    "sgd": {"weight_decay": 5e-4},
    "sgd-nesterov-cosine": {"weight_decay": 0.01, "nesterov": True, "schedule": "cosine"},
    "sgd-step": {"weight_decay": 5e-4, "schedule": "step"},
    "sgd-multi-step": {"lr": 0.02, "nesterov": True, "schedule": "multi-step"},
    "sgd-one-cycle": {"lr": 0.05, "weight_decay": 5e-4, "schedule": "one-cycle"},
    "sgd-one-cycle-constant-momentum": {
        "lr": 0.05,
        "schedule": "one-cycle",
        "cycle_momentum": False,
        "rise": 0.4,
        "div": 10.0,
        "final_div": 100.0,
    },
    "sgd-clipped": {"clip_value": 0.5, "clip_norm": 0.9, "weight_decay": 5e-4},
    "adam": {"optimiser": "adam", "weight_decay": 0.01},
    "adam-multi-step": {"optimiser": "adam", "schedule": "multi-step"},
    "adam-one-cycle": {"optimiser": "adam", "lr": 0.02, "schedule": "one-cycle"},
    "adamw": {"optimiser": "adamw", "weight_decay": 0.1},
    "adamw-one-cycle": {
        "optimiser": "adamw",
        "lr": 0.02,
        "weight_decay": 0.1,
        "schedule": "one-cycle",
    },
    "adamw-clipped": {"optimiser": "adamw", "clip_norm": 0.5, "schedule": "step"},
}


def problem():
    """The starting weights and the loss as a function of them."""
    i = torch.arange(8, dtype=torch.float64)
    a, b, c, d = 0.5 + 0.25 * i, 2.0 - 0.3 * i, 0.2 + 0.05 * i, 1.0 + 0.5 * i
    start = torch.nn.Parameter(1.0 + 0.5 * torch.cos(i))
    return start, lambda w: (a * (w - b) ** 2 / 2 + c * torch.sin(d * w)).sum()


def optimiser(case, w):
    shared = {"lr": case["lr"], "weight_decay": case["weight_decay"]}
    if case["optimiser"] == "sgd":
        return SGD([w], momentum=case["momentum"], nesterov=case["nesterov"], **shared)
    betas = (case["momentum"], case["beta2"])
    kind = {"adam": Adam, "adamw": AdamW}[case["optimiser"]]
    return kind([w], betas=betas, eps=case["eps"], **shared)


def schedule(case, of):
    return {
        "constant": lambda: ConstantLR(of, factor=1.0),
        "cosine": lambda: CosineAnnealingLR(of, T_max=STEPS),
        "step": lambda: StepLR(of, step_size=case["every"], gamma=case["gamma"]),
        "multi-step": lambda: MultiStepLR(of, case["milestones"], gamma=case["gamma"]),
        "one-cycle": lambda: OneCycleLR(
            of,
            max_lr=case["lr"],
            total_steps=STEPS,
            pct_start=case["rise"],
            div_factor=case["div"],
            final_div_factor=case["final_div"],
            cycle_momentum=case["cycle_momentum"],
        ),
    }[case["schedule"]]()


def run(case):
    w, loss = problem()
    moves = optimiser(case, w)
    course = schedule(case, moves)
    points = []
    for step in range(1, STEPS + 1):
        moves.zero_grad()
        loss(w).backward()
        if case["clip_value"] is not None:
            torch.nn.utils.clip_grad_value_([w], case["clip_value"])
        if case["clip_norm"] is not None:
            torch.nn.utils.clip_grad_norm_([w], case["clip_norm"])
        group = moves.param_groups[0]
        momentum = group["momentum"] if "momentum" in group else group["betas"][0]
        now = {"step": step, "lr": group["lr"], "momentum": momentum}
        moves.step()
        if step < STEPS:
            course.step()
        if step in SHOWN:
            points.append({**now, "weights": w.detach().tolist()})
    return points


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="crates/engine/tests/golden/optimisers.json")
    out = parser.parse_args().out
    cases = [{**PLAIN, **changes} for changes in CASES.values()]
    cases = [{"name": n, **c, "points": run(c)} for n, c in zip(CASES, cases)]
    with open(out, "w", encoding="utf-8") as file:
        json.dump(cases, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
