"""What training computes of a network: loss and gradient norms in float64, as the golden files hold them.

export.py writes them beside the ONNX files. Dropout and stochastic depth are off; norms take the batch's
statistics. Beside the references stands how far PyTorch's own float32 is from them: where that is much,
no float32 program can be expected to be nearer.
"""

import copy

import torch
import torch.nn.functional as F

import zoo


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


def reference(name, model, x, labels):
    """The fields of ../shared/golden/*.json, and `float32_off`: PyTorch's f32 against f64."""
    double = quiet_copy(model, torch.float64).eval()
    with torch.no_grad():
        logits = double(x.double())
    double.train()
    # `foreach` would hold all updates at once.
    optimiser = torch.optim.SGD(
        double.parameters(), lr=0.0001, momentum=0.9, weight_decay=5e-4, foreach=False
    )
    losses = [step(double, x.double(), labels)]
    expected = norms(double)
    single = quiet_copy(model, torch.float32)
    loss = step(single, x, labels)
    largest = max(expected.values())
    for _ in range(3):
        optimiser.step()
        losses.append(step(double, x.double(), labels))
    return {
        "model": name,
        "salt": "zoo",
        "batch": len(x),
        "side": x.shape[-1],
        "parameters": sum(p.numel() for p in model.parameters()),
        "logits": logits.tolist(),
        "train_loss": losses[0],
        "grad_norm": expected,
        "loss_after_step": losses[1:],
        "float32_off": {
            "train_loss": abs(loss - losses[0]) / abs(losses[0]),
            # Of norms that are not zero but for rounding.
            "grad_norm": max(
                abs(v - expected[k]) / expected[k]
                for k, v in norms(single).items()
                if expected[k] > 1e-6 * largest
            ),
        },
    }
