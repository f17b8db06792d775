"""What all measurements need: where data and results are, and tables on the console."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

Row = dict[str, Any]

console = Console(width=None if sys.stdout.isatty() else 140)


def wrench_root() -> Path:
    """Directory of the WRENCH sets."""
    return _root("wrench")


def vision_root() -> Path:
    """Directory of the image sets."""
    return _root("vision")


def _root(name: str) -> Path:
    return Path(os.environ.get(f"{name.upper()}_ROOT", ROOT.parent / "shared" / name))


def show(title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print dictionaries of equal keys as a table."""
    rows = list(rows)
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:,.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
