"""Which checkpoint a command reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lol_lightning._lightning import rank_zero_info
from lol_lightning.exceptions import ConfigurationError

__all__ = ["checkpoint_of"]

_KEYWORDS = ("best", "last", "hpc", "registry")
"""What Lightning reads as a name instead of a path."""


def checkpoint_of(section: Any, command: str) -> str | None:
    """Return the path that ``--ckpt_path`` names, or that of the best checkpoint which ``fit`` has left.

    Args:
        section: the configuration of the command.
        command: "fit", "validate", "test" or "predict". Only "fit" may do without a checkpoint.

    Raises:
        ConfigurationError: if there is none.
    """
    path = section.get("ckpt_path")
    if path:
        if "://" not in path and not str(path).startswith(_KEYWORDS) and not Path(path).exists():
            raise ConfigurationError(f"--ckpt_path {path}: there is no such file.")
        return str(path)
    if command == "fit":
        return None
    checkpoint = section.get("checkpoint") or {}
    directory, name = checkpoint.get("dirpath"), checkpoint.get("filename")
    cure = "Give --ckpt_path PATH, or run `lol-lightning fit` with this configuration first."
    if directory is None or name is None or "{" in name:
        raise ConfigurationError(
            f"the configuration does not tell where its best checkpoint lies (checkpoint.dirpath). {cure}"
        )
    best = Path(directory) / f"{name}.ckpt"
    if not best.is_file():
        raise ConfigurationError(f"the best checkpoint of this configuration, {best}, is not there. {cure}")
    rank_zero_info(f"The checkpoint is {best}; --ckpt_path names another.")
    return str(best)
