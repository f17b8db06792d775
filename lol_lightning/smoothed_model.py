"""The smoothed model's gradient on the inspected features: what Eq. 3 holds against the labeling functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import SparseRows
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.functional.smoothing import cumulative_rates, poisson_rows
from lol_lightning.network import SplitNetwork, first_layer_rows
from lol_lightning.targets import GradientTargets

__all__ = ["Phi", "SmoothedModel", "evaluation_mode"]

Phi = float | Literal["document-frequency", "data"]


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Put every part of a network in evaluation mode and restore each part's own mode afterwards."""
    training = [part for part in network.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


class SmoothedModel:
    r"""Draws smoothing samples and differentiates a network at them.

    Samples depend on the seed and the step alone, so that all ranks of a distributed run draw the same ones.

    Args:
        phi: chance of each feature in the samples: a float for all of them, "document-frequency" for
            ``targets.document_frequency``, or "data" to take rows of the batch instead of drawing samples.
        num_samples: t, at least 1.
        seed: of the smoothing samples.

    Raises:
        ConfigurationError: if ``phi`` or ``num_samples`` lies outside its range.
    """

    def __init__(self, phi: Phi = "document-frequency", num_samples: int = 10, seed: int = 0) -> None:
        if isinstance(phi, str) and phi not in ("document-frequency", "data"):
            raise ConfigurationError(f"phi = {phi!r}; use a float in (0, 1), 'document-frequency' or 'data'.")
        if not isinstance(phi, str) and not 0 < phi < 1:
            raise ConfigurationError(f"phi = {phi} must lie strictly between 0 and 1.")
        if num_samples < 1:
            raise ConfigurationError(f"num_samples = {num_samples}; at least one smoothing sample is needed.")
        self.phi = phi
        self.num_samples = num_samples
        self.seed = seed
        self._rates: tuple[GradientTargets, Tensor] | None = None

    def gradient(
        self, network: nn.Module, targets: GradientTargets, rows: Tensor | SparseRows, step: int
    ) -> Float[Tensor, "cls inspected"]:
        """Gradient of the smoothed class probabilities on the inspected features, with a graph to the weights.

        A ``SplitNetwork`` is chained through its first layer: the cost follows the inspected features and the words of
        the samples, not the size of the vocabulary. Any other network is differentiated at dense samples.

        Args:
            network: maps features to logits (N, K); run in evaluation mode here.
            targets: which features are inspected.
            rows: the batch's features, float (B, ...) or ``SparseRows``; the samples follow their dtype and device.
            step: number of the step, the same on all ranks.

        Returns:
            float (K, F), in probability per ``feature_scale``, columns as in ``targets.features``.
        """
        samples = self._samples(targets, rows, step)
        with evaluation_mode(network):
            if isinstance(network, SplitNetwork):
                hidden = model_input_gradient(network.rest, network.first_layer(samples), targets.num_classes)
                gradient = hidden @ first_layer_rows(network, targets.features, targets.num_features).T
            else:
                dense = samples.to_dense() if isinstance(samples, SparseRows) else samples
                gradient = model_input_gradient(network, dense, targets.num_classes).flatten(1)[:, targets.features]
        if targets.feature_scale is None:
            return gradient
        return gradient * targets.feature_scale[targets.features].to(gradient.dtype)

    def _samples(self, targets: GradientTargets, rows: Tensor | SparseRows, step: int) -> Tensor | SparseRows:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        if self.phi == "data":
            chosen = torch.randperm(len(rows), generator=generator)[: self.num_samples].to(rows.device)
            return rows.rows(chosen) if isinstance(rows, SparseRows) else rows[chosen].detach()
        indices, offsets = poisson_rows(self._cumulative_rates(targets), self.num_samples, generator)
        indices, offsets = (part.to(rows.device, non_blocking=True) for part in (indices, offsets))
        scale = None if targets.feature_scale is None else targets.feature_scale[indices]
        samples = SparseRows(indices, offsets, scale, targets.num_features)
        if isinstance(rows, SparseRows):
            return samples
        return samples.to_dense(rows.dtype).reshape(self.num_samples, *rows.shape[1:])

    def _cumulative_rates(self, targets: GradientTargets) -> Tensor:
        if self._rates is None or self._rates[0] is not targets:
            if isinstance(self.phi, str):
                phi = targets.document_frequency
                if phi is None:
                    raise TargetsError(
                        "phi = 'document-frequency' needs gradient targets with a document_frequency. Map the records "
                        "with a fitted feature space, or give phi as a float."
                    )
            else:
                phi = torch.full((targets.num_features,), self.phi)
            self._rates = targets, cumulative_rates(phi)
        return self._rates[1]
