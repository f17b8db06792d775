"""Targets of attribute labelers: the quickest way to compute them, and a directory in which they are kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from jaxtyping import Int, Shaped
from torch import Tensor, nn

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.backbones import check_evaluation_mode
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.options import RowTargetOptions
from lol_lightning.vision.target_files import digest_of, load_targets, save_targets, spread_rows
from lol_lightning.vision.topk import linear_top_k_targets, top_k_targets

__all__ = ["fingerprint_of", "labeler_targets"]


def labeler_targets(
    labelers: AttributeLabelers,
    task: AttributeTask,
    inputs: Shaped[Tensor, "row ..."],
    signs: Int[Tensor, "row lf"],
    options: RowTargetOptions,
    transform: Callable[[Tensor], Tensor] | None = None,
    fingerprint: str | None = None,
) -> ExampleTargets:
    """Return the targets of attribute labelers, in closed form for linear heads on their representation.

    Args:
        labelers: calibrated, in evaluation mode.
        task: the m attributes that vote.
        inputs: what the labelers are differentiated by: representations float (n, r), or with the level "pixels" what
            the backbone reads, such as images (n, C, H, W).
        signs: int (n, m) of -1, 0 and 1, see ``AttributeTask.signs``.
        options: which entries become targets, and where they are kept. Targets in its ``cache`` are mapped into memory
            if their fingerprint is that of these arguments, and else replaced.
        transform: makes float of images.
        fingerprint: ``fingerprint_of`` these arguments, where it was computed already.

    Raises:
        ConfigurationError: if batch norm or dropout is in training mode.
        TargetsError: as ``top_k_targets``.
    """
    check_evaluation_mode(labelers)
    directory = options.cache
    if directory is not None:
        fingerprint = fingerprint or fingerprint_of(labelers, task, inputs, signs, options, transform)
        with suppress(TargetsError):
            return load_targets(directory, fingerprint)
    similarity = task.similarity if options.agreeing_only else None
    of_backbone = options.level == "pixels"
    if not of_backbone and isinstance(labelers.heads, nn.Linear):
        weight, bias = (part[task.columns] for part in _calibrated_layer(labelers, labelers.heads))
        x = inputs if transform is None else transform(inputs)
        targets = linear_top_k_targets(weight, bias, x, signs, options.top_k, options.unit, similarity)
        if directory is not None:
            save_targets(targets, directory, fingerprint)
        return targets

    def logits_of(x: Tensor) -> Tensor:
        return labelers.calibrated(labelers.represent(x) if of_backbone else x)[:, task.columns]

    return top_k_targets(
        logits_of,
        inputs,
        signs,
        options.top_k,
        options.unit,
        similarity,
        transform,
        directory,
        fingerprint=fingerprint,
    )


def fingerprint_of(
    labelers: AttributeLabelers,
    task: AttributeTask,
    inputs: Shaped[Tensor, "row ..."],
    signs: Int[Tensor, "row lf"],
    options: RowTargetOptions,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> str:
    """Return a digest of all that decides the targets of labelers; see ``labeler_targets`` for the arguments.

    It covers the inputs, some of them transformed, the other arguments, and the labelers' parameters, buffers and
    printed form. Labelers that differ in none of these are taken for the same.
    """
    tensors: dict[str, Tensor] = {"columns": task.columns, "inputs": inputs, "signs": signs}
    tensors |= dict(labelers.named_parameters("labelers")) | dict(labelers.named_buffers("labelers"))
    if transform is not None:
        # A function has no bytes to compare, but what it makes of some rows has.
        tensors["transformed"] = transform(inputs[spread_rows(len(inputs))])
    if options.agreeing_only:
        tensors["similarity"] = task.similarity
    return digest_of(tensors, f"{options.top_k} {options.unit} {options.level} {labelers}")


def _calibrated_layer(labelers: AttributeLabelers, heads: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight float (A, d) and bias float (A,) of the calibrated logits."""
    bias = labelers.intercept if heads.bias is None else labelers.slope * heads.bias + labelers.intercept
    return labelers.slope.unsqueeze(1) * heads.weight, bias
