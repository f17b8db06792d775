"""The data of a benchmark: sets by name, prepared once for all methods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias, cast

from torch import Tensor

from lol_lightning._files.disk import read_bytes
from lol_lightning.data.base import BaseDataModule
from lol_lightning.data.batch import SparseRows
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.wrench import WrenchDataModule
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.token_rows import TokenRows
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.inspection import inspect_lfs
from lol_lightning.lfs.record import LFRecord, Source

__all__ = ["BenchmarkSet", "Datasets", "Prepared", "as_sets", "forget", "prepare"]

MakeDataModule: TypeAlias = Callable[[int], BaseDataModule]
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

    __repr__ = short_repr


@dataclass(frozen=True)
class Prepared:
    """A data module whose training and validation rows are ready.

    Args:
        data: the data module.
        own_records: the data module's own records where ``data`` holds those of an inspection; ``None`` else.
    """

    data: BaseDataModule
    own_records: list[LFRecord] | None = None

    __repr__ = short_repr

    @property
    def train(self) -> LoLDataset:
        """Training rows on which some LF votes, with the LFs' votes and gradient targets."""
        return self.data.dataset("train")

    @property
    def val(self) -> LoLDataset:
        """Validation rows with their labels."""
        return self.data.dataset("val")

    def train_with(self, sources: tuple[Source, ...] | None) -> LoLDataset:
        """Return the training rows with the gradients of an inspection's sources, or by default the data's own."""
        if self.own_records is None or not isinstance(self.data, LoLDataModule):
            return self.train
        if self.data.has_insertions:
            raise ConfigurationError(
                "variants with `sources` compare gradient targets, and the data module inserts terms: give it "
                "insertions=False, or leave `sources` out."
            )
        targets = self.data.targets_from(self.own_records if sources is None else self.data.records, sources)
        return LoLDataset(self.train.features, self.train.votes, targets)


def as_sets(datasets: Datasets, encoder: str | None = None) -> list[BenchmarkSet]:
    """Give each set its name and fingerprint.

    Args:
        datasets: see ``Datasets``; a directory without a name gets its own name. The fingerprint of a function is that
            of the data module of seed 0.
        encoder: of the texts of directories, see ``WrenchDataModule``; a function makes its own features.

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
    return [_as_set(name, dataset, encoder) for name, dataset in named]


def _as_set(name: str, dataset: str | Path | MakeDataModule, encoder: str | None) -> BenchmarkSet:
    if callable(dataset):
        return BenchmarkSet(name, _fingerprint_of_module(dataset(0)), dataset)
    root = Path(dataset)
    if not root.is_dir():
        raise DataError(f"there is no WRENCH directory {str(dataset)!r}; it would hold train.json, valid.json, ...")
    digest = hashlib.sha256()
    for path in sorted(root.glob("*.json")):
        digest.update(path.name.encode() + read_bytes(path, "a file of a WRENCH directory"))
    if encoder is not None:
        digest.update(f"encoder {encoder}".encode())
    return BenchmarkSet(name, digest.hexdigest(), partial(_wrench, str(root), encoder), seeded=False)


def _wrench(root: str, encoder: str | None, seed: int) -> LoLDataModule:
    return WrenchDataModule(root, seed=seed, progress_bar=False, encoder=encoder)


def _fingerprint_of_module(data: BaseDataModule) -> str:
    data.setup("fit")
    data.setup("test")
    if not data.has_rows("val"):
        raise DataError("the data module has no validation rows; trials are chosen on them. Give val=.")
    digest = hashlib.sha256()
    # Its test loader raises now, and not after the trials, if labels are missing.
    for dataset in (data.dataset("train"), data.dataset("val"), cast(LoLDataset, data.test_dataloader().dataset)):
        features = dataset.features
        if isinstance(features, SparseRows):
            _update(digest, features.indices, features.offsets, features.values)
        elif isinstance(features, TokenRows):
            _update(digest, features.ids, features.offsets, features.type_ids)
        else:
            _update(digest, features)
        _update(digest, dataset.votes, dataset.labels)
        if (own := dataset.example_targets) is not None:
            _update(digest, own.index, own.value, own.scale)
    digest.update(json.dumps(asdict(data.model_defaults), sort_keys=True).encode())
    if (targets := data.gradient_targets) is not None:
        _update(digest, targets.lf, targets.cls, targets.feature, targets.value)
    if (bank := data.dataset("train").insertions) is not None:
        _update(digest, bank.lf, bank.cls, bank.value, bank.term, bank.lf_scale)
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
        inspect: find out what the LFs inspect by every means, not only what they declare.
        inspected_rows: number of unlabeled rows to inspect the LFs on, the training rows if ``None``.

    Raises:
        ConfigurationError: if LFs are to be inspected and the data module is no ``LoLDataModule``.
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
    inspected = _drawn(dataset, inspected_rows or train_rows, seed)
    if not (isinstance(data, LoLDataModule) and isinstance(inspected, LoLDataModule)):
        raise ConfigurationError(f"variants with `sources` need a LoLDataModule; {dataset.name!r} is of another kind.")
    inspected.setup("fit")
    by_name = {lf.name: lf for lf in inspected.lfs}
    findings = inspect_lfs(
        [by_name.get(name, name) for name in inspected.lf_names],
        inspected.train_rows,
        inspected.feature_space,
        votes=inspected.train_votes,
        text_column=inspected.text_column,
        progress_bar=False,
    )
    own_records = inspected.records  # With what the data module traces by itself, where it does.
    data.use_records([own.merge(record) for own, record in zip(own_records, findings.records, strict=True)])
    data.setup("fit")
    return Prepared(data, own_records)


def _drawn(dataset: BenchmarkSet, train_rows: int | None, seed: int) -> BaseDataModule:
    data = dataset.make(seed)
    if train_rows is not None:
        data.draw_train_rows(train_rows, seed)
    return data


def forget() -> None:
    """Drop what was prepared."""
    _prepare.cache_clear()
