"""Top-k targets: the largest entries of each labeler's input gradient at each example (Sec. 5.6)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from lol_lightning.exceptions import TargetsError
from lol_lightning.functional.example_targets import ExampleTargets
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.vision.options import TOP_K
from lol_lightning.vision.target_files import (
    allocate,
    index_type,
    load_targets,
    replacing,
    save_settings,
)

__all__ = ["linear_top_k_targets", "logit_gradients", "top_k_targets"]


def top_k_targets(
    logits_of: Callable[[Tensor], Tensor],
    inputs: Shaped[Tensor, "row ..."],
    signs: Int[Tensor, "row lf"],
    k: int = TOP_K,
    unit: GradientUnit = "probability",
    similarity: Float[Tensor, "lf other"] | None = None,
    transform: Callable[[Tensor], Tensor] | None = None,
    directory: str | Path | None = None,
    memory: int = 64 * 2**20,
    fingerprint: str | None = None,
) -> ExampleTargets:
    r"""Largest entries of the gradient of what each labeler votes, for all labelers and many rows in one backward pass.

    .. math:: v_{ij}(x) = s_i(x) \, \frac{\partial p_i(x)}{\partial x_j}, \qquad p_i = \sigma(z_i)

    Labeler i votes on its attribute being there (:math:`s_i = 1`), or not (-1, the gradient of :math:`1 - p_i`).

    Args:
        logits_of: maps float (b, ...) to the labelers' logits z, float (b, m), row by row: batch norm and dropout must
            be in evaluation mode.
        inputs: float (n, ...), representations or images; any type if there is a ``transform``.
        signs: int (n, m) of -1, 0 and 1; 0 abstains and makes no demand.
        k: number of entries kept for each row and labeler.
        unit: "probability", or "log-odds" for the gradient of z itself.
        similarity: float (m, m), how alike two labelers divide the classes, see ``AttributeTask.similarity``; entries
            whose sign the other labelers together contradict are then left out.
        transform: makes what is differentiated of a chunk of inputs, such as float of bytes.
        directory: where to write the targets, to be mapped into memory again by ``load_targets``. Once complete they
            replace older targets in it; memory that is mapped to the older ones stays as it is.
        memory: bytes that a chunk of rows may take, about.
        fingerprint: kept with the targets in the directory, for ``load_targets`` to compare.

    Returns:
        ``ExampleTargets`` (n, m, k) with their typical magnitude: index int16 or int32, value float16, scale float32.
        From ``MAP_FROM`` bytes on they are kept in a file.

    Raises:
        TargetsError: if k exceeds the size d of an input, transformed if need be, or ``signs`` do not fit.

    Example:
        >>> weight = torch.tensor([[3.0, -1.0, 2.0]])
        >>> targets = top_k_targets(lambda x: x @ weight.T, torch.zeros(1, 3), torch.tensor([[-1]]), k=2)
        >>> targets.index.tolist(), targets.demands().round(decimals=2).tolist()
        ([[[0, 2]]], [[[-0.75, -0.5]]])
    """
    n, m, d = _sizes(inputs, signs, k, transform)
    with nullcontext() if directory is None else replacing(directory) as draft:
        arrays = allocate(n, m, k, d, draft)
        start, size = 0, 1
        while start < n:
            x, chunk = inputs[start : start + size], slice(start, min(start + size, n))
            x = x if transform is None else transform(x)
            gradients, logits = logit_gradients(logits_of, x)
            if logits.shape[1] != m:
                raise TargetsError(
                    f"there are {logits.shape[1]} labelers, but signs for {m}; give one column for each."
                )
            if similarity is not None:
                gradients = _agreeing(gradients, similarity.to(gradients))
            scale, index, value = _largest(gradients, k)
            slope = torch.ones_like(logits) if unit == "log-odds" else torch.sigmoid(logits) * torch.sigmoid(-logits)
            arrays["index"][chunk] = index.to(index_type(d)).cpu().numpy()
            arrays["value"][chunk] = value.half().cpu().numpy()
            arrays["scale"][chunk] = (scale * slope * signs[chunk].to(scale)).float().cpu().numpy()
            start += size
            if start == 1:
                # The first row alone shows how much memory a row takes.
                size = max(1, memory // max(1, _bytes_of_row(logits_of, x, m)))
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        targets = ExampleTargets(
            tensors["index"], tensors["value"], d, tensors["scale"], unit=unit
        ).with_typical_magnitude()
        if draft is None:
            return targets
        save_settings(targets, draft, fingerprint)
        # Mapped anew, so that a change of what is returned does not reach the files.
        return load_targets(draft)


def linear_top_k_targets(
    weight: Float[Tensor, "lf feature"],
    bias: Float[Tensor, " lf"],
    inputs: Float[Tensor, "row feature"],
    signs: Int[Tensor, "row lf"],
    k: int = TOP_K,
    unit: GradientUnit = "probability",
    similarity: Float[Tensor, "lf other"] | None = None,
) -> ExampleTargets:
    r"""``top_k_targets`` of linear labelers in closed form: :math:`s_i(x) \, p_i (1 - p_i) \, w_i`.

    The largest entries are the same at every row, so that only their ``scale`` takes memory for each row.

    Args:
        weight: float (m, d) of the logits.
        bias: float (m,) of the logits.
        inputs: float (n, d).
        signs: int (n, m) of -1, 0 and 1.
        k: number of entries kept for each row and labeler.
        unit: as for ``top_k_targets``.
        similarity: as for ``top_k_targets``.

    Returns:
        ``ExampleTargets`` (n, m, k), whose index and value are views of one (m, k).

    Raises:
        TargetsError: as ``top_k_targets``.
    """
    n, m, d = _sizes(inputs, signs, k)
    gradients = weight.detach().unsqueeze(0)
    if similarity is not None:
        gradients = _agreeing(gradients, similarity.to(gradients))
    scale, index, value = _largest(gradients, k)
    slope = torch.ones(1, dtype=weight.dtype)
    if unit == "probability":
        logits = nn.functional.linear(inputs.to(weight.dtype), weight.detach(), bias.detach())
        slope = torch.sigmoid(logits) * torch.sigmoid(-logits)
    return ExampleTargets(
        index.to(index_type(d)).expand(n, m, k),
        value.half().expand(n, m, k),
        d,
        (scale * slope * signs.to(scale)).float(),
        unit=unit,
    ).with_typical_magnitude()


def logit_gradients(
    logits_of: Callable[[Tensor], Tensor], x: Float[Tensor, "row ..."]
) -> tuple[Float[Tensor, "row lf feature"], Float[Tensor, "row lf"]]:
    """Gradient of every labeler's logit at every row by one batched backward pass, without a graph.

    Args:
        logits_of: maps float (b, ...) to logits float (b, m), row by row.
        x: float (b, ...).

    Returns:
        float (b, m, d) over the flattened input, and the logits float (b, m).
    """
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        logits = logits_of(leaf)
        b, m = logits.shape
        each = torch.eye(m, dtype=logits.dtype, device=logits.device).unsqueeze(1).expand(m, b, m)
        (gradients,) = torch.autograd.grad(logits, leaf, each, is_grads_batched=True)
    return gradients.transpose(0, 1).flatten(2), logits.detach()


def _largest(gradients: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Size of the largest entry float (b, m), and index and value (b, m, k) in units of it, largest first."""
    index = gradients.abs().topk(k, dim=-1).indices
    value = gradients.gather(-1, index)
    scale = value[..., 0].abs()
    return scale, index, value / scale.clamp(min=torch.finfo(scale.dtype).tiny).unsqueeze(-1)


def _agreeing(gradients: Tensor, similarity: Tensor) -> Tensor:
    """Gradients with zeros where the others, added up as they divide the classes, have the opposite sign."""
    others = similarity - torch.diag(similarity.diagonal())
    consensus = torch.einsum("lo,bod->bld", others, gradients)
    return gradients.where(gradients * consensus >= 0, 0)


def _sizes(
    inputs: Tensor, signs: Tensor, k: int, transform: Callable[[Tensor], Tensor] | None = None
) -> tuple[int, int, int]:
    n, first = len(inputs), inputs[:1]
    d = (first if transform is None else transform(first))[0].numel() if n else 0
    if signs.ndim != 2 or len(signs) != n:
        raise TargetsError(f"signs have the shape {tuple(signs.shape)}, but there are {n} rows; it must be (n, m).")
    if not 1 <= k <= d:
        raise TargetsError(f"k = {k} entries cannot be the largest of an input of {d} features; choose 1 to {d}.")
    return n, signs.shape[1], d


def _bytes_of_row(logits_of: Callable[[Tensor], Tensor], row: Tensor, m: int) -> int:
    """About what one row takes in a backward pass of m gradients: what autograd keeps, once for each of them."""
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        if tensor.ndim and len(tensor) == len(row):
            kept += tensor.numel() * tensor.element_size()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logits_of(row.detach().clone().requires_grad_())
    # The gradients themselves, their absolute values and what selects the largest.
    return m * (4 * row.numel() * row.element_size() + kept)
