"""Encoders of texts: sentence-transformers, models of Hugging Face with pooling, and functions."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.encoder_digests import model_digest, versions_of
from lol_lightning.features.token_pooling import Pooling, evaluating, length_limit, num_longer, pooled

__all__ = ["Encoder", "FunctionEncoder", "SentenceEncoder", "TransformerEncoder"]

Function: TypeAlias = Callable[[list[str]], Any]


class Encoder(ABC):
    """From texts to vectors.

    ``label`` says in a few words what it is; ``identity`` is the same for encoders of the same results, and changes
    with their weights; ``is_kept_on_disk`` tells whether another process has the same identity for it.
    """

    label: str
    is_kept_on_disk = True

    @property
    @abstractmethod
    def identity(self) -> str:
        """Identifies the encoder and its settings."""

    @abstractmethod
    def encode(self, texts: list[str]) -> Any:
        """Return the vectors of one batch of texts, an array or tensor (n, d)."""

    def num_cut(self, texts: Sequence[str]) -> int:
        """Return how many of the texts are longer than the encoder reads; 0 where nobody can tell."""
        return 0

    @property
    def max_length(self) -> int | None:
        """Number of tokens that are read of a text, ``None`` where nobody can tell."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label:.100})"

    def checked(self, texts: list[str]) -> Float[np.ndarray, "text feature"]:
        """Return the vectors of one batch of texts, float32 (n, d), after a check.

        Raises:
            DataError: if the encoder returns another number of rows, no matrix of numbers, or numbers that are not
                finite.
        """
        output = self.encode(texts)
        if isinstance(output, Tensor):
            output = output.detach().float().cpu().numpy()
        try:
            matrix = np.asarray(output, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.label} returns {type(output).__name__}, not an array (n, d): {error}.") from error
        if matrix.ndim != 2 or len(matrix) != len(texts) or not matrix.shape[1]:
            raise DataError(
                f"{self.label} returns the shape {matrix.shape} for {len(texts)} texts; return one row for each text, "
                f"({len(texts)}, d)."
            )
        if not np.isfinite(matrix).all():
            row = int(np.flatnonzero(~np.isfinite(matrix).all(1))[0])
            raise DataError(f"{self.label} returns a number that is not finite for the text {texts[row]!r:.80}.")
        return matrix


class FunctionEncoder(Encoder):
    """A function of the user's, from a list of texts to an array or tensor (n, d).

    Args:
        function: must return the same vector for a text in any batch.
        cache_key: identifies what it does, in any process; ``None`` where its results stay in this process.
    """

    def __init__(self, function: Function, cache_key: str | None = None) -> None:
        self.function = function
        self.label = f"the encoder {getattr(function, '__name__', type(function).__name__)}"
        self._identity = f"function {secrets.token_hex(16) if cache_key is None else cache_key}"
        self.is_kept_on_disk = cache_key is not None

    @property
    def identity(self) -> str:
        """The user's key, or one that no other encoder has."""
        return self._identity

    def encode(self, texts: list[str]) -> Any:
        """Call the function."""
        return self.function(texts)


class TransformerEncoder(Encoder):
    """A model of Hugging Face with its tokenizer, whose vectors of tokens are pooled.

    Args:
        model: returns ``last_hidden_state``; of an encoder with a decoder, the encoder is taken.
        tokenizer: its own.
        pooling: how the vectors of tokens become one.
        max_length: tokens that are read of a text, special ones included; by default as many as the model can.
        normalize: whether vectors get the length 1.
        label: what to call it in messages.

    Raises:
        ConfigurationError: if the tokenizer has no token for padding, or ``max_length`` is out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        pooling: Pooling = "mean",
        max_length: int | None = None,
        normalize: bool = False,
        label: str = "",
    ) -> None:
        config = getattr(model, "config", None)
        self.label = label or f"the encoder {type(model).__name__}"
        if getattr(config, "is_encoder_decoder", False):
            model = model.get_encoder()  # type: ignore[operator]
        if getattr(tokenizer, "pad_token", None) is None:
            raise ConfigurationError(
                f"the tokenizer of {self.label} has no token for padding: set tokenizer.pad_token = "
                "tokenizer.eos_token, or another token."
            )
        self.model, self.tokenizer, self.pooling, self.normalize = model, tokenizer, pooling, normalize
        self._max_length = length_limit(config, tokenizer, max_length, self.label)
        self._digest: tuple[Any, str] | None = None

    @property
    def max_length(self) -> int:
        """Number of tokens that are read of a text."""
        return self._max_length

    @property
    def identity(self) -> str:
        """A hash of weights and tokenizer, with the settings; weights that were trained further have another one."""
        versions = versions_of(self.model)
        if self._digest is None or self._digest[0] != versions:
            self._digest = versions, model_digest(self.model, self.tokenizer)
        return f"transformer {self._digest[1]} {self.pooling} {self.max_length} {self.normalize}"

    def encode(self, texts: list[str]) -> Float[Tensor, "text feature"]:
        """Return the pooled vectors, float32 (n, d)."""
        tokens = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt", verbose=False
        )
        device = next(self.model.parameters()).device
        mask = tokens["attention_mask"].to(device)
        if not mask.shape[1]:  # Empty texts, and a tokenizer that adds nothing to them.
            return torch.zeros(len(texts), int(self.model.config.hidden_size))  # type: ignore[union-attr, arg-type]
        with evaluating(self.model):
            hidden = self.model(**{name: value.to(device) for name, value in tokens.items()}).last_hidden_state
            vectors = pooled(hidden.float(), mask, self.pooling)
            return nn.functional.normalize(vectors, dim=1) if self.normalize else vectors

    def num_cut(self, texts: Sequence[str]) -> int:
        """Return how many of the texts have more tokens than are read."""
        return num_longer(self.tokenizer, texts, self.max_length)


class SentenceEncoder(Encoder):
    """A model of sentence-transformers.

    Args:
        model: a ``SentenceTransformer``.
        max_length: tokens that are read of a text; by default as the model says.
        label: what to call it in messages.
    """

    def __init__(self, model: Any, max_length: int | None = None, label: str = "") -> None:
        self.model, self.label = model, label or "the encoder SentenceTransformer"
        own = getattr(model, "max_seq_length", None)
        if max_length is not None and (max_length < 1 or (own is not None and max_length > own)):
            raise ConfigurationError(f"max_length = {max_length}; {self.label} reads between 1 and {own} tokens.")
        self._max_length = own if max_length is None else max_length
        self._digest: tuple[Any, str] | None = None

    @property
    def max_length(self) -> int | None:
        """Number of tokens that are read of a text."""
        return self._max_length

    @property
    def identity(self) -> str:
        """A hash of weights, modules and tokenizer, with the settings."""
        versions = versions_of(self.model)
        if self._digest is None or self._digest[0] != versions:
            self._digest = versions, model_digest(self.model, getattr(self.model, "tokenizer", None))
        return f"sentence-transformer {self._digest[1]} {self.model!r} {self.max_length}"

    def encode(self, texts: list[str]) -> Any:
        """Return the vectors (n, d)."""
        own = getattr(self.model, "max_seq_length", None)
        try:
            if own is not None:
                self.model.max_seq_length = self.max_length
            with evaluating(self.model):
                return self.model.encode(
                    texts,
                    batch_size=len(texts),
                    show_progress_bar=False,
                    convert_to_numpy=False,
                    convert_to_tensor=True,
                )
        finally:
            if own is not None:
                self.model.max_seq_length = own

    def num_cut(self, texts: Sequence[str]) -> int:
        """Return how many of the texts have more tokens than are read."""
        tokenizer = getattr(self.model, "tokenizer", None)
        return 0 if self.max_length is None else num_longer(tokenizer, texts, self.max_length)
