"""The command line ``lol-lightning``: it calls what Python users call."""

from lol_lightning.cli._main import main
from lol_lightning.cli.lightning_cli import LoLCLI

__all__ = ["LoLCLI", "main"]
