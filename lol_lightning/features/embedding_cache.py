"""Embeddings by the content of their texts: once in a process, and once on a disk where a folder is named."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from tqdm import tqdm  # type: ignore[import-untyped]

from lol_lightning.exceptions import DataError
from lol_lightning.features.embedding_files import EmbeddingFiles, EmbeddingsByKey, key_of

__all__ = ["EmbeddingCache", "Encode", "MemoryCache"]

Encode: TypeAlias = "Callable[[list[str]], Float[np.ndarray, 'text feature']]"
"""From texts to their embeddings, float32 (n, d)."""

CHUNK = 256
"""Texts that are encoded between two files; so many are lost at most where a process is killed."""


class MemoryCache:
    """Embeddings by key in memory; those that were used longest ago go first where there are too many.

    Args:
        max_bytes: of all embeddings together.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self._bytes = max_bytes, 0
        self._rows: OrderedDict[bytes, Float[np.ndarray, " feature"]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of embeddings."""
        return len(self._rows)

    def __repr__(self) -> str:
        return f"MemoryCache({len(self)} embeddings, {self._bytes} of {self.max_bytes} bytes)"

    def get(self, keys: Iterable[bytes]) -> EmbeddingsByKey:
        """Return the embeddings that are there."""
        with self._lock:
            rows = {key: self._rows[key] for key in keys if key in self._rows}
            for key in rows:
                self._rows.move_to_end(key)
        return rows

    def clear(self) -> None:
        """Forget all embeddings."""
        with self._lock:
            self._rows.clear()
            self._bytes = 0

    def put(self, rows: EmbeddingsByKey) -> None:
        """Keep embeddings."""
        with self._lock:
            for key, row in rows.items():
                old = self._rows.pop(key, None)
                # A row of a matrix would hold the whole matrix in memory.
                self._rows[key] = row.copy() if old is None else old
                self._bytes += row.nbytes if old is None else 0
            while self._bytes > self.max_bytes:
                _, oldest = self._rows.popitem(last=False)
                self._bytes -= oldest.nbytes


MEMORY = MemoryCache(2**28)
"""The embeddings of this process."""


class EmbeddingCache:
    """The embeddings of texts by one encoder; each distinct text is encoded once.

    On the disk, a file holds the embeddings of up to 256 texts and is written as a whole, so that a process that is
    killed loses no more. Processes that encode the same texts at the same time divide them.

    Args:
        name: identifies the encoder and all its settings that change an embedding.
        cache_dir: folder of the files of all encoders; ``None`` to keep nothing on the disk.
        memory: embeddings of this process.

    Example:
        >>> cache = EmbeddingCache("lengths", memory=MemoryCache(1000))
        >>> cache.embed(["a", "bcd", "a"], lambda texts: np.array([[len(t)] for t in texts], np.float32)).tolist()
        [[1.0], [3.0], [1.0]]
    """

    def __init__(self, name: str, cache_dir: str | Path | None = None, memory: MemoryCache | None = None) -> None:
        self._prefix = f"{name}\0".encode("utf-8", "surrogatepass")
        self._memory = MEMORY if memory is None else memory
        self._files = None
        if cache_dir is not None:
            self._files = EmbeddingFiles(Path(cache_dir).expanduser() / key_of(self._prefix).hex())

    def __repr__(self) -> str:
        return f"EmbeddingCache({'in memory alone' if self._files is None else self._files!r})"

    def embed(self, texts: Sequence[str], encode: Encode, progress_bar: bool = False) -> Float[np.ndarray, "text d"]:
        """Return the embeddings of texts, encoding those that neither memory nor disk has.

        Args:
            texts: n texts.
            encode: is called with up to 256 distinct texts, sorted by length, so that batches of them need little
                padding.
            progress_bar: whether to show the progress of encoding.

        Returns:
            float32 (n, d); (0, 0) for no texts.

        Raises:
            DataError: if the folder of the cache cannot be written, or holds embeddings of another encoder under the
                same name.
        """
        keys = [key_of(self._prefix + text.encode("utf-8", "surrogatepass")) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        rows = self._memory.get(text_of)
        if self._files is not None:
            rows |= self._files.read(text_of.keys() - rows.keys())
        missing = sorted(text_of.keys() - rows.keys(), key=lambda key: (len(text_of[key]), key))
        chunks = [missing[start : start + CHUNK] for start in range(0, len(missing), CHUNK)]
        with tqdm(total=len(missing), desc="Encoding texts", disable=not progress_bar, delay=1.0) as bar:
            for chunk in self._encoded(chunks, lambda part: encode([text_of[key] for key in part])):
                rows |= chunk
                bar.update(len(chunk))
        self._memory.put(rows)
        if self._files is not None and missing:
            self._files.merge()
        if len(sizes := {len(row) for row in rows.values()}) > 1:
            raise DataError(
                f"{self!r} holds embeddings of {sorted(sizes)} numbers under one name: two encoders have the same "
                "cache_key. Give each its own, or delete the folder."
            )
        return np.stack([rows[key] for key in keys]) if keys else np.empty((0, 0), np.float32)

    def _encoded(
        self, chunks: list[list[bytes]], encode: Callable[[list[bytes]], Float[np.ndarray, "key feature"]]
    ) -> Iterator[EmbeddingsByKey]:
        if self._files is not None:
            yield from self._files.fill(chunks, encode)
            return
        for keys in chunks:
            yield dict(zip(keys, encode(keys), strict=True))
