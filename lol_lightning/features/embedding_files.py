"""Embeddings on the disk: files of texts' keys and vectors, that several processes may write at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from lol_lightning._files.arrays import read_arrays, write_arrays
from lol_lightning._files.disk import make_directory_of
from lol_lightning._files.locks import locked_if_free
from lol_lightning.exceptions import DataError
from lol_lightning.lfs.saying import say

__all__ = ["EmbeddingFiles", "EmbeddingsByKey", "key_of", "read_embeddings"]

EmbeddingsByKey: TypeAlias = "dict[bytes, Float[np.ndarray, ' feature']]"
"""Embeddings float32 (d,) by the key of their text."""

MAX_FILES = 64
"""Files of few texts from which on they are made one."""
MAX_MERGED = 65_536
"""Texts of a file that files of fewer texts are merged into."""
_KEY_BYTES = 16
_SECONDS = 0.2
"""How long to wait for what another process encodes before looking again."""


def key_of(content: bytes) -> bytes:
    """Return a hash of 16 bytes."""
    return hashlib.blake2b(content, digest_size=_KEY_BYTES).digest()


class EmbeddingFiles:
    """A folder of files, each an npz with keys uint8 (n, 16) and values float32 (n, d), written as a whole.

    A file that is broken is removed, and one line says that its texts are encoded again.

    Args:
        folder: need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index: dict[bytes, Path] = {}
        self._indexed: set[Path] = set()

    def __repr__(self) -> str:
        return f"EmbeddingFiles({str(self.folder)!r:.150})"

    def read(self, keys: Collection[bytes]) -> EmbeddingsByKey:
        """Return the embeddings that are there."""
        if not keys:
            return {}
        self._find_files()
        by_path: dict[Path, set[bytes]] = {}
        for key in keys:
            if key in self._index:
                by_path.setdefault(self._index[key], set()).add(key)
        rows: EmbeddingsByKey = {}
        for path, wanted in by_path.items():
            content = self._content(path, with_values=True)
            rows |= {key: content[key] for key in wanted if key in content}
        return rows

    def fill(
        self, chunks: list[list[bytes]], encode: Callable[[list[bytes]], Float[np.ndarray, "key feature"]]
    ) -> Iterator[EmbeddingsByKey]:
        """Encode chunks of keys and write a file of each, or wait for the process that does.

        Processes that fill the same chunks at the same time divide them: each file has a lock, which ends with the
        process that holds it.

        Raises:
            DataError: if a file cannot be written.
        """
        waiting = chunks
        while waiting:
            left = []
            for keys in waiting:
                path = self._path(keys)
                with locked_if_free(path) as is_mine:
                    if not is_mine:
                        left.append(keys)
                        continue
                    rows = self._content(path, with_values=True) if path.exists() else {}
                    if rows.keys() != set(keys):
                        values = encode(keys)
                        _write(path, keys, values)
                        rows = dict(zip(keys, values, strict=True))
                with suppress(OSError):
                    path.with_name(f".{path.name}.lock").unlink()
                yield rows
            if len(left) == len(waiting):
                time.sleep(_SECONDS)
            waiting = left

    def merge(self) -> None:
        """Make one file of many with few texts, as single predictions leave them."""
        paths = self._paths()
        if len(paths) <= MAX_FILES:
            return
        with locked_if_free(self.folder / "merged") as is_mine:
            if not is_mine:
                return
            rows: EmbeddingsByKey = {}
            old = []
            for path in sorted(paths, key=lambda path: path.stat().st_size if path.exists() else 0):
                content = self._content(path, with_values=True)
                if len(rows) + len(content) > MAX_MERGED:
                    break
                rows |= content
                old.append(path)
            if len(old) < 2:
                return
            keys = sorted(rows)
            merged = self._path(keys)
            _write(merged, keys, np.stack([rows[key] for key in keys]))
            for path in old:
                if path != merged:
                    with suppress(OSError):
                        path.unlink()

    def _path(self, keys: Sequence[bytes]) -> Path:
        return self.folder / f"{key_of(b''.join(keys)).hex()}.npz"

    def _paths(self) -> set[Path]:
        return set(self.folder.glob("[0-9a-f]*.npz"))

    def _find_files(self) -> None:
        """Index the files that came since, of this process or of another one."""
        paths = self._paths()
        if gone := self._indexed - paths:
            self._index = {key: path for key, path in self._index.items() if path not in gone}
        for path in paths - self._indexed:
            self._index |= dict.fromkeys(self._content(path, with_values=False), path)
        self._indexed = paths

    def _content(self, path: Path, with_values: bool) -> EmbeddingsByKey:
        """Return the embeddings of a file, or its keys alone; nothing where it is broken or was merged meanwhile."""
        try:
            return read_embeddings(path, with_values)
        except DataError as error:
            if path.exists():
                say(f"A file of the cache of embeddings is broken, so its texts are encoded again: {error}")
                with suppress(OSError):
                    path.unlink()
            return {}


def _write(path: Path, keys: Sequence[bytes], values: Float[np.ndarray, "key feature"]) -> None:
    make_directory_of(path)
    write_arrays(path, {"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, _KEY_BYTES), "values": values})


def read_embeddings(path: Path, with_values: bool = True) -> EmbeddingsByKey:
    """Read a file of embeddings, or its keys with zeros of one number in place of the embeddings.

    Raises:
        DataError: if the file is missing or broken, or holds something else.
    """
    arrays = read_arrays(path, {"keys": "u", **({"values": "f"} if with_values else {})}, what="a file of embeddings")
    keys = arrays["keys"]
    values = arrays.get("values", np.zeros((len(keys), 1) if keys.ndim else (0, 1), np.float32))
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != _KEY_BYTES:
        raise DataError(f"{path} has keys of {keys.dtype} {keys.shape}, not of uint8 (n, {_KEY_BYTES}).")
    if values.dtype != np.float32 or values.ndim != 2 or len(values) != len(keys):
        raise DataError(f"{path} has values of {values.dtype} {values.shape} for {len(keys)} keys.")
    return dict(zip((key.tobytes() for key in keys), values, strict=True))
