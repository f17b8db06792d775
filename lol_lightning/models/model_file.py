"""A trained model as one file of plain arrays and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_model(path: str | Path, hparams: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write."""


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read."""
    return {}, {}
