"""Seconds to encode the training comments of a WRENCH set by MiniLM: ``python benchmarks/speed/encode.py``.

Ours is ``TextEmbeddings``: cold, from the files of its cache, and from memory. The other is the ``encode`` of
sentence-transformers with the same model and batch size; it has no cache. The model is loaded before the clock starts.
Without the weights of MiniLM (see ``benchmarks/minilm.py``), name any encoder: ``--encoder NAME_OR_FOLDER``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jsonargparse import auto_cli

from benchmarks.minilm import minilm_folder
from benchmarks.output import Row, show, wrench_root
from benchmarks.speed.timing import interleaved, speedup
from lol_lightning.data.wrench import read_wrench_split
from lol_lightning.features.embedding_cache import MEMORY
from lol_lightning.features.embeddings import TextEmbeddings


def run(
    encoder: str | None = None,
    name: str = "youtube",
    rows: int | None = None,
    rounds: int = 1,
    device: str | None = None,
    batch_size: int = 32,
) -> list[Row]:
    """Compare encoding with and without the caches.

    Args:
        encoder: name or folder; MiniLM by default.
        name: of the WRENCH set.
        rows: that many of its training rows; all by default.
        rounds: of measurement, after one that does not count.
        device: of the model; an accelerator by default, if there is one.
        batch_size: texts at a time.
    """
    from sentence_transformers import SentenceTransformer

    texts = read_wrench_split(wrench_root() / name / "train.json").rows["text"].tolist()[:rows]
    with tempfile.TemporaryDirectory() as directory:
        model = SentenceTransformer(str(minilm_folder(directory) if encoder is None else encoder), device=device)
        settings: dict[str, Any] = {"batch_size": batch_size, "progress_bar": False, "standardize": False}
        folders = iter(range(10**6))

        def ours(cache: Path | None) -> Callable[[], None]:
            def work() -> None:
                MEMORY.clear()
                TextEmbeddings(model, cache_dir=cache, **settings).fit(texts)

            return work

        def cold() -> None:
            ours(Path(directory) / f"cold {next(folders)}")()

        kept = Path(directory) / "kept"
        ours(kept)()
        fitted = TextEmbeddings(model, **settings).fit(texts)

        def other() -> None:
            model.encode(texts, batch_size=batch_size, show_progress_bar=False)

        def memory() -> None:
            fitted.transform(texts)

        works: dict[str, Callable[[], None]] = {"other": other, "cold": cold, "disk": ours(kept), "memory": memory}
        same = np.allclose(fitted.transform(texts[:100]), model.encode(texts[:100], show_progress_bar=False), atol=1e-5)
        seconds = interleaved(works, rounds)
    case = f"{len(texts):,} texts of {name}" + ("" if same else " (the vectors differ)")
    named = {"cold": "encoded", "disk": "from files", "memory": "from memory"}
    return [speedup(f"{case}, {what}", seconds[key], seconds["other"], "s") for key, what in named.items()]


if __name__ == "__main__":
    show("Encoding", auto_cli(run))
