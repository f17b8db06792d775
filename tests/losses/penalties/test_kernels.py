"""The penalty reaches networks whose usual kernels have no second derivative."""

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from own_module import data
from processes import HELPERS, run_python
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from toy import trainer_options

from lol_lightning import GradientPenalty, LoLClassifier, LoLLoss


class Reader(nn.Module):
    """Words attend to each other: by PyTorch's layer, by its encoder, or by the bare function."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.embed, self.head = nn.Linear(1, 8), nn.Linear(8, 2)
        layers = {
            "encoder": lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0),
            "attention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
            "function": lambda: nn.Linear(8, 8),
        }
        self.layer = layers[kind]()

    def forward(self, x):
        h = self.embed(x.unsqueeze(-1))
        if self.kind == "encoder":
            h = self.layer(h)
        elif self.kind == "attention":
            h = self.layer(h, h, h, need_weights=False)[0]
        else:
            q = self.layer(h).unsqueeze(1)
            h = F.scaled_dot_product_attention(q, q, q).squeeze(1)
        return self.head(h.mean(1))


def ready():
    module = data(batch_size=16)
    module.setup("fit")
    return module


@pytest.mark.parametrize("kind", ["encoder", "attention", "function"])
def test_attention_is_differentiated_twice(kind, caplog):
    torch.manual_seed(0)
    network, batch = Reader(kind).double(), next(iter(ready().train_dataloader()))
    batch.features = batch.features.to_dense(torch.double)
    lol = LoLLoss(GradientPenalty(num_samples=3), class_shares=None).double()
    with caplog.at_level("INFO"):
        terms = lol(network, batch)
    gradients = torch.autograd.grad(terms.penalty, list(network.parameters()), allow_unused=True)
    with sdpa_kernel(SDPBackend.MATH):
        expected = torch.autograd.grad(
            LoLLoss(GradientPenalty(num_samples=3)).double()(network, batch).penalty,
            list(network.parameters()),
            allow_unused=True,
        )
    assert sum(float(g.abs().sum()) for g in gradients if g is not None) > 0
    torch.testing.assert_close(gradients, expected)
    assert ("attention by its math kernel" in caplog.text) == (kind != "function")


@pytest.mark.slow
def test_compiled_networks_and_models_train_as_plain_ones_do():
    output = run_python("-W", "ignore", HELPERS / "compiled_fit.py")
    apart = [float(number) for number in output.rpartition("APART ")[2].split()]
    assert len(apart) == 2
    assert max(apart) < 1e-4


@pytest.mark.parametrize("optimizer", ["adam", "lazy-adam"])
def test_gradients_are_clipped_by_value_whatever_the_optimizer(optimizer, caplog):
    largest = []

    class Clipped(LoLClassifier):
        def on_before_zero_grad(self, _):
            largest.extend(float(p.grad.abs().max()) for p in self.parameters() if p.grad is not None)

    with caplog.at_level("INFO"):
        pl.Trainer(**trainer_options(max_epochs=2, gradient_clip_val=1e-3, gradient_clip_algorithm="value")).fit(
            Clipped(optimizer=optimizer), data(batch_size=16)
        )
    assert 0 < max(largest) <= 1.001e-3
    assert ("not lazy" in caplog.text) == (optimizer == "lazy-adam")
