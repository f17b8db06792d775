"""Packages that only some users need, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lol_lightning.exceptions import ConfigurationError

__all__ = ["text_package"]


def text_package(name: str, what: str) -> Any:
    """Import a package of the extra ``text``.

    Args:
        name: of the package.
        what: needs it, for the message.

    Raises:
        ConfigurationError: if it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigurationError(
            f'{what} needs {name}, which is not installed: pip install "lol-lightning[text]".'
        ) from error
