"""From the vectors of a text's tokens to one vector, and how many tokens are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lol_lightning.exceptions import ConfigurationError

__all__ = ["Pooling", "evaluating", "length_limit", "num_longer", "pooled"]

Pooling: TypeAlias = Literal["mean", "cls", "max"]
"""How the vectors of a text's tokens become one: their mean, the first one, or the largest value of each coordinate."""


def pooled(
    hidden: Float[Tensor, "text token feature"], mask: Int[Tensor, "text token"], pooling: Pooling
) -> Float[Tensor, "text feature"]:
    """Make one vector of those of a text's tokens; zeros for a text without tokens.

    Args:
        hidden: float (n, t, d), the vectors of tokens.
        mask: int (n, t), 1 for tokens and 0 for padding.
        pooling: see ``Pooling``.

    Example:
        >>> pooled(torch.tensor([[[1.0, 4.0], [3.0, 0.0], [9.0, 9.0]]]), torch.tensor([[1, 1, 0]]), "mean")
        tensor([[2., 2.]])
    """
    present = mask.bool()[:, :, None]
    if pooling == "mean":
        return (hidden * present).sum(1) / present.sum(1).clamp(min=1)
    if pooling == "max":
        largest = hidden.masked_fill(~present, -torch.inf).amax(1)
        return torch.where(present.any(1), largest, 0.0)
    # Some tokenizers pad on the left.
    first = mask.argmax(1)
    return hidden[torch.arange(len(hidden)), first] * present.any(1)


def num_longer(tokenizer: Any, texts: Sequence[str], max_length: int) -> int:
    """Return how many of the texts have more tokens than ``max_length``; 0 without a tokenizer of texts."""
    # A token has at least one byte, and special tokens are few.
    long = [text for text in texts if len(text.encode("utf-8", "replace")) > max_length - 8]
    if not long or not callable(tokenizer):
        return 0
    try:
        ids = tokenizer(long, truncation=True, max_length=max_length + 1, verbose=False)["input_ids"]
    except (TypeError, ValueError, KeyError):  # A tokenizer of another interface.
        return 0
    return sum(len(row) > max_length for row in ids)


def length_limit(config: Any, tokenizer: Any, max_length: int | None, label: str) -> int:
    """Return the number of tokens that are read: what the user, the tokenizer or the model says."""
    positions = getattr(config, "max_position_embeddings", None)
    # A model that was trained as RoBERTa keeps the places up to that of the padding free.
    if positions is not None and getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= (getattr(config, "pad_token_id", 1) or 0) + 1
    if max_length is not None:
        if max_length < 1 or (positions is not None and max_length > positions):
            raise ConfigurationError(f"max_length = {max_length}; {label} reads between 1 and {positions} tokens.")
        return max_length
    limits = [n for n in (getattr(tokenizer, "model_max_length", None), positions) if n is not None and n < 10**6]
    return min(limits, default=512)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode for a while, without gradients."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True
