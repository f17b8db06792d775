"""YAML within bounds: neither nested too deeply nor so full of references that whoever walks through it never ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lol_lightning._files.disk import read_text, reading
from lol_lightning._files.plain import MAX_DEPTH
from lol_lightning.exceptions import DataError

__all__ = ["read_yaml"]

MAX_BYTES = 2**24
MAX_NODES = 10**6
"""Values, those behind a reference counted as often as it stands there."""


def read_yaml(path: str | Path, what: str = "a YAML file", cure: str = "") -> Any:
    """Read a YAML file of plain types.

    Args:
        path: of the file.
        what: what it should be, with its article, for the message.
        cure: what to do about a file that is missing or broken.

    Raises:
        DataError: if the file is missing, larger than 16 MiB, no YAML of plain types, nested more than 100 levels deep,
            or has references that multiply or lead to themselves.
    """
    text = read_text(path, what, cure, MAX_BYTES)
    with reading(path, what, cure):
        depth = 0
        # Events are read one after the other; the loader itself would recurse.
        for event in yaml.parse(text, yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise DataError(f"it is nested more than {MAX_DEPTH} levels deep")
        content = yaml.safe_load(text)
        if (nodes := _count(content, {})) > MAX_NODES:
            raise DataError(f"its references stand for {nodes} values, more than {MAX_NODES}")
        return content


def _count(value: Any, known: dict[int, int | None]) -> int:
    """Count the values in a value; ``known`` holds ``None`` for those that are being counted."""
    if not isinstance(value, dict | list | set | tuple):
        return 1
    if id(value) in known:
        count = known[id(value)]
        if count is None:
            raise DataError("a reference in it leads to itself")
        return count
    known[id(value)] = None
    children = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
    count = 1 + sum(_count(child, known) for child in children)
    known[id(value)] = count
    return count
