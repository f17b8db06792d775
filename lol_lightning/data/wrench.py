"""WRENCH directories: real weak-supervision text sets with their votes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lol_lightning._files.disk import reading
from lol_lightning._files.plain import check_list, read_json
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.inspecting import InspectMode, InspectOptions
from lol_lightning.data.options import LoaderOptions
from lol_lightning.data.voters import Records
from lol_lightning.exceptions import DataError, LoLError
from lol_lightning.features.encoder_features import space_of
from lol_lightning.features.feature_space import FeatureSpace
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.matrix import validate_votes
from lol_lightning.lfs.rules.rules import rules_lf

__all__ = ["WrenchDataModule", "WrenchSplit", "read_wrench_lfs", "read_wrench_split"]

_CURE = "A WRENCH directory holds train, valid, test and label .json. Was the download cut short?"


class WrenchSplit(NamedTuple):
    """Rows and votes of one file of a WRENCH directory."""

    rows: pd.DataFrame
    """Columns ``text`` and ``label``, indexed by the file's ids."""
    votes: np.ndarray
    """int64 (n, m) with class ids or ``ABSTAIN``."""

    def __repr__(self) -> str:
        return short_repr(self)


class WrenchDataModule(LoLDataModule):
    """A data module of a WRENCH directory: ``train.json``, ``valid.json``, ``test.json`` and ``label.json``.

    Votes are taken from the files. Where ``lfs.json`` tells the rules of the LFs, those are LFs with records of what
    they inspect (``lfs``); LFs without rules vote and have no gradient until they are probed. The rows to predict are
    those of the test.

    Args:
        root: the directory.
        max_train_rows: use only that many unlabeled rows, drawn with ``seed``.
        feature_space: what the model reads; a ``BagOfWords`` by default.
        batch_size: B.
        records: what the LFs inspect in place of what ``lfs.json`` tells, matched by name; see ``LoLDataModule``.
        inspect: see ``LoLDataModule``; LFs of a directory have rules or no code, so nothing is left to trace.
        loader: how batches are cut; by default in the main process, in an order that follows ``seed``.
        seed: of the choice and the order of the training rows.
        progress_bar: whether to show the progress of LFs that run, and of the encoder.
        encoder: name or folder of a pretrained encoder of texts, in place of ``feature_space``: its embeddings stand
            beside the words, see ``encoder_features``.

    Raises:
        ConfigurationError: if both ``encoder`` and ``feature_space`` are there.
        DataError: if the directory or a file is missing, broken or does not fit the others.

    Example:
        >>> data = WrenchDataModule("../shared/wrench/youtube", max_train_rows=100)  # doctest: +SKIP
        >>> Trainer().fit(LoLClassifier(), data)  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | Path,
        max_train_rows: int | None = None,
        feature_space: FeatureSpace | None = None,
        batch_size: int = 128,
        records: Records | GradientTargets | None = None,
        inspect: InspectMode | InspectOptions = "traced",
        loader: LoaderOptions | None = None,
        seed: int = 0,
        progress_bar: bool = True,
        encoder: str | None = None,
    ) -> None:
        feature_space = space_of(encoder, feature_space, "text", progress_bar=progress_bar)
        root = Path(root)
        if not root.is_dir():
            raise DataError(f"there is no WRENCH directory {str(root)!r}; it would hold train.json, valid.json, ...")
        label_names = _read_label_names(root / "label.json")
        names, with_rules = read_wrench_lfs(path) if (path := root / "lfs.json").exists() else (None, [])
        splits = {name: read_wrench_split(root / f"{name}.json", names) for name in ("train", "valid", "test")}
        num_lfs = splits["train"].votes.shape[1]
        lfs: list[Any] = [f"lf_{i}" for i in range(num_lfs)]
        if names is not None:
            if len(names) != num_lfs:
                raise DataError(f"{path} describes {len(names)} LFs, but train.json has {num_lfs} votes per row.")
            by_name = {lf.name: lf for lf in with_rules}
            lfs = [by_name.get(name, name) for name in names]
        self.root = root
        with self._naming_the_directory():
            super().__init__(
                splits["train"].rows,
                splits["valid"].rows,
                splits["test"].rows,
                predict=splits["test"].rows,
                lfs=lfs,
                votes={"train": splits["train"].votes, "val": splits["valid"].votes, "test": splits["test"].votes},
                records=records,
                inspect=inspect,
                feature_space=feature_space,
                classes=label_names,
                batch_size=batch_size,
                loader=LoaderOptions(seed=seed) if loader is None else loader,
                progress_bar=progress_bar,
            )
        if max_train_rows is not None:
            self.draw_train_rows(max_train_rows, seed)

    def prepare_data(self) -> None:
        """Do what one process does for all; see ``setup``."""
        with self._naming_the_directory():
            super().prepare_data()

    def setup(self, stage: str | None = None) -> None:
        """Make the data sets; here labels and votes are checked against the classes and the LFs.

        Raises:
            LoLError: if they do not fit, naming the directory.
        """
        with self._naming_the_directory():
            super().setup(stage)

    @contextmanager
    def _naming_the_directory(self) -> Iterator[None]:
        try:
            yield
        except LoLError as error:
            raise type(error)(f"{self.root}: {error}") from error


def read_wrench_split(path: str | Path, lf_names: Sequence[str] | None = None) -> WrenchSplit:
    """Read ``{id: {"label": int, "weak_labels": [int, ...], "data": {"text": str, ...}}}``.

    Args:
        path: of the file.
        lf_names: of the vote columns, for messages.

    Raises:
        DataError: if the file is missing, is not JSON, or a row lacks one of the three or differs in its votes' number.
    """
    path = Path(path)
    content = read_json(path, cure=_CURE)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} must hold an object with one entry per row, got {type(content).__name__}.")
    texts, labels, votes = [], [], []
    for name, row in content.items():
        try:
            texts.append(row["data"]["text"])
            labels.append(row.get("label"))
            votes.append(check_list(row["weak_labels"], int | float, "weak_labels"))
        except (KeyError, TypeError, AttributeError, DataError) as error:
            raise DataError(
                f'row {name!r:.80} of {path} is broken ({error!r}): expected {{"label": 0, "weak_labels": [0, -1], '
                '"data": {"text": "..."}}.'
            ) from error
        if len(votes[-1]) != len(votes[0]):
            raise DataError(
                f"row {name!r:.80} of {path} has {len(votes[-1])} weak labels and the first row {len(votes[0])}."
            )
    # As objects, since the strings of pandas cannot hold half of an emoji, which cut posts end with.
    columns = {"text": pd.Series(texts, dtype=object), "label": pd.Series(labels, dtype=_dtype_of(labels))}
    rows = pd.DataFrame(columns).set_index(pd.Index(list(content), dtype=object))
    with reading(path, "a file of a WRENCH directory", _CURE):
        names = lf_names if lf_names is not None and len(lf_names) == len(votes[0]) else None
        return WrenchSplit(rows, validate_votes(votes, lf_names=names))


def read_wrench_lfs(path: str | Path) -> tuple[list[str], list[GradientLabelingFunction]]:
    """Read ``[{"name": str, "rules": [...] or null}, ...]``.

    Returns:
        The names of all LFs in the order of the vote columns, and those LFs whose rules are known.

    Raises:
        DataError: if the file is missing, is not JSON, or a rule is ill-defined.
    """
    path = Path(path)
    content = read_json(path, cure=_CURE)
    if not isinstance(content, list):
        raise DataError(f"{path} must hold a list with one entry per LF, got {type(content).__name__}.")
    names, lfs = [], []
    for column, item in enumerate(content):
        try:
            if not isinstance(item["name"], str):
                raise TypeError(f"its name is {item['name']!r:.80}")
            names.append(item["name"])
            if item["rules"] is not None:
                # A rule whose list of words is empty never hits.
                lfs.append(rules_lf(item["name"], [rule for rule in item["rules"] if [] not in rule.values()]))
        except Exception as error:  # The rules decide what is raised.
            raise DataError(
                f'LF {column} of {path} is broken: {error}. Expected {{"name": ..., "rules": ...}}.'
            ) from error
    return names, lfs


def _read_label_names(path: Path) -> list[str]:
    content = read_json(path, cure=_CURE)
    try:
        return check_list([content[str(i)] for i in range(len(content))], str, "it")
    except (KeyError, TypeError, DataError) as error:
        raise DataError(f'{path} must name the classes as {{"0": ..., "1": ...}}, got {content!r:.80}.') from error


def _dtype_of(labels: list[Any]) -> Any:
    return object if any(isinstance(label, str) for label in labels) else None
