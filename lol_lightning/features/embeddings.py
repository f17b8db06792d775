"""TextEmbeddings: the vectors that a pretrained encoder gives texts, as a feature space."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lol_lightning._files.plain import check_fields
from lol_lightning._files.state import check_tensor
from lol_lightning.exceptions import ConfigurationError, DataError, FeatureSpaceError
from lol_lightning.features.cached_encoder import AGAIN, CachedEncoder
from lol_lightning.features.encoder_loading import EncoderLike
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.features.token_pooling import Pooling
from lol_lightning.features.vocabulary import FeatureMatch
from lol_lightning.lfs.record import InspectedFeature
from lol_lightning.lfs.rows import Rows, texts_of

__all__ = ["BY_INSERTION", "TextEmbeddings"]

SpaceT = TypeVar("SpaceT", bound="TextEmbeddings")

BY_INSERTION = "no single number of an embedding stands for it; the demand is made by insertion into texts"
"""Remark about an inspected feature in a space of embeddings."""

_FIELDS = {
    "class": str,
    "encoder": str | None,
    "column": str | int | float | list,
    "pooling": str | None,
    "max_length": int | None,
    "batch_size": int,
    "standardize": bool,
    "num_rows": int,
    "mean": Tensor,
    "scale": float,
    "identity": str,
}


class TextEmbeddings(FeatureSpace):
    """Embeddings of texts by a pretrained encoder, dense float32 (n, d); nothing of the encoder is trained.

    Each distinct text is encoded once in a process, and once on a disk with ``cache_dir``. Checkpoints and files hold
    the name of the encoder and no weights.

    Args:
        encoder: a name on the Hugging Face hub or a folder, read by sentence-transformers where that is installed, else
            by transformers; a loaded ``SentenceTransformer``; a loaded model of transformers with its tokenizer, as a
            pair; or a function from a list of texts to an array or tensor (n, d). ``None`` leaves it to
            ``use_encoder``.
        text_column: column, attribute or key that holds the text, or a list of words.
        pooling: how the vectors of a text's tokens become one, "mean", "cls" or "max"; by default what the folder says,
            else their mean.
        max_length: tokens that are read of a text; by default what the folder says. One line tells of texts that are
            cut.
        batch_size: texts that are encoded at a time. It changes no result beyond rounding.
        device: of the encoder; by default an accelerator, if there is one, else the CPU. A loaded model stays where it
            is.
        cache_dir: folder that keeps embeddings by the content of their texts, for several processes at a time; by
            default nothing is kept.
        cache_key: what a function does, in any process, as ``cache_dir`` needs it: a name and a version.
        progress_bar: whether to show the progress of encoding.
        standardize: whether to subtract the mean of the training rows and divide by one number, so that the mean
            variance of a feature is 1.

    Raises:
        ConfigurationError: if an argument is out of range or does not fit the encoder, or a folder is missing.

    Example:
        >>> def encoder(texts):
        ...     return np.array([[len(text), text.count("o")] for text in texts])
        >>> space = TextEmbeddings(encoder, standardize=False, progress_bar=False)
        >>> space.fit_transform(["a good song", "free"])
        array([[11.,  3.], [ 4.,  0.]], dtype=float32)
        >>> space
        TextEmbeddings(the encoder encoder, 2 features)
    """

    def __init__(
        self,
        encoder: EncoderLike | None,
        text_column: Any = "text",
        *,
        pooling: Pooling | None = None,
        max_length: int | None = None,
        batch_size: int = 32,
        device: str | torch.device | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_key: str | None = None,
        progress_bar: bool = True,
        standardize: bool = True,
    ) -> None:
        self.column, self.standardize = text_column, standardize
        self._source = CachedEncoder(pooling, max_length, batch_size, device, cache_dir, progress_bar)
        if encoder is not None:
            self._source.use(encoder, cache_key)

    @property
    def is_fitted(self) -> bool:
        """Whether ``fit`` was called."""
        return hasattr(self, "_mean")

    @property
    def interpretable(self) -> bool:
        """False: a word shows in all numbers of an embedding."""
        return False

    @property
    def text_columns(self) -> list[str]:
        """The text column."""
        return [str(self.column)]

    @property
    def num_features(self) -> int:
        """Number of features, d."""
        self._check_fitted()
        return len(self._mean)

    @property
    def feature_names(self) -> list[str]:
        """``embedding 0``, ``embedding 1``, ..."""
        return [f"embedding {j}" for j in range(self.num_features)]

    @property
    def observed_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): 1, each row has every number of its embedding."""
        return torch.ones(self.num_features)

    @property
    def document_frequency(self) -> Float[Tensor, " feature"]:
        """float32 (d,): ``(rows + 1) / (rows + 2)``."""
        return torch.full((self.num_features,), (self._num_rows + 1) / (self._num_rows + 2))

    @property
    def feature_scale(self) -> Float[Tensor, " feature"]:
        """float32 (d,): the mean of the training rows, 0 with ``standardize``.

        Samples of the smoothing distribution so hold the mean embedding beside their random words.
        """
        self._check_fitted()
        return torch.zeros_like(self._mean) if self.standardize else self._mean

    def use_encoder(self: SpaceT, encoder: EncoderLike, cache_key: str | None = None) -> SpaceT:
        """Encode with this encoder from now on, as where the one of a file is not here; return this space.

        Args:
            encoder: see the class. Mean and scale stay those of the rows on which the space was fitted.
            cache_key: what a function does, in any process.

        Raises:
            ConfigurationError: if it is no encoder.
        """
        self._source.use(encoder, cache_key)
        return self

    def fit_transform(self, data: Rows, inspected: Iterable[InspectedFeature] = ()) -> Float[np.ndarray, "row d"]:
        """Learn mean and scale from training rows and return their features, float32 (n, d).

        Raises:
            DataError: if a row has no text, or the encoder returns no finite matrix.
            FeatureSpaceError: if there are no rows.
        """
        # The encoder may have changed since an earlier fit.
        self._source.identity = ""
        raw = self._source.embed(texts_of(data, self.column))
        if not len(raw):
            raise FeatureSpaceError("there are no rows to fit TextEmbeddings on; give training rows.")
        self._mean = torch.from_numpy(raw.mean(0, dtype=np.float64).astype(np.float32))
        scale = float(np.sqrt(raw.var(0, dtype=np.float64).mean()))
        self._scale = scale if scale > 1e-12 else 1.0
        self._num_rows = len(raw)
        return self._standardized(raw)

    def check_rows(self, data: Rows) -> None:
        """Raise ``DataError`` where rows have no text in the column."""
        texts_of(data, self.column)

    def transform(self, data: Rows) -> Float[np.ndarray, "row d"]:
        """Return the features of rows, float32 (n, d).

        Raises:
            NotFittedError: if the space is not fitted.
            ConfigurationError: if the encoder of the file that the space is from is not here.
            DataError: if a row has no text, or the encoder returns no finite matrix or another number of features.
        """
        self._check_fitted()
        raw = self._source.embed(texts_of(data, self.column))
        if not len(raw):
            return np.empty((0, self.num_features), np.float32)
        if raw.shape[1] != self.num_features:
            raise DataError(
                f"{self._source.label} returns embeddings of {raw.shape[1]} numbers, and this space was fitted on "
                f"{self.num_features}. {AGAIN}"
            )
        return self._standardized(raw)

    def map_feature(self, feature: InspectedFeature) -> FeatureMatch:
        """Return no entries: no single feature stands for a word."""
        return FeatureMatch((), BY_INSERTION)

    def state(self) -> dict[str, Any]:
        """Return the name of the encoder, its settings, mean and scale; a function or a loaded model is left out.

        Raises:
            NotFittedError: if the space is not fitted.
            ConfigurationError: if the class is not registered.
        """
        return {
            **super().state(),
            "encoder": self._source.name,
            # The name of a column of several levels is a tuple, which files do not hold.
            "column": list(self.column) if isinstance(self.column, tuple) else self.column,
            "pooling": self._source.pooling,
            "max_length": self._source.max_length,
            "batch_size": self._source.batch_size,
            "standardize": self.standardize,
            "num_rows": self._num_rows,
            "mean": self._mean,
            "scale": self._scale,
            "identity": self._source.identity,
        }

    @classmethod
    def from_state(cls: type[SpaceT], state: Mapping[str, Any]) -> SpaceT:
        """Build the space again. An encoder without a name, or whose folder is missing, is left to ``use_encoder``.

        Raises:
            DataError: if the state does not fit the class.
        """
        where = f"the state of a {cls.__name__}"
        fields = check_fields(state, _FIELDS, where)
        column = tuple(fields["column"]) if isinstance(fields["column"], list) else fields["column"]
        mean = check_tensor(fields["mean"], torch.float32, tuple(fields["mean"].shape), f"mean in {where}")
        if mean.ndim != 1 or not len(mean) or fields["scale"] <= 0 or fields["num_rows"] < 1:
            raise DataError(
                f"{where} has a mean of the shape {tuple(mean.shape)}, the scale {fields['scale']} and "
                f"{fields['num_rows']} rows."
            )
        settings = {name: fields[name] for name in ("pooling", "max_length", "batch_size", "standardize")}
        try:
            space = cls(None, column, **settings)
        except ConfigurationError as error:
            raise DataError(f"{where} is broken: {error}") from error
        space._mean, space._scale, space._num_rows = mean, fields["scale"], fields["num_rows"]
        space._source.restore(fields["encoder"], fields["identity"])
        return space

    def __repr__(self) -> str:
        size = f"{self.num_features} features" if self.is_fitted else "not fitted"
        return f"{type(self).__name__}({self._source.label:.100}, {size})"

    def _standardized(self, raw: Float[np.ndarray, "row d"]) -> Float[np.ndarray, "row d"]:
        return (raw - self._mean.numpy()) / np.float32(self._scale) if self.standardize else raw
