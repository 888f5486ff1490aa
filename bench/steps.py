"""Whole training steps: ours and PyTorch's in turn, the main table."""

from budget import NO_TIME, tell
from pytorch import Peer

# Times that ours and eager take turns in a row.
ROUNDS = 2
# Seconds that compiling a network and timing it may take.
COMPILING = 90
# The batch of the goals; its rows are measured first, and compiled first.
FIRST = 512


def side(network, batch, device):
    """Pixels of the images: 224 where EfficientNet's usual ones are no more than 128."""
    usual = network == "efficientnet-b0" and batch <= 128 and device == "cuda"
    return 224 if usual else 32


def plan(networks, batches, device):
    """All rows, empty, those of the goals first."""
    ordered = sorted(batches, key=lambda batch: (batch != FIRST, batches.index(batch)))
    return [
        {"network": n, "side": side(n, b, device), "batch": b}
        | {"ours": [], "eager": [], "compile": [], "notes": {}}
        for b in ordered
        for n in networks
    ]


class Steps:
    """The rows of a run; `save` is called after each."""

    def __init__(self, ours, setting, budget, save):
        self.ours, self.setting, self.budget, self.save = ours, setting, budget, save

    def run(self, rows, compiled):
        """Ours and eager of all `rows`; compiled of the first, and of others as time is left."""
        for i, row in enumerate(rows):
            self.done(row, "ours and eager", self.turns)
            if compiled and i == 0:
                self.done(row, "compile", self.compile)
        for row in rows[1:] if compiled else []:
            self.done(row, "compile", self.compile)

    def done(self, row, what, work):
        tell(f"steps: {row['network']} at {row['side']} px, batch {row['batch']}: {what}")
        work(row)
        self.setting.rest()
        self.save()

    def turns(self, row):
        """Ours, eager, ours, eager."""
        try_it = self.budget.attempt
        peer = try_it(row["notes"], "eager", lambda: self.peer(row))
        count = peer.count if peer else self.setting.repeat
        for _ in range(ROUNDS):
            self.setting.rest()
            row["ours"] += try_it(row["notes"], "ours", lambda: self.mine(row, count)) or []
            row["eager"] += try_it(row["notes"], "eager", lambda: peer.round(peer.model)) or []
        forget(row, "ours", "eager")

    def compile(self, row):
        """Compiled, eager, compiled: the eager steps show whether the device has kept its pace."""
        if "eager" in row["notes"] and row["notes"]["eager"] != NO_TIME:
            row["notes"]["compile"] = row["notes"]["eager"]
            return
        both = lambda: self.both(row)  # noqa: E731
        row["compile"] += self.budget.attempt(row["notes"], "compile", both, COMPILING) or []
        forget(row, "compile")

    def both(self, row):
        peer = self.peer(row)
        peer.compile()
        peer.warm_up(peer.compiled)
        first = peer.round(peer.compiled)
        between = peer.round(peer.model)
        last = peer.round(peer.compiled)
        row["eager"] += between
        return first + last

    def peer(self, row):
        peer = Peer(row["network"], row["side"], row["batch"], self.setting)
        peer.warm_up(peer.model)
        return peer

    def mine(self, row, count):
        return self.ours.steps(row["network"], row["side"], row["batch"], count)


def forget(row, *names):
    """Drops the note on what was measured all the same, if for fewer rounds."""
    for name in names:
        if row[name] and row["notes"].get(name) == NO_TIME:
            del row["notes"][name]
