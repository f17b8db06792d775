"""JSON within bounds, and the check that what a file holds has the fields that it should have."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lol_lightning._files.disk import MAX_TEXT_BYTES, read_bytes, reading, write_text
from lol_lightning.exceptions import DataError

__all__ = ["check_fields", "check_list", "parse_json", "read_json", "write_json"]

MAX_DEPTH = 100
"""How deeply lists and mappings of a file may be nested."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEP = np.zeros(256, dtype=np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


def read_json(path: str | Path, what: str = "JSON", cure: str = "", max_bytes: int = MAX_TEXT_BYTES) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.
        what: what it should be, with its article, for the message.
        cure: what to do about a file that is missing or broken.
        max_bytes: size from which on it is refused unread.

    Raises:
        DataError: if the file is missing or too large, is no JSON, is nested too deeply, holds a number that is not
            finite, or a key twice.
    """
    content = read_bytes(path, what, cure, max_bytes)
    with reading(path, what, cure):
        return parse_json(content)


def write_json(path: str | Path, value: Any, indent: int | None = None) -> None:
    """Write a JSON file as a whole.

    Raises:
        DataError: if the file cannot be written, or the value is not plain or holds a number that is not finite; a
            file that was there is then as it was.
    """
    try:
        text = json.dumps(value, indent=indent, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be written: the value is no JSON ({error}).") from error
    write_text(path, text + "\n")


def parse_json(content: bytes) -> Any:
    """Parse JSON in UTF-8.

    Raises:
        DataError: if it is nested too deeply, holds a number that is not finite, or a key twice.
        ValueError: if it is no JSON.
    """
    # The parser would recurse as deeply, and how deeply it can is for the process to decide.
    depth = _STEP[np.frombuffer(_STRING.sub(b"", content), dtype=np.uint8)].cumsum(dtype=np.int32).max(initial=0)
    if depth > MAX_DEPTH:
        raise DataError(f"it is nested {depth} levels deep, more than {MAX_DEPTH}")
    return json.loads(
        content.decode("utf-8-sig"),
        parse_float=_finite,
        parse_constant=_finite,
        object_pairs_hook=_distinct,
    )


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DataError(f"it holds the number {text}, which is not finite")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise DataError(f"the key {key!r:.80} occurs twice in one object")
    return content


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


def _is_of(value: Any, expected: Any) -> bool:
    if isinstance(value, bool):
        return bool in (get_args(expected) or (expected,))
    return isinstance(value, expected)


def _name_of(expected: Any) -> str:
    return getattr(expected, "__name__", str(expected)).replace("NoneType", "None")
