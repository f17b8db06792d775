"""Pictures of gradients: the labelers' top-k against the model's, before and after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.functional.gradients import model_input_gradient
from lol_lightning.functional.votes import vote_mask, voted_classes
from lol_lightning.losses.penalties.example_penalty import example_gradient
from lol_lightning.networks import evaluation_mode

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["gradient_agreement", "plot_agreement", "plot_gradients", "plot_heat_maps"]


@torch.no_grad()
def gradient_agreement(network: nn.Module, batch: LoLBatch, num_classes: int) -> Float[Tensor, " lf"]:
    """How well the model's gradient agrees with each labeler's, where that labeler votes.

    Args:
        network: maps dense features to logits (N, K); it is looked at in evaluation mode.
        batch: with ``example_targets``.
        num_classes: K.

    Returns:
        float (m,) in [-1, 1]: the mean cosine of the angle between the two on the labeler's k features; NaN for a
        labeler that makes no demand.

    Raises:
        ConfigurationError: if there is no network yet.
        TargetsError: if the batch has no targets of each example.
    """
    _check_networks({"network": network})
    targets = _targets(batch)
    reached = example_gradient(network, batch, targets.unit, num_classes).detach()
    demands = targets.demands(reached.dtype)
    size = reached.norm(dim=-1) * demands.norm(dim=-1)
    has_demands = vote_mask(batch.votes) & (demands != 0).any(-1)
    cosine = (reached * demands).sum(-1) / size.clamp(min=1e-12)
    return cosine.where(has_demands, torch.nan).nanmean(0)


def plot_agreement(
    networks: Mapping[str, nn.Module], batch: LoLBatch, names: Sequence[str], num_classes: int
) -> Figure:
    """Draw the agreement of gradients of each attribute as bars, one for each network.

    Args:
        networks: such as ``{"before": ..., "after": ...}``.
        batch: with ``example_targets``.
        names: m attributes.
        num_classes: K.

    Returns:
        A figure that a notebook shows; ``savefig`` writes it.

    Raises:
        ConfigurationError: if matplotlib is not installed, or there is no network yet.
        TargetsError: if the batch has no targets of each example.
    """
    _check_networks(networks)
    agreements = {label: gradient_agreement(network, batch, num_classes) for label, network in networks.items()}
    figure = _figure(figsize=(7, 1.2 + 0.22 * len(names) * len(agreements)))
    axes = figure.subplots()
    height = 0.8 / len(agreements)
    for offset, (label, agreement) in enumerate(agreements.items()):
        places = np.arange(len(names)) + height * (offset - (len(agreements) - 1) / 2)
        axes.barh(places, agreement.numpy(), height, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel("cosine of the labeler's and the model's gradient, mean over examples")
    axes.legend()
    return figure


def plot_gradients(
    networks: Mapping[str, nn.Module], batch: LoLBatch, names: Sequence[str], num_classes: int, row: int = 0
) -> Figure:
    """Draw, for one example, the top-k entries of each labeler's gradient beside the model's on the same features.

    Args:
        networks: such as ``{"before": ..., "after": ...}``.
        batch: with ``example_targets``.
        names: m attributes.
        num_classes: K.
        row: which example.

    Returns:
        A figure that a notebook shows; ``savefig`` writes it.

    Raises:
        ConfigurationError: if matplotlib is not installed, there is no network yet, or no such row.
        TargetsError: if the batch has no targets of each example.
    """
    _check_networks(networks)
    _check_index("row", row, len(batch))
    targets = _targets(batch)
    reached = {
        label: example_gradient(network, batch, targets.unit, num_classes).detach()[row]
        for label, network in networks.items()
    }
    demands = targets.demands()[row]
    shown = (vote_mask(batch.votes)[row] & (demands != 0).any(-1)).nonzero().squeeze(1).tolist()
    if not shown:
        raise TargetsError(f"no labeler demands anything on row {row}; choose another.")
    figure = _figure(figsize=(8, 1.4 * len(shown) + 0.6))
    for axes, lf in zip(figure.subplots(len(shown), squeeze=False)[:, 0], shown, strict=True):
        places = np.arange(targets.top_k)
        axes.bar(places, demands[lf].numpy(), color="0.75", label="labeler")
        for label, gradient in reached.items():
            axes.plot(places, gradient[lf].numpy(), "o", markersize=3, label=label)
        axes.set_xticks(places, [str(int(j)) for j in targets.index[row, lf]], fontsize=6)
        axes.axhline(0, color="black", linewidth=0.5)
        axes.set_title(names[lf], fontsize=8, loc="left")
    figure.axes[0].legend(fontsize=6)
    figure.supxlabel("feature")
    figure.supylabel(f"gradient in {targets.unit}")
    return figure


def plot_heat_maps(
    images: Shaped[Tensor, "row channel height width"] | None,
    networks: Mapping[str, nn.Module],
    batch: LoLBatch,
    names: Sequence[str],
    num_classes: int,
    row: int = 0,
    lfs: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> Figure:
    """Draw an image, some labelers' top-k pixels, and the model's gradient on every pixel.

    A labeler's gradient is that of the class that it votes, the model's that of the class which most of them vote. Both
    are in the unit of the targets, summed over channels; each panel has a scale of its own.

    Args:
        images: as they are to be shown, uint8 or float in [0, 1]; ``None`` for ``batch.features``.
        networks: such as ``{"before": ..., "after": ...}``, which read ``batch.features``.
        batch: images float (B, C, H, W) with ``example_targets`` of their pixels.
        names: m attributes.
        num_classes: K.
        row: which image.
        lfs: which labelers; by default the first three.
        class_names: K names.
        transform: the function that turned bytes into ``batch.features``, such as ``LoLImageDataModule.transform``.
            Where there are no ``images``, the ``undo`` of a ``Standardise`` makes images to show of the features; those
            of another transform are stretched from black to white.

    Returns:
        A figure that a notebook shows; ``savefig`` writes it.

    Raises:
        ConfigurationError: if matplotlib is not installed, there is no network yet, no such row or labeler, or there
            are no images.
        TargetsError: if the batch has no targets of each example, or not of pixels.
    """
    _check_networks(networks)
    targets = _targets(batch)
    images = _images(batch, transform) if images is None else images
    _check_index("row", row, min(len(batch), len(images)))
    lfs = range(min(3, targets.num_lfs)) if lfs is None else lfs
    for lf in lfs:
        _check_index("labeler", lf, targets.num_lfs)
    features = cast(Tensor, batch.features)
    shape = (features if features.ndim == 4 else images).shape[1:]
    if targets.num_features != shape.numel():
        raise TargetsError(
            f"the targets are of {targets.num_features} features and the images have {shape.numel()} values: heat maps "
            "need targets of the level 'pixels'."
        )
    classes = [str(k) for k in range(num_classes)] if class_names is None else class_names
    voted = voted_classes(batch.votes[[row]], num_classes)[0]
    panels = []
    for lf in lfs:
        demands = torch.zeros(targets.num_features)
        demands.scatter_(0, targets.index[row, lf].long(), targets.demands()[row, lf])
        vote = " or ".join(classes[k] for k in voted[lf].nonzero().squeeze(1).tolist())
        panels.append((f"{names[lf]}: {vote or 'abstains'}", demands.reshape(shape).sum(0)))
    leading = int(voted.sum(0).argmax())
    for label, network in networks.items():
        with evaluation_mode(network):
            gradient = model_input_gradient(network, features[[row]], num_classes, unit=targets.unit)
        panels.append((f"model {label}: {classes[leading]}", gradient.detach()[leading].reshape(shape).sum(0)))
    figure = _figure(figsize=(2 * (len(panels) + 1), 2.4))
    picture, *others = figure.subplots(1, len(panels) + 1, squeeze=False)[0]
    picture.imshow(images[row].permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray")
    picture.set_title("image", fontsize=8)
    for axes, (title, heat) in zip(others, panels, strict=True):
        limit = max(float(heat.abs().max()), 1e-12)
        axes.imshow(heat.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(title, fontsize=8)
    for axes in (picture, *others):
        axes.set_axis_off()
    figure.supxlabel(f"gradient in {targets.unit}", fontsize=8)
    return figure


def _images(batch: LoLBatch, transform: Callable[[Tensor], Tensor] | None) -> Tensor:
    """The batch's own images as they can be shown, float in [0, 1]."""
    features = batch.features
    if not isinstance(features, Tensor) or features.ndim != 4:
        shape = f"the shape {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
        raise ConfigurationError(
            f"the batch's features have {shape} and are no images (B, C, H, W): set "
            "targets=RowTargetOptions(level='pixels') in LoLImageDataModule, or give images=, as they are to be shown."
        )
    undo = getattr(transform, "undo", None)
    if undo is not None:
        return undo(features)
    low, high = (bound.reshape(-1, 1, 1, 1) for bound in torch.aminmax(features.float().flatten(1), dim=1))
    return (features - low) / (high - low).clamp(min=1e-12)


def _check_networks(networks: Mapping[str, nn.Module | None]) -> None:
    for label, network in networks.items():
        if network is None:
            raise ConfigurationError(
                f"the network {label!r} is None: LoLClassifier makes its own when it knows its sizes. Give it "
                "num_features and num_classes, or copy.deepcopy(model.network) after setup."
            )


def _check_index(what: str, index: int, size: int) -> None:
    if not -size <= index < size:
        raise ConfigurationError(f"there is no {what} {index}; choose one of 0 .. {size - 1}.")


def _targets(batch: LoLBatch) -> Any:
    if batch.example_targets is None:
        raise TargetsError("the batch has no example_targets; take one from LoLImageDataModule.train_dataloader().")
    return batch.example_targets


def _figure(**options: Any) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError("plots need matplotlib: pip install 'lol-lightning[plots]'.") from error
    return _shown_in_notebooks(Figure)(layout="constrained", **options)


@cache
def _shown_in_notebooks(base: type[Figure]) -> type[Figure]:
    class NotebookFigure(base):  # type: ignore[misc,valid-type]
        """A figure without pyplot, which notebooks would show as text."""

        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return NotebookFigure
