"""What a folder of files holds, as one short text."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from lol_lightning._files.disk import reading

__all__ = ["folder_digest"]

_CHUNK = 2**22


def folder_digest(folder: str | Path, suffixes: Collection[str], what: str = "a folder", cure: str = "") -> str:
    """Return a hash of the names and contents of the files of a folder, those of the folders in it included.

    Every byte is read, about a gigabyte a second: a model that was trained further may differ anywhere.

    Args:
        folder: the folder; what is hidden in it is left out.
        suffixes: how the names of the files end that count, such as ``".json"``.
        what: what the folder should be, with its article, for the message.
        cure: what to do where it is missing or cannot be read.

    Returns:
        32 hexadecimal digits.

    Raises:
        DataError: if the folder or a file in it is missing or cannot be read.
    """
    root = Path(folder)
    digest = hashlib.blake2b(digest_size=16)
    with reading(root, what, cure):
        if not root.is_dir():
            raise FileNotFoundError(str(root))
        for path in sorted(path for path in root.rglob("*") if path.suffix in suffixes and path.is_file()):
            name = path.relative_to(root).as_posix()
            if any(part.startswith(".") for part in name.split("/")):
                continue
            digest.update(f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogatepass"))
            with open(path, "rb") as file:
                while part := file.read(_CHUNK):
                    digest.update(part)
    return digest.hexdigest()
