"""Validation of a vote matrix at the border."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from lol_lightning.exceptions import VotesError
from lol_lightning.functional.votes import ABSTAIN
from lol_lightning.lfs.frames import as_frame
from lol_lightning.lfs.names import check_lf_names

__all__ = ["validate_votes"]

_EXACT = 2.0**53
"""Floating-point numbers from here on do not tell one integer from the next."""


def validate_votes(
    L: Any,
    cardinality: int | None = None,
    lf_names: Sequence[str] | None = None,
    fitted_lfs: int | None = None,
) -> npt.NDArray[np.int64]:
    """Return a vote matrix in its one form, or say which vote is wrong; everything that takes votes calls this.

    Args:
        L: (n, m) class ids or ``ABSTAIN``, as array, tensor, nested lists, table (of pandas, polars, Arrow) or SciPy
            sparse matrix. What a sparse matrix does not store is a 0, so a vote for class 0.
        cardinality: K; votes must lie below.
        lf_names: names of the columns, for the error; those of a table by default.
        fitted_lfs: number of LFs that a model was fitted on, where the votes are for that model.

    Returns:
        int64 (n, m); the array itself where it already has this form.

    Raises:
        VotesError: if ``L`` has not two axes or holds a value that is missing or masked, a text, a boolean, no
            integer, below -1 or not below ``cardinality``; row, LF and value are named. Also if m is not
            ``fitted_lfs``.
        LabelingFunctionError: if two columns have the same name.

    Example:
        >>> validate_votes([[1.0, -1.0], [0.0, 1.0]], cardinality=2)
        array([[ 1, -1],
               [ 0,  1]])
    """
    table = None if sparse.issparse(L) or hasattr(L, "detach") else as_frame(L)
    if table is not None:
        names = [str(name) for name in table.columns]
        check_lf_names(names)
        lf_names = names if lf_names is None else lf_names
        L = table.to_numpy(dtype=object) if _has_mixed_types(table) else table.to_numpy()
    votes = _as_array(L)
    if votes.ndim != 2:
        raise VotesError(f"the vote matrix has shape {votes.shape}; expected (rows, labeling functions).")
    if lf_names is not None and len(lf_names) != votes.shape[1]:
        raise VotesError(f"the vote matrix has {votes.shape[1]} columns for {len(lf_names)} labeling functions.")
    votes = _as_integers(votes, lf_names, cardinality)
    wrong = (votes < ABSTAIN) | (votes >= cardinality) if cardinality is not None else votes < ABSTAIN
    if wrong.any():
        classes = f"{ABSTAIN} (abstain) or a class" + (f" below {cardinality}" if cardinality is not None else "")
        raise VotesError(f"{_where(votes, wrong, lf_names)}; expected {classes}.")
    if fitted_lfs is not None and votes.shape[1] != fitted_lfs:
        raise VotesError(
            f"L has {votes.shape[1]} columns and the model was fitted on {fitted_lfs} LFs; "
            "apply the same LFs in the same order."
        )
    return votes


def _has_mixed_types(table: pd.DataFrame) -> bool:
    """Whether NumPy would have to find a common type, in which True becomes 1 and pd.NA has no place."""
    return not all(isinstance(dtype, np.dtype) and dtype.kind in "iuf" for dtype in table.dtypes)


def _as_array(L: Any) -> npt.NDArray[Any]:
    if sparse.issparse(L):
        return np.asarray(L.toarray())
    if isinstance(L, str | bytes | Set | Iterator) or L is None:
        raise VotesError(
            f"votes are a matrix (rows, labeling functions), got {L!r:.60} of the type {type(L).__name__}; give an "
            "array, a DataFrame or nested lists."
        )
    try:
        if hasattr(L, "detach"):
            # NumPy knows neither sparse tensors nor bfloat16.
            L = L.detach().to_dense().cpu()
            L = L.double() if L.is_floating_point() else L
        votes = np.asanyarray(L)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise VotesError(f"the vote matrix has rows of different length, or is none: {error}.") from error
    if isinstance(votes, np.ma.MaskedArray):
        if (mask := np.ma.getmaskarray(votes)).any() and votes.ndim == 2:
            raise VotesError(f"{_where(votes.data, mask, None)} is masked; fill masked votes, as L.filled({ABSTAIN}).")
        votes = votes.data
    return np.asarray(votes)


def _as_integers(
    votes: npt.NDArray[Any], lf_names: Sequence[str] | None, cardinality: int | None
) -> npt.NDArray[np.int64]:
    if votes.dtype == np.int64:
        return votes
    kind = votes.dtype.kind
    if kind == "u" and votes.size:
        # This is what -1 becomes in an unsigned type, and no class unless there are as many.
        wrapped = votes == np.iinfo(votes.dtype).max
        if wrapped.any() and not (cardinality is not None and int(votes.max()) < cardinality):
            raise VotesError(
                f"{_where(votes, wrapped, lf_names)}: {ABSTAIN} becomes this number in {votes.dtype}; keep votes in a "
                "signed type, such as np.int64."
            )
    if kind in "iu":
        too_large = votes > np.iinfo(np.int64).max if votes.dtype == np.uint64 else np.zeros(votes.shape, bool)
        if too_large.any():
            raise VotesError(f"{_where(votes, too_large, lf_names)}; it is too large for a class.")
        return votes.astype(np.int64)
    if kind == "f":
        numbers = votes.astype(np.float64, copy=False)
        wrong = ~np.isfinite(numbers) | (numbers != np.floor(numbers)) | (np.abs(numbers) >= _EXACT)
    elif kind == "O":
        wrong = np.frompyfunc(_is_no_integer, 1, 1)(votes).astype(bool)
    else:  # Booleans, texts, complex numbers, dates.
        wrong = np.ones(votes.shape, bool)
    if wrong.any():
        value = votes[tuple(np.argwhere(wrong)[0])]
        raise VotesError(f"{_where(votes, wrong, lf_names)}; {_cure(value)}")
    return votes.astype(np.int64)


def _is_no_integer(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return True
    if isinstance(value, int | np.integer):
        return abs(int(value)) >= _EXACT
    return not isinstance(value, float | np.floating) or not (abs(float(value)) < _EXACT and float(value).is_integer())


def _cure(value: Any) -> str:
    """Say what votes are, and what to do about such a value."""
    if isinstance(value, bool | np.bool_):
        return (
            f"a boolean does not tell class 0 from an abstention: give np.where(L, 1, {ABSTAIN}) if False abstains, "
            "L.astype(int) if it is class 0."
        )
    if isinstance(value, str | bytes):
        return f"votes are class ids, not texts or names: map each name to its place among the classes, and {ABSTAIN}."
    return f"votes are integers, no numbers with fractions or other values, and {ABSTAIN} stands for a missing one."


def _where(votes: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], lf_names: Sequence[str] | None) -> str:
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    lf = f"labeling function {column}" + (f" ({lf_names[column]!r})" if lf_names is not None else "")
    value = votes[row, column]
    return f"vote {repr(str(value)) if isinstance(value, str) else str(value):.60} of {lf} at row {row}"
