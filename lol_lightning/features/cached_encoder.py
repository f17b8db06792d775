"""An encoder with its settings and its cache: what a feature space of embeddings asks for vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float

from lol_lightning._lightning import rank_zero_warn
from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.features.embedding_cache import EmbeddingCache
from lol_lightning.features.encoder_loading import EncoderLike, NamedEncoder, as_encoder
from lol_lightning.features.encoders import Encoder
from lol_lightning.features.token_pooling import Pooling
from lol_lightning.lfs.saying import say

__all__ = ["AGAIN", "CachedEncoder"]

AGAIN = "Give the encoder again: space.use_encoder(encoder)."
"""What to do where an encoder is not here, or is another one."""


class CachedEncoder:
    """Encodes texts in batches, each distinct text once; see ``TextEmbeddings`` for the arguments.

    Attributes:
        name: name or folder of the encoder, ``None`` for a function or a loaded model.
        identity: of the encoder that was used last, in this process or in that of a file; see ``Encoder``.

    Raises:
        ConfigurationError: if an argument is out of range.
    """

    def __init__(
        self,
        pooling: Pooling | None = None,
        max_length: int | None = None,
        batch_size: int = 32,
        device: str | torch.device | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        progress_bar: bool = True,
    ) -> None:
        if pooling is not None:
            check_choice("pooling", pooling, get_args(Pooling))
        for name, value in {"batch_size": batch_size, "max_length": max_length}.items():
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} = {value} must be at least 1.")
        self.pooling, self.max_length, self.batch_size, self.device = pooling, max_length, batch_size, device
        self.cache_dir = None if cache_dir is None else Path(cache_dir)
        self.progress_bar = progress_bar
        self.name: str | None = None
        self.identity = ""
        self._encoder: Encoder | None = None
        self._cache: tuple[str, EmbeddingCache] | None = None

    @property
    def label(self) -> str:
        """What to call the encoder in messages."""
        if self._encoder is not None:
            return self._encoder.label
        return "no encoder" if self.name is None else f"the encoder {self.name!r}, which is missing"

    def __repr__(self) -> str:
        return f"CachedEncoder({self.label:.150})"

    def __getstate__(self) -> dict[str, Any]:
        # The cache of a process stays in it.
        return {**vars(self), "_cache": None}

    def use(self, encoder: EncoderLike, cache_key: str | None = None) -> None:
        """Encode with this encoder from now on.

        Raises:
            ConfigurationError: if it is no encoder, or does not fit the settings.
        """
        self._encoder = as_encoder(encoder, self.pooling, self.max_length, self.device, cache_key)
        self.name = self._encoder.name if isinstance(self._encoder, NamedEncoder) else None
        self.identity, self._cache = "", None
        if self.cache_dir is not None and not self._encoder.is_kept_on_disk:
            say(
                f"Embeddings of {self.label} are not kept on the disk, because nothing tells another process what it "
                'does: give cache_key="a name and a version".'
            )

    def restore(self, name: str | None, identity: str) -> None:
        """Take the encoder of a file by its name; where its folder is missing, ``embed`` says so."""
        if name is None:
            return
        try:
            self.use(name)
        except ConfigurationError:
            self.name = name
        self.identity = identity

    def embed(self, texts: Sequence[str]) -> Float[np.ndarray, "text feature"]:
        """Return the embeddings of texts, float32 (n, d).

        Raises:
            ConfigurationError: if there is no encoder, or it cannot be loaded.
            DataError: if it returns no finite matrix with one row for each text.
        """
        encoder = self._encoder_or_cure()
        cache = self._cache_of(encoder)
        num_cut = 0

        def encode(chunk: list[str]) -> Float[np.ndarray, "text feature"]:
            nonlocal num_cut
            num_cut += encoder.num_cut(chunk)
            starts = range(0, len(chunk), self.batch_size)
            return np.concatenate([encoder.checked(chunk[start : start + self.batch_size]) for start in starts])

        rows = cache.embed(texts, encode, self.progress_bar)
        if num_cut:
            say(
                f"{num_cut} of {len(set(texts))} texts have more than the {encoder.max_length} tokens that "
                f"{encoder.label} reads; the rest of them is left out."
            )
        return rows

    def _encoder_or_cure(self) -> Encoder:
        if self._encoder is not None:
            return self._encoder
        if self.name is not None:
            raise ConfigurationError(f"the folder {self.name!r} of the encoder is missing. {AGAIN}")
        raise ConfigurationError(
            f"the encoder is not here: files hold the names of encoders, but neither functions nor models. {AGAIN}"
        )

    def _cache_of(self, encoder: Encoder) -> EmbeddingCache:
        identity = encoder.identity
        if self.identity != identity and self.identity.split(" ")[0] == identity.split(" ")[0]:
            rank_zero_warn(
                f"{encoder.label} is not what it was when this space was fitted: its files or settings changed, so its "
                "embeddings may have another meaning. Fit the space and train the model again."
            )
        self.identity = identity
        if self._cache is None or self._cache[0] != identity:
            self._cache = identity, EmbeddingCache(identity, self.cache_dir if encoder.is_kept_on_disk else None)
        return self._cache[1]
