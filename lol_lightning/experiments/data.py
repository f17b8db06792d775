"""The data of a benchmark: sets by name, prepared once for all methods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias, cast

from torch import Tensor

from lol_lightning.data.batch import SparseRows
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.inspection.inspect_lfs import inspect_lfs
from lol_lightning.lfs.record import LFRecord, Source
from lol_lightning.losses.resolve import defaults_of

__all__ = ["BenchmarkSet", "Datasets", "Prepared", "as_sets", "forget", "prepare"]

MakeDataModule: TypeAlias = Callable[[int], LoLDataModule]
"""From a seed to the data module of that seed, not set up."""

Datasets: TypeAlias = "Mapping[str, str | Path | MakeDataModule] | Iterable[str | Path]"
"""WRENCH directories, or by name WRENCH directories and functions from a seed to a data module."""


@dataclass(frozen=True)
class BenchmarkSet:
    """A set by its name and content.

    Args:
        name: as in the results.
        fingerprint: of its content; trials on other content are not taken for trials on this one.
        make: from a seed to a data module that is not set up.
        seeded: whether the rows follow the seed by themselves.
    """

    name: str
    fingerprint: str
    make: MakeDataModule = field(compare=False, repr=False)
    seeded: bool = True


@dataclass(frozen=True)
class Prepared:
    """A data module whose training and validation rows are ready.

    Args:
        data: the data module.
        told: the data module's own records where ``data`` holds those of an inspection; ``None`` else.
    """

    data: LoLDataModule
    told: list[LFRecord] | None = None

    @property
    def train(self) -> LoLDataset:
        """Training rows on which some LF votes, with the LFs' votes and gradient targets."""
        return cast(LoLDataset, self.data.train_dataloader().dataset)

    @property
    def val(self) -> LoLDataset:
        """Validation rows with their labels."""
        return cast(LoLDataset, cast(Any, self.data.val_dataloader()).dataset)

    def train_with(self, sources: tuple[Source, ...] | None) -> LoLDataset:
        """Return the training rows with the gradients of an inspection's sources, or by default the data's own."""
        if self.told is None:
            return self.train
        targets = self.data.targets_from(self.told if sources is None else self.data.records, sources)
        return LoLDataset(self.train.features, self.train.votes, targets)


def as_sets(datasets: Datasets) -> list[BenchmarkSet]:
    """Give each set its name and fingerprint.

    Args:
        datasets: see ``Datasets``; a directory without a name gets its own name. The fingerprint of a function is that
            of the data module of seed 0.

    Raises:
        DataError: if a directory is missing or two have the same name, or test rows have no labels.
        ConfigurationError: if there are no sets.
    """
    if isinstance(datasets, str | Path):
        datasets = [datasets]
    if isinstance(datasets, Mapping):
        named = list(datasets.items())
    else:
        named = [(Path(directory).resolve().name, directory) for directory in datasets]
    if not named:
        raise ConfigurationError("there are no data: name at least one WRENCH directory.")
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        raise DataError(f"two sets have the same name: {names}. Give them names of their own in a mapping.")
    return [_as_set(name, given) for name, given in named]


def _as_set(name: str, given: str | Path | MakeDataModule) -> BenchmarkSet:
    if callable(given):
        return BenchmarkSet(name, _fingerprint_of_module(given(0)), given)
    root = Path(given)
    if not root.is_dir():
        raise DataError(f"there is no WRENCH directory {str(given)!r}; it would hold train.json, valid.json, ...")
    digest = hashlib.sha256()
    for path in sorted(root.glob("*.json")):
        digest.update(path.name.encode() + path.read_bytes())
    return BenchmarkSet(name, digest.hexdigest(), partial(_wrench, str(root)), seeded=False)


def _wrench(root: str, seed: int) -> LoLDataModule:
    return WrenchDataModule(root, seed=seed, progress_bar=False)


def _fingerprint_of_module(data: LoLDataModule) -> str:
    data.setup("fit")
    data.setup("test")
    val = data.val_dataloader()
    if isinstance(val, list):
        raise DataError("the data module has no validation rows; trials are chosen on them. Give val=.")
    digest = hashlib.sha256()
    # Asking for the test rows tells now, and not after the trials, if their labels are missing.
    for loader in (data.train_dataloader(), val, data.test_dataloader()):
        dataset = cast(LoLDataset, loader.dataset)
        features = dataset.features
        if isinstance(features, SparseRows):
            _update(digest, features.indices, features.offsets, features.values)
        else:
            _update(digest, features)
        _update(digest, dataset.votes, dataset.labels)
        if (own := dataset.example_targets) is not None:
            _update(digest, own.index, own.value, own.scale)
    if defaults := defaults_of(data):
        digest.update(json.dumps(defaults, sort_keys=True).encode())
    targets = data.gradient_targets
    _update(digest, targets.lf, targets.cls, targets.feature, targets.value)
    return digest.hexdigest()


def _update(digest: Any, *tensors: Tensor | None) -> None:
    for tensor in tensors:
        digest.update(b"" if tensor is None else tensor.contiguous().numpy().tobytes())


def prepare(
    dataset: BenchmarkSet, train_rows: int | None, seed: int, inspect: bool = False, inspected_rows: int | None = None
) -> Prepared:
    """Prepare training and validation rows; what was prepared last is kept for the next method.

    Args:
        dataset: what to prepare.
        train_rows: number of unlabeled rows to draw with ``seed``, ``None`` for all.
        seed: of the rows.
        inspect: find out what the LFs inspect by every means, not only what they tell.
        inspected_rows: number of unlabeled rows to inspect the LFs on, the training rows if ``None``.
    """
    drawn = train_rows is not None or inspected_rows is not None
    return _prepare(dataset, train_rows, seed if drawn or dataset.seeded else 0, inspect, inspected_rows)


@lru_cache(maxsize=2)
def _prepare(
    dataset: BenchmarkSet, train_rows: int | None, seed: int, inspect: bool, inspected_rows: int | None
) -> Prepared:
    data = _drawn(dataset, train_rows, seed)
    if not inspect:
        data.setup("fit")
        return Prepared(data)
    looked_at = _drawn(dataset, inspected_rows or train_rows, seed)
    looked_at.setup("fit")
    known = {lf.name: lf for lf in looked_at.lfs}
    found = inspect_lfs(
        [known.get(name, name) for name in looked_at.lf_names],
        looked_at.train_rows,
        looked_at.feature_space,
        votes=looked_at.train_votes,
        column=looked_at.text_column,
        progress_bar=False,
    )
    told = data.records
    data.use_records([own.merge(record) for own, record in zip(told, found.records, strict=True)])
    data.setup("fit")
    return Prepared(data, told)


def _drawn(dataset: BenchmarkSet, train_rows: int | None, seed: int) -> LoLDataModule:
    data = dataset.make(seed)
    if train_rows is not None:
        data.draw_train_rows(train_rows, seed)
    return data


def forget() -> None:
    """Drop what was prepared."""
    _prepare.cache_clear()
