"""Names of labeling functions, which records, votes and columns are matched by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lol_lightning.exceptions import LabelingFunctionError

__all__ = ["check_lf_names"]


def check_lf_names(names: Sequence[Any]) -> None:
    """Check the names of labeling functions; everything that has LFs, their columns or records calls this.

    Raises:
        LabelingFunctionError: if two are equal, or one is no text or an empty one.

    Example:
        >>> check_lf_names(["asks", "music"])
    """
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise LabelingFunctionError(
                f"a labeling function is named {name!r}; names are texts, by which votes and records are matched."
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise LabelingFunctionError(f"two labeling functions are named {twice!r}; give each a name of its own.")
