"""Names of labeling functions, which records, votes and columns are matched by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lol_lightning.exceptions import LabelingFunctionError

__all__ = ["check_lf_names"]


def check_lf_names(names: Sequence[Any]) -> None:
    """Raise if two labeling functions have the same name; everything that has LFs, their columns or records calls this.

    Raises:
        LabelingFunctionError: if so.

    Example:
        >>> check_lf_names(["asks", "music"])
    """
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise LabelingFunctionError(f"two labeling functions are named {twice!r}; give each a name of its own.")
