"""The command line ``lol-lightning``: it calls what Python users call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lol_lightning._lazy import lazy_names
from lol_lightning.cli._main import main

__all__ = ["LoLCLI", "main"]

if TYPE_CHECKING:
    from lol_lightning.cli.lightning_cli import LoLCLI

__getattr__, __dir__ = lazy_names(__name__, {"LoLCLI": "lightning_cli"})
