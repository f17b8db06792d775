"""Validation of a vote matrix at the border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from lol_lightning.exceptions import VotesError
from lol_lightning.functional.votes import ABSTAIN

__all__ = ["validate_votes"]


def validate_votes(
    L: Any,
    cardinality: int | None = None,
    lf_names: Sequence[str] | None = None,
    fitted_lfs: int | None = None,
) -> npt.NDArray[np.int64]:
    """Return a vote matrix in its one form, or say which vote is wrong.

    Args:
        L: (n, m) class ids or ``ABSTAIN``, as array, nested lists, DataFrame (with ``pd.NA`` for no value) or SciPy
            sparse matrix. What a sparse matrix does not store is a 0, so a vote for class 0.
        cardinality: K; votes must lie below.
        lf_names: names of the columns, for the error; those of a DataFrame by default.
        fitted_lfs: number of LFs that a model was fitted on, where the votes are for that model.

    Returns:
        int64 (n, m); the array itself where it already has this form.

    Raises:
        VotesError: if ``L`` has not two axes or holds a value that is missing, no integer, below -1 or not below
            ``cardinality``; row, LF and value are named. Also if m is not ``fitted_lfs``.

    Example:
        >>> validate_votes([[1.0, -1.0], [0.0, 1.0]], cardinality=2)
        array([[ 1, -1],
               [ 0,  1]])
    """
    if isinstance(L, pd.DataFrame):
        lf_names = [str(name) for name in L.columns] if lf_names is None else lf_names
        L = L.to_numpy(dtype=float, na_value=np.nan) if L.isna().to_numpy().any() else L.to_numpy()
    elif sparse.issparse(L):
        L = L.toarray()
    try:
        votes = np.asarray(L)
    except ValueError as error:
        raise VotesError(f"the vote matrix has rows of different length: {error}.") from error
    if votes.ndim != 2:
        raise VotesError(f"the vote matrix has shape {votes.shape}; expected (rows, labeling functions).")
    if lf_names is not None and len(lf_names) != votes.shape[1]:
        raise VotesError(f"the vote matrix has {votes.shape[1]} columns for {len(lf_names)} labeling functions.")
    if votes.dtype.kind not in "iub":
        votes = _as_integers(votes, lf_names)
    votes = votes.astype(np.int64, copy=False)
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


def _as_integers(votes: npt.NDArray[Any], lf_names: Sequence[str] | None) -> npt.NDArray[Any]:
    try:
        numbers = votes.astype(float)
    except (TypeError, ValueError) as error:
        raise VotesError(f"the vote matrix holds values that are no numbers: {error}.") from error
    wrong = numbers != np.floor(numbers)
    wrong |= ~np.isfinite(numbers)
    if wrong.any():
        raise VotesError(
            f"{_where(votes, wrong, lf_names)}; votes are integers, and {ABSTAIN} stands for a missing one."
        )
    return numbers


def _where(votes: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], lf_names: Sequence[str] | None) -> str:
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    lf = f"labeling function {column}" + (f" ({lf_names[column]!r})" if lf_names is not None else "")
    return f"vote {votes[row, column]!s} of {lf} at row {row}"
