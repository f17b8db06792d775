"""Where commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["output_console"]

_WIDE = 1000
"""Columns where nobody looks at a terminal: no cell of a table is folded in a pipe or a file."""


def output_console() -> Console:
    """Return a console as wide as the terminal, and without an end where the output goes elsewhere."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal or console.is_jupyter else Console(width=_WIDE)
