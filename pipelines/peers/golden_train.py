"""What training computes of a network: loss and gradient norms in float64, as the golden files hold them.

export.py writes them beside the ONNX files. Dropout and stochastic depth are off; norms take the batch's
statistics. With them comes how far PyTorch's own float32 is: a value that lies so near to a kink of ReLU that
rounding moves it across changes gradients by a percent, in any program.
"""

import copy

import torch
import torch.nn.functional as F

import zoo

# Differences below this part of the largest gradient norm do not count, as in our golden tests.
FLOOR = 1e-5
# A batch on which PyTorch's float32 does worse is replaced by another. Gradient norms suffer near a kink,
# logits where an image is unlike those that the running statistics were measured on.
LIMITS = {"grad_norm": 5e-3, "logits": 2e-5}


def quiet_copy(model, dtype):
    model = copy.deepcopy(model).to(dtype).train()
    zoo.quiet(model)
    return model


def step(model, x, labels):
    """Loss of a forward and backward pass; the gradients stay in the parameters."""
    model.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    return loss.item()


def norms(model):
    return {k: p.grad.double().norm().item() for k, p in model.named_parameters()}


def float32_off(model, x, labels, golden):
    """How far PyTorch's float32 is from the references, in the measures of our golden tests."""
    loss, expected = golden["train_loss"], golden["grad_norm"]
    logits = torch.tensor(golden["logits"], dtype=torch.float64)
    single = quiet_copy(model, torch.float32).eval()
    with torch.no_grad():
        found_logits = single(x).double()
    single.train()
    found_loss = step(single, x, labels)
    floor = FLOOR * max(expected.values())
    off = {k: abs(v - expected[k]) for k, v in norms(single).items()}
    gradient = max((d / expected[k] for k, d in off.items() if d > floor), default=0.0)
    return {
        "logits": ((found_logits - logits).norm() / logits.norm()).item(),
        "train_loss": abs(found_loss - loss) / abs(loss),
        "grad_norm": gradient,
    }


def reference(name, model, x, labels):
    """The fields of a golden file (crates/engine/src/golden.rs); and PyTorch's f32 against them."""
    double = quiet_copy(model, torch.float64).eval()
    with torch.no_grad():
        logits = double(x.double())
    double.train()
    losses = [step(double, x.double(), labels)]
    expected = norms(double)
    # By its slope the first step would take a hundredth off the loss. Where gradients are steep, at a fixed rate
    # float32 loses its way within three steps, in any program.
    lr = float(f"{0.01 * losses[0] / sum(n * n for n in expected.values()):.0e}")
    # `foreach` would hold all updates at once.
    optimiser = torch.optim.SGD(
        double.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4, foreach=False
    )
    for _ in range(3):
        optimiser.step()
        losses.append(step(double, x.double(), labels))
    golden = {
        "model": name,
        "batch": len(x),
        "side": x.shape[-2],
        "parameters": sum(p.numel() for p in model.parameters()),
        "logits": logits.tolist(),
        "train_loss": losses[0],
        "grad_norm": expected,
        "lr": lr,
        "loss_after_step": losses[1:],
    }
    return golden, float32_off(model, x, labels, golden)


def settled(name, model, batches):
    """(images, labels, reference, f32's differences) of the first batch that float32 does well on, or of the best."""
    best, least = None, None
    for x in batches:
        labels = torch.arange(len(x))
        golden, off = reference(name, model, x, labels)
        worst = max(off[what] / limit for what, limit in LIMITS.items())
        if best is None or worst < least:
            best, least = (x, labels, golden, off), worst
        if worst < 1:
            break
    return best
