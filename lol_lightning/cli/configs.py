"""Configurations that come with the package, by name."""

from __future__ import annotations

import re
from pathlib import Path

from lol_lightning._files.disk import read_text
from lol_lightning._parsing import config_values
from lol_lightning.exceptions import ConfigurationError, did_you_mean

__all__ = ["configurations", "named_configurations", "print_configurations"]

_NAME = re.compile(r"[\w-]+")
"""What could be the name of a configuration: no path, no file name with an ending, no YAML itself."""


def configurations() -> dict[str, Path]:
    """Return the shipped configurations by name; an installed package holds them, a clone has them at its root."""
    package = Path(__file__).parents[1]
    for directory in (package / "_configs", package.parent / "configs"):
        if directory.is_dir():
            return {path.stem: path for path in sorted(directory.glob("*.yaml"))}
    return {}


def named_configurations(options: list[str]) -> list[str]:
    """Replace names of shipped configurations after ``--config`` by their paths; files of that name come first.

    Raises:
        ConfigurationError: if a value could be such a name, but is neither that nor a file.

    Example:
        >>> named_configurations(["--config=youtube", "--config", "mine.yaml"])[1:]
        ['--config', 'mine.yaml']
    """
    shipped = configurations()
    result = list(options)
    for place, before, value in config_values(options):
        if value in shipped and not Path(value).is_file():
            result[place] = f"{before}{shipped[value]}"
        elif _NAME.fullmatch(value) and not Path(value).exists():
            raise ConfigurationError(
                f"--config {value}: there is neither a file nor a configuration of this name"
                f"{did_you_mean(value, shipped)} `lol-lightning configs` lists the configurations."
            )
    return result


def print_configurations(options: list[str]) -> None:
    """Print name and first comment of each configuration, or with a name its whole text."""
    shipped = configurations()
    for name in options:
        if name not in shipped:
            raise ConfigurationError(f"there is no configuration {name!r}{did_you_mean(name, shipped)}")
        print(read_text(shipped[name], "a configuration"), end="")
    if not options:
        for name, path in shipped.items():
            print(f"{name:<16}{read_text(path, 'a configuration').splitlines()[0].lstrip('# ')}")
