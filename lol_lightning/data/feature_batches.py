"""Rows to predict, as batches of features: no votes, no labels, no data module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from lol_lightning.data.batch import Features, SparseRows
from lol_lightning.data.dataset import as_tensor
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.feature_space import FeatureSpace, Matrix
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.lfs.rows import read_rows

__all__ = ["feature_batches", "features_of", "is_matrix"]


BATCH_ROWS, BATCH_TEXTS = 4096, 64
"""Rows of a batch to predict; texts as tokens take some megabytes each in a transformer."""


def feature_batches(rows: Any, space: FeatureSpace | None, batch_size: int | None = None) -> Iterator[Features]:
    """Cut the features of rows into batches.

    Args:
        rows: see ``features_of``.
        space: turns rows into features; ``None`` where only features are accepted.
        batch_size: rows of a batch, the last one may be smaller; by default 4096, and 64 of texts as tokens.

    Yields:
        float (B, ...), ``SparseRows`` (B, d) or a token dictionary.

    Raises:
        ConfigurationError: if rows are no features and there is no space.
        DataError: if the features are not finite or have a single axis.

    Example:
        >>> [len(batch) for batch in feature_batches(np.zeros((5, 2)), None, batch_size=3)]
        [3, 2]
    """
    features = features_of(rows, space)
    if isinstance(features, TokenRows):
        batch_size = BATCH_TEXTS if batch_size is None else batch_size
        for start in range(0, len(features), batch_size):
            yield features[slice(start, start + batch_size)].batch()
        return
    batch_size = BATCH_ROWS if batch_size is None else batch_size
    whole = SparseRows.from_csr(features) if sp.issparse(features) else as_tensor(features)
    for start in range(0, len(whole), batch_size):
        index = torch.arange(start, min(start + batch_size, len(whole)))
        yield whole.rows(index) if isinstance(whole, SparseRows) else whole[index]


def features_of(rows: Any, space: FeatureSpace | None) -> Matrix | Tensor | TokenRows:
    """Return the features of rows, float32 (n, ...), dense or sparse, or their tokens.

    Args:
        rows: texts, a DataFrame or data points, as ``space`` reads them; or the features themselves, as an array, a
            tensor, a SciPy matrix or ``TokenRows``.
        space: turns rows into features.

    Raises:
        ConfigurationError: if rows are no features and there is no space.
        DataError: if the features are not finite or have a single axis.
    """
    if isinstance(rows, TokenRows):
        return rows
    if not is_matrix(rows):
        if space is None:
            raise ConfigurationError(
                f"rows of the type {type(rows).__name__} are no features, and the model has no feature space: it is "
                "not trained yet, or was trained on a matrix. Train it first, or give a matrix in the same form."
            )
        return space.transform(read_rows(rows))
    if rows.ndim < 2:
        raise DataError(
            f"the features have the shape {tuple(rows.shape)}; they must be (n, d), or (n, ...) for images."
        )
    if not all(rows.shape[1:]):
        raise DataError(
            f"the features have the shape {tuple(rows.shape)}, so that a row has none; they must be (n, d)."
        )
    if isinstance(rows, np.ma.MaskedArray) and np.ma.getmaskarray(rows).any():
        row = int(np.argwhere(np.ma.getmaskarray(rows))[0, 0])
        raise DataError(f"row {row} holds a feature that is masked; fill masked features, as rows.filled(0).")
    if rows.is_complex() if isinstance(rows, Tensor) else rows.dtype.kind not in "fiub":
        raise DataError(f"the features have the type {rows.dtype}; they must be real numbers.")
    features: Matrix | Tensor
    with np.errstate(over="ignore"):  # The check below says it with the row.
        if isinstance(rows, Tensor):
            features = rows.float()
        elif sp.issparse(rows):
            features = sp.csr_matrix(rows, dtype=np.float32)
        else:
            features = np.asarray(rows, dtype=np.float32)
    finite = torch.isfinite(as_tensor(features.data if sp.issparse(features) else features))
    if not finite.all():
        row = int((~finite).nonzero()[0, 0])
        if sp.issparse(rows):
            row = int(np.searchsorted(cast(Any, features).indptr, row, side="right")) - 1
        raise DataError(
            f"row {row} holds a feature that is not finite (NaN or infinite), or is too large for float32; fill, scale "
            "or drop such rows."
        )
    return features


def is_matrix(rows: Any) -> bool:
    """Tell whether rows are features already: a tensor, a sparse matrix or an array of numbers."""
    return sp.issparse(rows) or isinstance(rows, Tensor) or (isinstance(rows, np.ndarray) and rows.dtype.kind in "fiub")
