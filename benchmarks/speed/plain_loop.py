"""Losses over Labels as one would first write it from the paper: dense, and with a loop for every sum.

It is right, and it is what the package is measured against. Dense rows go through ``nn.Linear``; each labeling
function's votes are a cross-entropy of their own (Eq. 1, 2); every class is differentiated by itself, over the whole
vocabulary, at dense smoothing samples (Sec. 4.2); each LF has its own hinge (Eq. 3) and enters the sum of Eq. 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lol_lightning.data.dataset import LoLDataset
from lol_lightning.functional.gradient_targets import GradientTargets

Demands = list[tuple[Tensor, Tensor, Tensor]]
"""For each LF the classes, the features and the values of its gradient."""


def plain_mlp(num_features: int, num_classes: int, dropout: float = 0.2) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_features, 64),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(64, 16),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(16, num_classes),
    )


def demands_of(targets: GradientTargets) -> Demands:
    entries = [targets.lf == lf for lf in range(targets.num_lfs)]
    return [(targets.cls[e], targets.feature[e], targets.value[e]) for e in entries]


def smoothed_gradient(network: nn.Module, samples: Tensor, num_classes: int) -> Tensor:
    """Gradient of each class's probability on all features, averaged over the samples, float (K, d)."""
    samples = samples.detach().requires_grad_()
    network.eval()
    probs = network(samples).softmax(-1)
    network.train()
    gradients = []
    for k in range(num_classes):
        (gradient,) = torch.autograd.grad(probs[:, k].sum(), samples, create_graph=True)
        gradients.append(gradient.mean(0))
    return torch.stack(gradients)


def plain_loss(
    network: nn.Module, x: Tensor, votes: Tensor, samples: Tensor, demands: Demands, alpha: float, c: float
) -> Tensor:
    """Eq. 4 on dense rows (B, d), votes (B, m) and smoothing samples (t, d)."""
    logits = network(x)
    num_votes = (votes != -1).sum(1)
    gradient = smoothed_gradient(network, samples, logits.shape[1])
    loss = 0.0 * logits.sum()
    for i, (classes, features, values) in enumerate(demands):
        voting = votes[:, i] != -1
        if voting.any():
            cross_entropy = F.cross_entropy(logits[voting], votes[voting, i], reduction="none")
            margin = c * values.abs() - values.sign() * gradient[classes, features]
            penalty = margin.relu().square().sum()
            loss = loss + ((cross_entropy + alpha * penalty) / num_votes[voting]).sum()
    return loss / len(x)


class PlainLoop:
    """Trains on a dense copy of a dataset with Adam as ``torch.optim`` gives it."""

    def __init__(
        self,
        dataset: LoLDataset,
        batch_size: int = 128,
        alpha: float = 10.0,
        c: float = 0.2,
        num_samples: int = 10,
        lr: float = 1e-2,
    ) -> None:
        targets = dataset.gradient_targets
        self.features = dataset.features.to_dense()
        self.votes = dataset.votes.long()
        self.demands, self.frequency = demands_of(targets), targets.document_frequency
        self.batch_size, self.alpha, self.c, self.num_samples = batch_size, alpha, c, num_samples
        torch.manual_seed(0)
        self.network = plain_mlp(targets.num_features, targets.num_classes)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)

    def epoch(self) -> None:
        for index in torch.randperm(len(self.features)).split(self.batch_size):
            samples = torch.bernoulli(self.frequency.expand(self.num_samples, -1))
            self.optimizer.zero_grad()
            loss = plain_loss(
                self.network, self.features[index], self.votes[index], samples, self.demands, self.alpha, self.c
            )
            loss.backward()
            self.optimizer.step()
