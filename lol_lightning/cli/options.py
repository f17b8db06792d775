"""Options that name files of options: checked by the careful reader, before jsonargparse reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lol_lightning._files.yaml_files import read_yaml
from lol_lightning._parsing import config_values

__all__ = ["check_configs"]


def check_configs(options: Sequence[str]) -> None:
    """Check the files that ``--config`` names; jsonargparse would walk through references that never end.

    Raises:
        DataError: if one is missing, no YAML, nested too deeply or multiplies itself.
    """
    for _, _, value in config_values(options):
        # jsonargparse also takes YAML itself in place of a file.
        if "\n" not in value and ":" not in value.partition(".")[0]:
            read_yaml(Path(value), "a YAML file of options", "`lol-lightning configs` lists some.")
