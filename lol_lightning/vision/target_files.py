"""Files of gradient targets of each example: written as a whole, mapped into memory, and identified by digests."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, get_args

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from lol_lightning._files.arrays import map_array
from lol_lightning._files.disk import reading
from lol_lightning._files.plain import check_fields, read_json, write_json
from lol_lightning.exceptions import TargetsError, check_choice
from lol_lightning.functional.example_targets import ARRAYS, ExampleTargets
from lol_lightning.functional.gradients import GradientUnit

__all__ = [
    "MAP_FROM",
    "SETTINGS",
    "allocate",
    "digest_of",
    "index_type",
    "load_targets",
    "mapped",
    "replacing",
    "save_settings",
    "save_targets",
    "spread_rows",
]

SETTINGS = "targets.json"

_FIELDS = {
    "num_features": int,
    "unit": str,
    "typical_magnitude": float,
    "rows": int,
    "sample": str,
    "fingerprint": str | None,
}

MAP_FROM = 512 * 2**20
"""From this many bytes on, targets are kept in a file and mapped into memory."""


def index_type(d: int) -> torch.dtype:
    """Smallest type that counts d features, int16 or int32."""
    return torch.int16 if d <= torch.iinfo(torch.int16).max else torch.int32


def allocate(n: int, m: int, k: int, d: int, directory: Path | None) -> dict[str, np.ndarray]:
    """Arrays of ``ARRAYS`` for n rows, m LFs, k entries, d features: in a directory, or in memory while small."""
    types: dict[str, tuple[tuple[int, ...], Any]] = {
        "index": ((n, m, k), np.int16 if index_type(d) == torch.int16 else np.int32),
        "value": ((n, m, k), np.float16),
        "scale": ((n, m), np.float32),
    }
    if directory is not None:
        return {name: _in_file(directory / f"{name}.npy", shape, dtype) for name, (shape, dtype) in types.items()}
    if n * m * (k * (types["index"][1]().nbytes + 2) + 4) < MAP_FROM:
        return {name: np.zeros(shape, dtype) for name, (shape, dtype) in types.items()}
    return {name: _in_unnamed_file(shape, dtype) for name, (shape, dtype) in types.items()}


def _in_file(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        _take_space(file, path.stat().st_size)
    return array


def _in_unnamed_file(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    # The map outlives the open file, and the file, which has no name, goes with the map.
    with tempfile.TemporaryFile() as file:
        _take_space(file, math.prod(shape) * np.dtype(dtype).itemsize)
        return np.memmap(file, dtype, "r+", shape=shape)


def _take_space(file: IO[bytes], size: int) -> None:
    """Reserve the bytes of a file: where the disk is full, this raises, and a write to mapped memory ends Python."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


@contextmanager
def replacing(directory: str | Path) -> Iterator[Path]:
    """Give an empty directory to write targets into, which then replace those of ``directory``, if nothing was raised.

    Files are moved, never overwritten: memory that is mapped to the old ones, or to the new ones, stays as it is.

    Raises:
        TargetsError: if they cannot be written; the old ones are then as they were.
    """
    try:
        with _replacing(Path(directory)) as draft:
            yield draft
    except OSError as error:
        raise TargetsError(f"gradient targets cannot be written into {directory}: {error}.") from error


@contextmanager
def _replacing(directory: Path) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=directory) as name:
        draft = Path(name)
        yield draft
        # While files are moved there are no settings, and so no targets to load. Where several processes move theirs at
        # once, `load` recognises a mixture by its sampled rows.
        (directory / SETTINGS).unlink(missing_ok=True)
        for file in (*(f"{name}.npy" for name in ARRAYS), SETTINGS):
            if (draft / file).exists():
                os.replace(draft / file, directory / file)
            else:
                (directory / file).unlink(missing_ok=True)


def digest_of(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """Return a digest of the names, types, shapes and bytes of tensors, and of a text."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def spread_rows(num_rows: int, sample: int = 16) -> Int[Tensor, " selected"]:
    """Return a few positions in [0, num_rows), the first and the last among them."""
    return torch.linspace(0, num_rows - 1, min(num_rows, sample), dtype=torch.double).long()


def mapped(path: Path, rows: int) -> Tensor:
    """Map an array that was written for so many rows, or once for all of them, into memory."""
    # Copy on write: the file is never changed, and PyTorch is handed memory that it may write to.
    array = torch.from_numpy(map_array(path, "if"))
    if len(array) not in (1, rows):
        raise TargetsError(f"{path.name} has {len(array)} rows, and {SETTINGS} says {rows}")
    return array.expand(rows, *array.shape[1:]) if len(array) == 1 else array


def save_targets(targets: ExampleTargets, directory: str | Path, fingerprint: str | None = None) -> None:
    """Write targets as plain arrays into a directory, from which ``load_targets`` maps them into memory.

    Older targets in it are replaced; memory that is mapped to them stays as it is. What all rows have in common is
    written once.

    Args:
        targets: targets of n rows.
        directory: made if it is missing.
        fingerprint: digest of all that decides the targets, for ``load_targets`` to compare.

    Raises:
        TargetsError: if an index lies outside its range or a number is not finite; nothing is then written.
    """
    targets.check_values()
    with replacing(directory) as draft:
        for name, tensor in targets.arrays().items():
            common = len(targets) > 1 and tensor.stride(0) == 0
            np.save(draft / f"{name}.npy", (tensor[:1] if common else tensor).numpy(), allow_pickle=False)
        save_settings(targets, draft, fingerprint)


def save_settings(targets: ExampleTargets, directory: str | Path, fingerprint: str | None = None) -> None:
    """Write what is no array, beside ``index.npy``, ``value.npy`` and ``scale.npy`` that are there already."""
    state = {
        "num_features": targets.num_features,
        "unit": targets.unit,
        "typical_magnitude": targets.typical_magnitude,
    }
    written = {"rows": len(targets), "sample": _digest_of_sample(targets), "fingerprint": fingerprint}
    write_json(Path(directory) / SETTINGS, {**state, **written})


def load_targets(directory: str | Path, fingerprint: str | None = None) -> ExampleTargets:
    """Map saved targets into memory: entries are read from disk when a batch asks for them.

    All values are read once, in blocks, to tell that they are finite and within their range, and a digest of a few rows
    tells that the arrays are those that were written.

    Args:
        directory: what ``save_targets`` wrote.
        fingerprint: what the targets must have been saved with; ``None`` takes any.

    Raises:
        TargetsError: if the directory does not hold targets, or not those of the fingerprint.
    """
    directory = Path(directory)
    with reading(directory, "a directory of gradient targets", error=TargetsError):
        state = check_fields(read_json(directory / SETTINGS), _FIELDS, SETTINGS)
        rows, sample, written = (state.pop(name) for name in ("rows", "sample", "fingerprint"))
        if fingerprint is not None and fingerprint != written:
            raise TargetsError("they were computed from something else")
        check_choice("unit", state["unit"], get_args(GradientUnit))
        paths = {name: directory / f"{name}.npy" for name in ARRAYS}
        arrays = {name: mapped(path, rows) for name, path in paths.items() if path.exists()}
        # Made without rows first, so that the shapes are checked before the values.
        none: dict[str, Any] = {name: array[:0] for name, array in arrays.items()}
        targets = ExampleTargets(**none, **state).replaced(arrays)
        targets.check_shapes()
        if _digest_of_sample(targets) != sample:
            raise TargetsError(f"the arrays are not those that {SETTINGS} was written for")
        targets.check_values()
        return targets


def _digest_of_sample(targets: ExampleTargets) -> str:
    sample = spread_rows(len(targets))
    return digest_of({name: tensor[sample] for name, tensor in targets.arrays().items()})
