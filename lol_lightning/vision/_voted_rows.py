"""Rows of a split: their inputs and representations, what the labelers vote on them, and which labelers vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import DataError, LabelingFunctionError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.votes import vote_mask
from lol_lightning.vision.attribute_task import AttributeTask
from lol_lightning.vision.images import ImageFiles, Inputs, read_inputs
from lol_lightning.vision.labelers import AttributeLabelers
from lol_lightning.vision.target_files import load_targets

__all__ = ["RepresentedRows", "Silent", "TargetFiles", "VotedRows", "represent_rows", "task_of_voters"]

Silent = Literal["error", "drop"]

_CHUNK = 512
"""Files that are read at a time where their representation is all that is kept."""


class RepresentedRows(NamedTuple):
    """Rows that could be read."""

    rows: Int[Tensor, " row"]
    """int64 (n,), positions in the data."""
    inputs: Shaped[Tensor, "row ..."] | None
    """What the backbone reads, (n, ...) without a transform; ``None`` where it is not kept."""
    representation: Float[Tensor, "row feature"]
    """float (n, r), what the labelers' heads read."""


def represent_rows(
    labelers: AttributeLabelers,
    inputs: Inputs,
    rows: Int[Tensor, " row"],
    transform: Callable[[Tensor], Tensor],
    keep_inputs: bool,
    split: str,
) -> RepresentedRows:
    """Read rows, and send them through the labelers' backbone.

    Args:
        labelers: in evaluation mode.
        inputs: of all rows.
        rows: int64, positions in ``inputs``.
        transform: makes float of a batch of images.
        keep_inputs: whether to keep what was read, too.
        split: their name in errors.

    Raises:
        DataError: if none of the rows can be read, or a file cannot be and ``on_corrupt`` is "error".
    """
    by_chunks = isinstance(inputs, ImageFiles) and not keep_inputs
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for chunk in torch.split(rows, _CHUNK if by_chunks else len(rows)):
        batch, kept = read_inputs(inputs, chunk)
        if len(kept):
            representation = labelers.representations(batch, transform=transform)
            parts.append((chunk[kept], batch if keep_inputs else batch[:0].clone(), representation))
    if not parts:
        raise DataError(f"none of the {len(rows)} images of the {split} rows can be decoded.")
    positions, batches, representations = zip(*parts, strict=True)
    return RepresentedRows(
        torch.cat(positions), torch.cat(batches) if keep_inputs else None, torch.cat(representations)
    )


class TargetFiles(NamedTuple):
    """Where targets are that a process maps into memory."""

    directory: str
    fingerprint: str


class VotedRows(NamedTuple):
    """What the labelers make of a split's rows, as one process computes it for all."""

    rows: Int[Tensor, " row"]
    """int64 (n,), positions in the data of the rows that could be read."""
    representation: Float[Tensor, "row feature"] | None
    """float (n, r), ``None`` where the model reads pixels: each process reads those by itself."""
    votes: Shaped[Tensor, "row lf *cls"]
    """int64 (n, m) or float (n, m, K)."""
    targets: ExampleTargets | TargetFiles | None
    """Of training rows."""

    def example_targets(self) -> ExampleTargets | None:
        """Return the targets, mapped into memory where they are in files."""
        return load_targets(*self.targets) if isinstance(self.targets, TargetFiles) else self.targets


def task_of_voters(task: AttributeTask, votes: Shaped[Tensor, "row lf *cls"], silent: Silent) -> AttributeTask:
    """Return the task without the labelers that never vote on the training rows.

    Args:
        task: all m labelers.
        votes: int64 (n, m) or float (n, m, K), on the training rows.
        silent: "error" or "drop".

    Raises:
        LabelingFunctionError: if some never vote and ``silent`` is "error", or none of them votes.
    """
    has_votes = vote_mask(votes).any(0)
    names = [task.attributes[i] for i in (~has_votes).nonzero().squeeze(1).tolist()]
    if not names:
        return task
    if silent == "error" or not has_votes.any():
        raise LabelingFunctionError(
            f"the labelers {names} never vote on the {len(votes)} training rows. Leave them out with silent='drop', or "
            "let them vote on an attribute's absence, too (polarity='bipolar')."
        )
    rank_zero_info(f"Left out labelers that never vote: {names}.")
    return task.select(has_votes.nonzero().squeeze(1).tolist())
