"""The smoothed model's gradient on the inspected features: what Eq. 3 holds against the labeling functions."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.data.batch import SparseRows
from lol_lightning.exceptions import ConfigurationError, TargetsError, check_number
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.gradients import GradientUnit, input_gradient_and_logits
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.functional.smoothing import SAMPLERS
from lol_lightning.networks import SparseMLP, SplitNetwork, evaluation_mode, logits_of

__all__ = ["Phi", "Sampling", "Smoothed", "SmoothedModel"]

_BLOCK = 64
"""Steps whose samples are drawn at once."""

Phi = float | Literal["document-frequency", "data"]
Sampling = Literal["stratified", "independent", "fixed"]


class Smoothed(NamedTuple):
    """What ``SmoothedModel`` measures."""

    logits: Float[Tensor, "batch cls"]
    """float (B, K), of the batch, with a graph to the weights."""
    gradient: Float[Tensor, "cls inspected"]
    """float (K, F) per ``feature_scale``, columns as in ``targets.features``, with a graph to the weights."""
    probabilities: Float[Tensor, "sample cls"]
    """float (t, K) at the samples, without a graph."""

    def __repr__(self) -> str:
        return short_repr(self)


class SmoothedModel:
    r"""Draws smoothing samples and differentiates a network at them.

    Samples depend on the seed and the step alone, so that all ranks of a distributed run draw the same ones.

    Args:
        phi: chance of each feature in the samples: a float for all of them, "document-frequency" for
            ``targets.document_frequency``, or "data" to take rows of the batch instead of drawing samples.
        num_samples: t, at least 1.
        sampling: "stratified" shares each feature out evenly over the samples, "independent" draws each by itself,
            "fixed" takes the same stratified samples in every step.
        unit: of the gradients, "probability" or "log-odds", see ``model_input_gradient``.
        seed: of the smoothing samples.
        hold_factor: see ``model_input_gradient``.

    Raises:
        ConfigurationError: if an argument lies outside its range.
    """

    __repr__ = short_repr

    def __init__(
        self,
        phi: Phi = "document-frequency",
        num_samples: int = 10,
        sampling: Sampling = "stratified",
        unit: GradientUnit = "probability",
        seed: int = 0,
        hold_factor: bool = False,
    ) -> None:
        if isinstance(phi, str) and phi not in ("document-frequency", "data"):
            raise ConfigurationError(f"phi = {phi!r}; use a float in (0, 1), 'document-frequency' or 'data'.")
        if not isinstance(phi, str):
            check_number("phi", phi, above=0, below=1)
        check_number("num_samples", num_samples, at_least=1, whole=True)
        check_number("seed", seed, whole=True)
        if sampling not in get_args(Sampling):
            raise ConfigurationError(f"sampling = {sampling!r}; use one of {', '.join(get_args(Sampling))}.")
        if unit not in get_args(GradientUnit):
            raise ConfigurationError(f"unit = {unit!r}; use one of {', '.join(get_args(GradientUnit))}.")
        self.phi = phi
        self.num_samples = num_samples
        self.sampling = sampling
        self.unit: GradientUnit = unit
        self.seed = seed
        self.hold_factor = hold_factor
        self._drawn: tuple[GradientTargets, int, Tensor, Tensor] | None = None

    def logits_and_gradient(
        self, network: nn.Module, targets: GradientTargets, rows: Tensor | SparseRows, step: int
    ) -> Smoothed:
        """Logits of the batch, and gradient of the smoothed class probabilities on the inspected features.

        The batch goes through the network first, in the network's own mode, the samples after it in evaluation mode.
        A ``SplitNetwork`` is chained through its first layer: the cost follows the inspected features and the words of
        the samples, not the size of the vocabulary. Any other network is differentiated at dense samples.

        Args:
            network: maps features to logits (N, K).
            targets: which features are inspected.
            rows: the batch's features, float (B, ...) or ``SparseRows``; the samples follow their dtype and device.
            step: number of the step, the same on all ranks.

        Returns:
            Logits and gradient with a graph to the weights, and the probabilities at the samples.
        """
        samples = self._samples(targets, rows, step)
        if isinstance(network, SplitNetwork) and isinstance(rows, SparseRows) and isinstance(samples, SparseRows):
            logits, gradient, at_samples = self._chained(network, targets, rows, samples)
        else:
            logits = logits_of(network, rows)
            with evaluation_mode(network):
                gradient, at_samples = input_gradient_and_logits(
                    partial(logits_of, network),
                    cast(Tensor, samples),
                    targets.num_classes,
                    unit=self.unit,
                    hold_factor=self.hold_factor,
                )
            gradient = gradient.flatten(1)[:, targets.features]
        if targets.feature_scale is not None:
            gradient = gradient * targets.feature_scale[targets.features].to(gradient.dtype)
        return Smoothed(logits, gradient, at_samples.detach().softmax(-1))

    def _chained(
        self, network: SplitNetwork, targets: GradientTargets, rows: SparseRows, samples: SparseRows
    ) -> tuple[Tensor, Tensor, Tensor]:
        # One call of the first layer serves the batch, the samples and the inspected features. The last are unit
        # vectors: an affine layer maps them to rows of its weight plus its bias, which is its value at the empty row.
        inspected = SparseRows(targets.features, targets.unit_offsets, None, targets.num_features)
        everything = SparseRows.concatenate([rows, samples, inspected])
        sizes = [len(rows), len(samples), len(inspected)]
        batch, smoothed, units = torch.split(network.first_layer(everything), sizes)
        logits = network.rest(batch)
        if isinstance(network, SparseMLP):
            hidden, at_samples = network.rest_gradient(smoothed, self.unit, self.hold_factor)
        else:
            with evaluation_mode(cast(nn.Module, network)):
                hidden, at_samples = input_gradient_and_logits(
                    network.rest, smoothed, targets.num_classes, unit=self.unit, hold_factor=self.hold_factor
                )
        return logits, hidden @ (units[:-1] - units[-1]).T, at_samples

    def _samples(self, targets: GradientTargets, rows: Tensor | SparseRows, step: int) -> Tensor | SparseRows:
        if self.phi == "data":
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
            chosen = torch.randperm(len(rows), generator=generator)[: self.num_samples].to(rows.device)
            return rows.rows(chosen) if isinstance(rows, SparseRows) else rows[chosen].detach()
        indices, offsets = self._draw(targets, step)
        indices, offsets = (part.to(rows.device, non_blocking=True) for part in (indices, offsets))
        scale = None if targets.feature_scale is None else targets.feature_scale[indices]
        samples = SparseRows(indices, offsets, scale, targets.num_features)
        if isinstance(rows, SparseRows):
            return samples
        return samples.to_dense(rows.dtype).reshape(self.num_samples, *rows.shape[1:])

    def _draw(self, targets: GradientTargets, step: int) -> tuple[Tensor, Tensor]:
        # Samples of many steps are drawn at once; a step's own are a slice of them.
        block, place = divmod(0 if self.sampling == "fixed" else step, _BLOCK)
        if self._drawn is None or self._drawn[:2] != (targets, block):
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + block)
            draw = SAMPLERS["stratified" if self.sampling == "fixed" else self.sampling]
            self._drawn = targets, block, *draw(self._chances(targets), self.num_samples, _BLOCK, generator)
        indices, offsets = self._drawn[2:]
        offsets = offsets[place * self.num_samples : (place + 1) * self.num_samples + 1]
        return indices[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0]

    def _chances(self, targets: GradientTargets) -> Tensor:
        if not isinstance(self.phi, str):
            return torch.full((targets.num_features,), self.phi)
        if targets.document_frequency is None:
            raise TargetsError(
                "phi = 'document-frequency' needs gradient targets with a document_frequency. Map the records with a "
                "fitted feature space, or give phi as a float."
            )
        return targets.document_frequency
