"""Plain types: what a file of this package may hold, and the check that a mapping from a file has its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from lol_lightning.exceptions import DataError

__all__ = ["check_fields", "check_list", "check_tensor"]


def check_fields(value: Any, fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check that a mapping has exactly these fields, of these types.

    Args:
        value: what a file holds.
        fields: name and type of each field, such as ``str | None``. A bool is no number, an int no float.
        where: what the mapping is, for the message.

    Returns:
        The mapping as a dict.

    Raises:
        DataError: if it is no mapping, a field is missing, unknown or of another type.

    Example:
        >>> check_fields({"column": "text"}, {"column": str}, "the feature space")
        {'column': 'text'}
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{where} is a {type(value).__name__}, not a mapping.")
    if missing := [name for name in fields if name not in value]:
        raise DataError(f"{where} lacks {missing[0]!r}.")
    if unknown := [name for name in value if name not in fields]:
        raise DataError(f"{where} has {unknown[0]!r:.80}, which is not expected.")
    for name, expected in fields.items():
        if not _is_of(value[name], expected):
            raise DataError(f"{where} has {name} = {value[name]!r:.80}, not {_name_of(expected)}.")
    return dict(value)


def check_list(value: Any, expected: Any, where: str) -> list[Any]:
    """Check that all entries of a list have one type.

    Raises:
        DataError: if the value is no list, or an entry is of another type.
    """
    if not isinstance(value, list):
        raise DataError(f"{where} is a {type(value).__name__}, not a list.")
    bad = next((i for i, entry in enumerate(value) if not _is_of(entry, expected)), None)
    if bad is not None:
        raise DataError(f"{where} has {value[bad]!r:.80} at position {bad}, not {_name_of(expected)}.")
    return value


def check_tensor(value: Any, dtype: torch.dtype | None, shape: tuple[int, ...], where: str) -> Tensor:
    """Check that a value is a dense tensor of a shape, finite, on the CPU; ``dtype`` None takes any of the floats.

    Raises:
        DataError: if it is not.
    """
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        raise DataError(f"{where} is a {type(value).__name__}, not a dense tensor.")
    if value.dtype != dtype if dtype is not None else not value.is_floating_point():
        raise DataError(f"{where} has the dtype {value.dtype}, not {dtype or 'a float'}.")
    if tuple(value.shape) != shape:
        raise DataError(f"{where} has the shape {tuple(value.shape)}, not {shape}.")
    value = value.detach().cpu()
    if not value.isfinite().all():
        raise DataError(f"{where} holds a number that is not finite.")
    return value


def _is_of(value: Any, expected: Any) -> bool:
    if isinstance(value, bool):
        return bool in (get_args(expected) or (expected,))
    return isinstance(value, expected)


def _name_of(expected: Any) -> str:
    return getattr(expected, "__name__", str(expected)).replace("NoneType", "None")
