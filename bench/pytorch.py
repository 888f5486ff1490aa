"""PyTorch's side of a step: channels_last, autocast, the optimiser as it comes."""

import gc
import statistics
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from networks import NETWORKS

# Seconds of a round where that is at least so many steps.
ROUND, FEWEST = 2.0, 3


@dataclass(frozen=True)
class Setting:
    """Where PyTorch computes, how it rounds, and how often it is timed."""

    device: str
    precision: str
    repeat: int  # timed steps of a round, at most
    warm: int  # steps before them

    def prepare(self):
        """Sets what is PyTorch's own for the whole process."""
        torch.backends.cudnn.benchmark = True
        products = self.precision != "f32"
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = products

    def autocast(self):
        on = self.precision == "bf16"
        return torch.autocast(self.device, torch.bfloat16, enabled=on)

    def seconds(self, work, count):
        """Of each of `count` calls of `work`, one behind the other.

        On a GPU between events of its stream: the host may run ahead, as it does in a training.
        """
        if self.device == "cpu":
            return [clock(work) for _ in range(count)]
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
        marks[0].record()
        for mark in marks[1:]:
            work()
            mark.record()
        torch.cuda.synchronize()
        return [a.elapsed_time(b) / 1e3 for a, b in zip(marks, marks[1:])]

    def rest(self):
        """Hands memory that nothing uses back to the device, on which ours run next."""
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()


def clock(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def descent(model, lr=0.01):
    """The optimiser of all steps."""
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)


class Peer:
    """A network of PyTorch's and a batch, both on the device."""

    def __init__(self, network, side, batch, setting):
        torch.manual_seed(0)
        self.setting, last = setting, torch.channels_last
        self.model = NETWORKS[network]().to(setting.device, memory_format=last).train()
        x = torch.randn(batch, 3, side, side, device=setting.device)
        self.x = x.contiguous(memory_format=last)
        self.y = torch.arange(batch, device=setting.device) % 10
        self.optimiser = descent(self.model)
        self.compiled, self.count = None, setting.repeat

    def compile(self):
        """torch.compile in its default mode, of these shapes alone."""
        torch._dynamo.reset()
        self.compiled = torch.compile(self.model)

    def step(self, model):
        self.optimiser.zero_grad(set_to_none=True)
        with self.setting.autocast():
            loss = F.cross_entropy(model(self.x), self.y)
        loss.backward()
        self.optimiser.step()

    def warm_up(self, model):
        """Steps in which the fastest kernels are found; then `count` is what a round affords."""
        seconds = self.setting.seconds(lambda: self.step(model), self.setting.warm)
        affordable = max(FEWEST, int(ROUND / statistics.median(seconds)))
        self.count = min(self.setting.repeat, affordable)

    def round(self, model):
        """Seconds of each step of a round; what was handed back of memory is taken again before."""
        step = lambda: self.step(model)  # noqa: E731
        self.setting.seconds(step, self.setting.warm)
        return self.setting.seconds(step, self.count)
